//! Numbers that are used again, and descriptors that are closed too early.

use std::cell::Cell;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use crate::common::{Drops, Trace, reports, watchdog};
use loop_core::{EventLoop, get_running_loop};

use crate::{MS, look, polling_loop, readable, ready_pair};

/// A socket whose number can be made to name another one, and the socket at its other end.
fn reusable() -> (OwnedFd, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    (near.into(), far)
}

/// Closes what `fd` names and makes the number name something else, in one step, so that no other thread gets it.
fn reuse(fd: &mut OwnedFd) -> UnixStream {
    let (near, far) = UnixStream::pair().unwrap();
    rustix::io::dup2(&near, fd).unwrap();
    far
}

/// A program that closes a descriptor without removing it has made a mistake; what it must not get is the events of
/// one under the callback of the other, or an error for a descriptor that is fine.
#[test]
fn a_number_that_is_used_again_starts_anew() {
    let event_loop = polling_loop();
    let (mut fd, _old_far) = reusable();
    let (trace, drops) = (Trace::new(), Drops::default());
    for direction in ["old reader", "old writer"] {
        let (log, counted) = (trace.clone(), drops.counted());
        let callback = move || {
            let _counted = &counted;
            log.push(direction);
        };
        if direction == "old reader" {
            event_loop.add_reader(&fd, callback).unwrap();
        } else {
            event_loop.add_writer(&fd, callback).unwrap();
        }
    }
    look(&event_loop);
    assert_eq!(trace.take(), ["old writer"]);

    let mut new_far = reuse(&mut fd);
    new_far.write_all(b"x").unwrap();
    look(&event_loop);
    look(&event_loop);
    assert_eq!(trace.take(), [""; 0], "never a wrong descriptor");

    event_loop
        .add_reader(&fd, readable(&trace, "new reader"))
        .unwrap();
    assert_eq!(drops.count(), 2, "both were for the old one");
    look(&event_loop);
    look(&event_loop);
    assert_eq!(trace.take(), ["new reader"; 2]);
    assert!(event_loop.remove_reader(&fd));
    assert!(!event_loop.remove_writer(&fd));
}

/// As long as a duplicate of it lives, the system goes on to report a descriptor that was closed.
#[test]
fn events_of_a_closed_descriptors_duplicate_reach_nobody() {
    let event_loop = polling_loop();
    let trace = Trace::new();
    for _ in 0..1_000 {
        let (mut fd, mut old_far) = reusable();
        let duplicate = fd.try_clone().unwrap();
        event_loop.add_reader(&fd, readable(&trace, "old")).unwrap();
        let mut new_far = reuse(&mut fd);
        event_loop.add_reader(&fd, readable(&trace, "new")).unwrap();
        old_far.write_all(b"x").unwrap();
        look(&event_loop);
        assert_eq!(trace.take(), [""; 0]);
        new_far.write_all(b"x").unwrap();
        look(&event_loop);
        assert_eq!(trace.take(), ["new"]);
        assert!(event_loop.remove_reader(&fd));
        drop(duplicate);
    }
}

#[test]
fn a_descriptor_closed_before_it_is_removed_can_still_be_removed() {
    let event_loop = polling_loop();
    let (near, far) = ready_pair();
    let fd = near.as_raw_fd();
    let drops = Drops::default();
    let counted = drops.counted();
    event_loop
        .add_reader(&fd, move || {
            let _counted = &counted;
        })
        .unwrap();
    look(&event_loop);
    drop((near, far));
    assert!(event_loop.remove_reader(&fd));
    assert_eq!(drops.count(), 1);
    assert!(!event_loop.remove_reader(&fd));
}

/// The event was for the old descriptor, and its callback stands in the queue already when the number gets another.
#[test]
fn a_number_that_is_used_again_between_the_event_and_its_callback_starts_anew() {
    let event_loop = polling_loop();
    let reports = reports(&event_loop);
    let trace = Trace::new();
    let (mut fd, mut old_far) = reusable();
    old_far.write_all(b"x").unwrap();
    event_loop.add_reader(&fd, readable(&trace, "old")).unwrap();
    let new = Rc::new(Cell::new(None));
    let (log, far) = (trace.clone(), Rc::clone(&new));
    event_loop
        .call_soon(move || {
            let its_far = reuse(&mut fd);
            let me = get_running_loop().unwrap();
            me.add_reader(&fd, readable(&log, "new")).unwrap();
            log.push("used again");
            far.set(Some((fd, its_far)));
        })
        .unwrap();
    look(&event_loop);
    assert_eq!(
        trace.take(),
        ["used again"],
        "nobody reads what is not there"
    );
    let (_fd, mut new_far) = new.take().unwrap();
    new_far.write_all(b"x").unwrap();
    look(&event_loop);
    assert_eq!(trace.take(), ["new"]);
    assert_eq!(reports.take(), [""; 0]);
}

/// Its program cannot take the registration back any more: the number is gone, and the duplicate keeps it alive.
#[test]
fn a_duplicate_of_a_closed_descriptor_keeps_no_loop_awake() {
    for removed in [true, false] {
        let event_loop = EventLoop::new().unwrap();
        let _watchdog = watchdog();
        let (near, mut far) = UnixStream::pair().unwrap();
        let _duplicate = near.try_clone().unwrap();
        let fd = near.as_raw_fd();
        event_loop.add_reader(&fd, || ()).unwrap();
        look(&event_loop);
        drop(near);
        far.write_all(b"x").unwrap(); // and nobody will ever read it
        if removed {
            assert!(event_loop.remove_reader(&fd));
        }
        let fired = Rc::new(Cell::new(false));
        let fire = Rc::clone(&fired);
        event_loop
            .call_later(20 * MS, move || fire.set(true))
            .unwrap();
        let mut iterations = 0;
        while !fired.get() {
            event_loop.run_once(None).unwrap();
            iterations += 1;
        }
        assert!(iterations < 10, "{iterations} iterations in one sleep");
    }
}
