//! Callbacks that add, replace and remove each other, and what the registry refuses.

use std::io::ErrorKind;
use std::os::fd::{AsRawFd, RawFd};

use crate::common::{Drops, OnDrop, Trace, reports};
use loop_core::{LoopError, get_running_loop};

use crate::{look, polling_loop, ready_pair};

#[test]
fn a_second_callback_replaces_the_first() {
    let event_loop = polling_loop();
    let (near, _far) = ready_pair();
    let (trace, drops) = (Trace::new(), Drops::default());
    for name in ["first", "second"] {
        let (log, counted) = (trace.clone(), drops.counted());
        event_loop
            .add_reader(&near, move || {
                let _counted = &counted;
                log.push(name);
            })
            .unwrap();
    }
    assert_eq!(drops.count(), 1);
    look(&event_loop);
    assert_eq!(trace.take(), ["second"]);
    assert!(event_loop.remove_reader(&near));
    assert_eq!(drops.count(), 2);
    assert!(!event_loop.remove_reader(&near));
}

/// The first callback of a batch removes, or replaces, what the second was about to be called for.
#[test]
fn a_callback_removed_or_replaced_in_its_own_batch_is_not_called() {
    for replace in [false, true] {
        let event_loop = polling_loop();
        let pairs = [ready_pair(), ready_pair()];
        let fds = [pairs[0].0.as_raw_fd(), pairs[1].0.as_raw_fd()];
        let trace = Trace::new();
        for (i, fd) in fds.into_iter().enumerate() {
            let log = trace.clone();
            event_loop
                .add_reader(&fd, move || {
                    log.push(format!("old {i}"));
                    let me = get_running_loop().unwrap();
                    let other = fds[1 - i];
                    if replace {
                        let log = log.clone();
                        me.add_reader(&other, move || log.push(format!("new {}", 1 - i)))
                            .unwrap();
                    } else {
                        assert!(me.remove_reader(&other));
                    }
                })
                .unwrap();
        }
        look(&event_loop);
        let called = trace.take();
        assert_eq!(called.len(), 1, "{called:?}");
        let first = usize::from(called[0] == "old 1");
        event_loop.remove_reader(&fds[first]);
        look(&event_loop);
        let expected = [format!("new {}", 1 - first)];
        let expected = if replace { &expected[..] } else { &[] };
        assert_eq!(trace.take(), expected);
    }
}

/// The reader of an event removes its own descriptor while the writer of the same event still stands in the queue; the
/// event may be that the other end has gone.
#[test]
fn a_callback_may_remove_itself_and_its_sibling() {
    for gone in [false, true] {
        let event_loop = polling_loop();
        let (near, far) = ready_pair();
        let far = (!gone).then_some(far);
        let fd = near.as_raw_fd();
        let (trace, drops) = (Trace::new(), Drops::default());
        let (log, counted) = (trace.clone(), drops.counted());
        event_loop
            .add_reader(&fd, move || {
                let me = get_running_loop().unwrap();
                assert!(me.remove_reader(&fd));
                assert!(me.remove_writer(&fd));
                let _counted = &counted;
                log.push("reader");
            })
            .unwrap();
        let counted = drops.counted();
        event_loop
            .add_writer(&fd, move || {
                let _counted = &counted;
                unreachable!();
            })
            .unwrap();
        let reports = reports(&event_loop);
        look(&event_loop);
        assert_eq!(trace.take(), ["reader"]);
        assert_eq!(drops.count(), 2);
        assert_eq!(reports.take(), [""; 0]);
        drop((near, far));
        look(&event_loop);
    }
}

