//! Who waits at a watched descriptor: several under keys of their own, in each direction.
#![cfg(target_os = "linux")] // elsewhere an event is of one direction
#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

mod common;

use std::cell::RefCell;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use common::{OnDrop, reports};

use loop_core::{Direction, EventLoop, Watch};

/// What has been woken, in order.
#[derive(Clone, Default)]
struct Woken(Arc<Mutex<Vec<&'static str>>>);

struct Name(Woken, &'static str);

impl Wake for Name {
    fn wake(self: Arc<Self>) {
        self.0.0.lock().unwrap().push(self.1);
    }
}

impl Woken {
    fn waker(&self, name: &'static str) -> Waker {
        Waker::from(Arc::new(Name(self.clone(), name)))
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn waits(watch: &Watch, direction: Direction, key: u32, waker: &Waker) {
    let polled = watch.poll_ready(direction, key, &mut Context::from_waker(waker));
    assert!(matches!(polled, Poll::Pending));
}

/// A loop that watches a socket which is not ready to be read, as far as it knows, nor to be written.
fn watched() -> (EventLoop, Watch, UnixStream, UnixStream) {
    let event_loop = EventLoop::new().unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    let watch = event_loop.loop_ref().watch(near.as_fd()).unwrap();
    while !watch.is_ready(Direction::Write) {
        event_loop.run_once(None).unwrap();
    }
    watch.clear(Direction::Write);
    (event_loop, watch, near, far)
}

/// An edge to read; with it, the system says that there is room to write.
fn edge(event_loop: &EventLoop, watch: &Watch, far: &mut UnixStream) {
    watch.clear(Direction::Read);
    far.write_all(b"x").unwrap();
    while !watch.is_ready(Direction::Read) {
        event_loop.run_once(None).unwrap();
    }
}

#[test]
fn all_who_wait_are_woken_in_their_order_and_once() {
    let (event_loop, watch, _near, mut far) = watched();
    let woken = Woken::default();
    let keys = [(); 4].map(|()| watch.waiter());
    for (key, name) in keys.into_iter().zip(["first", "second", "third", "fourth"]) {
        waits(&watch, Direction::Read, key, &woken.waker(name));
    }
    edge(&event_loop, &watch, &mut far);
    assert_eq!(woken.take(), ["first", "second", "third", "fourth"]);
    edge(&event_loop, &watch, &mut far);
    assert_eq!(woken.take(), [""; 0]);
}

#[test]
fn a_second_waker_under_a_key_replaces_the_first() {
    let (event_loop, watch, _near, mut far) = watched();
    let woken = Woken::default();
    let (one, other) = (watch.waiter(), watch.waiter());
    for name in ["old", "new"] {
        waits(&watch, Direction::Read, one, &woken.waker(name));
        waits(&watch, Direction::Read, other, &woken.waker(name));
    }
    edge(&event_loop, &watch, &mut far);
    assert_eq!(woken.take(), ["new", "new"]);
}

/// Also if it was behind somebody who is gone when it comes again.
#[test]
fn who_leaves_is_not_woken_and_who_stays_keeps_one_place() {
    let (event_loop, watch, _near, mut far) = watched();
    let woken = Woken::default();
    let [a, b, c] = [(); 3].map(|()| watch.waiter());
    for (key, name) in [(a, "a"), (b, "b"), (c, "c")] {
        waits(&watch, Direction::Read, key, &woken.waker(name));
    }
    watch.forget(Direction::Read, a);
    watch.forget(Direction::Read, 12_345); // nobody
    waits(&watch, Direction::Read, c, &woken.waker("c again"));
    watch.forget(Direction::Read, b);
    edge(&event_loop, &watch, &mut far);
    assert_eq!(woken.take(), ["c again"]);

    // The line is empty again, and takes everybody as in the beginning.
    watch.clear(Direction::Read);
    waits(&watch, Direction::Read, b, &woken.waker("b"));
    watch.forget(Direction::Read, b);
    edge(&event_loop, &watch, &mut far);
    assert_eq!(woken.take(), [""; 0]);
}

#[test]
fn each_direction_has_a_line_of_its_own() {
    let (event_loop, watch, _near, mut far) = watched();
    let woken = Woken::default();
    let [a, b] = [(); 2].map(|()| watch.waiter());
    for (key, name) in [(a, "writes"), (b, "writes too")] {
        waits(&watch, Direction::Write, key, &woken.waker(name));
    }
    for (key, name) in [(a, "reads"), (b, "reads too")] {
        waits(&watch, Direction::Read, key, &woken.waker(name));
    }
    watch.forget(Direction::Write, b);
    edge(&event_loop, &watch, &mut far);
    assert_eq!(woken.take(), ["reads", "reads too", "writes"]);
}

#[test]
fn a_loop_that_closes_wakes_everybody() {
    let (event_loop, watch, _near, _far) = watched();
    let woken = Woken::default();
    for (direction, name) in [
        (Direction::Read, "reads"),
        (Direction::Read, "reads too"),
        (Direction::Write, "writes"),
    ] {
        waits(&watch, direction, watch.waiter(), &woken.waker(name));
    }
    event_loop.close().unwrap();
    assert_eq!(woken.take(), ["reads", "reads too", "writes"]);
    assert!(watch.is_orphaned());
    let mut cx = Context::from_waker(Waker::noop());
    let polled = watch.poll_ready(Direction::Read, watch.waiter(), &mut cx);
    assert!(matches!(polled, Poll::Ready(Err(_))));
}

/// Panics when it is woken.
struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        panic!("in a waker");
    }
}

/// Each is another task's, and neither an edge nor the end may be kept from it.
#[test]
fn a_waker_that_panics_keeps_no_other_from_waking() {
    for closes in [false, true] {
        let (event_loop, watch, _near, mut far) = watched();
        let (woken, reports) = (Woken::default(), reports(&event_loop));
        for name in ["first", "bomb", "second", "bomb", "third"] {
            let waker = match name {
                "bomb" => Waker::from(Arc::new(Bomb)),
                _ => woken.waker(name),
            };
            waits(&watch, Direction::Read, watch.waiter(), &waker);
        }
        if closes {
            event_loop.close().unwrap();
        } else {
            edge(&event_loop, &watch, &mut far);
        }
        assert_eq!(woken.take(), ["first", "second", "third"]);
        let words = "Exception in a waker of a descriptor: in a waker";
        assert_eq!(reports.take(), [words; 2]);
    }
}

type Back = (Rc<Watch>, Woken);

thread_local!(static COMES_BACK: RefCell<Option<Back>> = const { RefCell::new(None) });

/// A waker may be anybody's code, and so is its drop: here it leaves, and waits, at the watch that lets go of it.
#[test]
fn wakers_that_are_replaced_or_leave_may_come_back_to_their_watch() {
    struct ComesBack(#[expect(dead_code, reason = "for its drop")] OnDrop<fn()>);
    impl Wake for ComesBack {
        fn wake(self: Arc<Self>) {}
    }
    fn come_back() {
        let (watch, woken) = COMES_BACK.with_borrow(|back| back.clone()).unwrap();
        watch.forget(Direction::Read, 12_345); // nobody
        for (key, name) in [(101, "back"), (102, "back too")] {
            waits(&watch, Direction::Read, key, &woken.waker(name));
        }
    }
    for (is_behind, leaves) in [(false, false), (false, true), (true, false), (true, true)] {
        let (event_loop, watch, _near, mut far) = watched();
        let (watch, woken) = (Rc::new(watch), Woken::default());
        COMES_BACK.set(Some((Rc::clone(&watch), woken.clone())));
        let mut expected = vec!["back", "back too"];
        if is_behind {
            waits(&watch, Direction::Read, 1, &woken.waker("another"));
            expected.push("another");
        }
        let waker = Waker::from(Arc::new(ComesBack(OnDrop(come_back))));
        waits(&watch, Direction::Read, 100, &waker);
        drop(waker);
        if leaves {
            watch.forget(Direction::Read, 100);
        } else {
            waits(&watch, Direction::Read, 100, &woken.waker("new"));
            expected.push("new");
        }
        edge(&event_loop, &watch, &mut far);
        let mut woken = woken.take();
        woken.sort_unstable();
        expected.sort_unstable();
        assert_eq!(woken, expected);
    }
    COMES_BACK.take();
}
