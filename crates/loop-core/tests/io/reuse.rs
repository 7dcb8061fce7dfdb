//! Numbers that are used again, and descriptors that are closed too early.

use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use crate::common::{Drops, Trace};

use crate::{look, polling_loop, readable, ready_pair};

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