#[test]
fn drops_of_callbacks_may_use_the_registry() {
    let event_loop = polling_loop();
    let (near, _far) = ready_pair();
    let (other, _its_far) = ready_pair();
    let fds = (near.as_raw_fd(), other.as_raw_fd());
    let trace = Trace::new();
    let meddler = |name: &'static str| {
        let (log, me) = (trace.clone(), event_loop.clone());
        let on_drop = OnDrop(move || {
            log.push(name);
            let _ = me.add_writer(&fds.0, || ());
            let _ = me.add_reader(&fds.1, || ());
            me.remove_reader(&fds.1);
            me.call_soon(|| ()).unwrap();
        });
        move || {
            let _on_drop = &on_drop;
        }
    };
    event_loop.add_reader(&fds.0, meddler("replaced")).unwrap();
    event_loop.add_reader(&fds.0, meddler("removed")).unwrap();
    assert_eq!(trace.take(), ["replaced"]);
    assert!(event_loop.remove_reader(&fds.0));
    assert_eq!(trace.take(), ["removed"]);
    event_loop.add_reader(&-1, meddler("refused")).unwrap_err();
    assert_eq!(trace.take(), ["refused"]);
    assert!(event_loop.remove_writer(&fds.0));
}

#[test]
fn callbacks_are_dropped_one_by_one_when_the_loop_closes() {
    let event_loop = polling_loop();
    let reports = reports(&event_loop);
    let drops = Drops::default();
    let pairs = [ready_pair(), ready_pair(), ready_pair()];
    for (near, _) in &pairs {
        for direction in ["reader", "writer"] {
            let (bomb, counted) = (OnDrop(move || panic!("{direction}")), drops.counted());
            let callback = move || {
                let _both = (&bomb, &counted);
            };
            if direction == "reader" {
                event_loop.add_reader(near, callback).unwrap();
            } else {
                event_loop.add_writer(near, callback).unwrap();
            }
        }
    }
    event_loop.process_events().unwrap();
    event_loop.close().unwrap();
    assert_eq!(drops.count(), 6);
    assert_eq!(reports.take().len(), 6);
    let refused = event_loop.add_reader(&pairs[0].0, || ()).unwrap_err();
    assert_eq!(refused.to_string(), "Event loop is closed");
    let inner = refused.into_inner().unwrap();
    assert_eq!(inner.downcast_ref(), Some(&LoopError::Closed));
    assert!(!event_loop.remove_reader(&pairs[0].0));
}

#[test]
fn a_panicking_reader_is_reported_and_called_again() {
    let event_loop = polling_loop();
    let reports = reports(&event_loop);
    let (near, _far) = ready_pair();
    event_loop
        .add_reader(&near, || panic!("cannot read"))
        .unwrap();
    look(&event_loop);
    look(&event_loop);
    let reports = reports.take();
    assert_eq!(reports.len(), 2);
    for report in reports {
        assert!(report.starts_with("Exception in callback: cannot read\n"));
        assert!(
            report.contains("a_panicking_reader_is_reported"),
            "{report}"
        );
        assert!(report.contains(file!()), "where it was added: {report}");
    }
}

#[test]
fn descriptors_that_cannot_be_polled_are_refused_with_the_reason() {
    let event_loop = polling_loop();
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    let fd = file.as_raw_fd();
    let drops = Drops::default();
    // Enough to show a slot, or a number, that is not given back.
    for _ in 0..10_000 {
        let counted = drops.counted();
        let refused = event_loop
            .add_reader(&file, move || {
                let _counted = &counted;
            })
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    }
    assert_eq!(drops.count(), 10_000);
    let refused = event_loop.add_writer(&file, || ()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "fd {fd} cannot be polled: a regular file, or a device like /dev/null, is always ready"
        )
    );
    assert_eq!(os_error(&refused), Some(libc::EPERM));
    for fd in [-1, RawFd::MAX, RawFd::MIN, 1_000_000] {
        let refused = event_loop.add_reader(&fd, || ()).unwrap_err();
        assert_eq!(refused.to_string(), format!("fd {fd} is not open"));
        assert_eq!(os_error(&refused), Some(libc::EBADF));
        assert!(!event_loop.remove_reader(&fd) && !event_loop.remove_writer(&fd));
    }
    look(&event_loop);
}

/// What the system said, below the words.
fn os_error(error: &std::io::Error) -> Option<i32> {
    let source = error.get_ref()?.source()?;
    source.downcast_ref::<std::io::Error>()?.raw_os_error()
}
