//! Forks: a child says that the loop is not its own, leaves the parent's poller alone, and may have loops itself.
//!
//! A program of its own and not a test of the harness, whose threads may hold locks at the moment of a fork.

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
fn main() {
    for (name, test) in parent_and_child::TESTS {
        test();
        println!("test {name} ... ok");
    }
}

#[cfg(unix)]
mod parent_and_child {
    #![expect(unsafe_code, reason = "std does not fork")]
    #![expect(clippy::unwrap_used, reason = "all of this program is a test")]

    use std::cell::{Cell, RefCell};
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use loop_core::{
        EventLoop, LoopError, LoopHandle, UnboundLoop, get_event_loop, get_running_loop,
        set_event_loop,
    };

    pub(crate) const TESTS: [(&str, fn()); 7] = [
        ("a_child_is_refused", a_child_is_refused),
        (
            "a_child_sends_the_loop_nothing",
            a_child_sends_the_loop_nothing,
        ),
        (
            "the_parents_descriptors_stay_registered",
            the_parents_descriptors_stay_registered,
        ),
        (
            "a_child_forked_by_a_callback_is_in_no_loop",
            a_child_forked_by_a_callback_is_in_no_loop,
        ),
        (
            "the_main_thread_of_a_child_gets_a_loop_of_its_own",
            the_main_thread_of_a_child_gets_a_loop_of_its_own,
        ),
        (
            "what_a_child_drops_is_dropped_and_not_run",
            what_a_child_drops_is_dropped_and_not_run,
        ),
        (
            "children_that_are_programs_disturb_nothing",
            children_that_are_programs_disturb_nothing,
        ),
    ];

    /// Runs `f` in a forked child and fails if it fails there.
    fn in_child(f: impl FnOnce()) {
        // SAFETY: this process has one thread, so that the child inherits nothing half-done.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork failed");
        if pid == 0 {
            let result = catch_unwind(AssertUnwindSafe(f));
            // SAFETY: it ends the child at once, before anything of the parent's is run a second time.
            unsafe { libc::_exit(i32::from(result.is_err())) };
        }
        let mut status = 0;
        // SAFETY: the pointer is to a local variable.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        assert_eq!(waited, pid);
        assert_eq!(status, 0, "the child failed");
    }

    fn a_child_is_refused() {
        let event_loop = EventLoop::new().unwrap();
        let parent = std::process::id();
        in_child(|| {
            let forked = LoopError::Forked { created_by: parent };
            let refused = event_loop.run_forever().unwrap_err();
            assert_eq!(
                refused.to_string(),
                format!(
                    "event loop used in a forked child (created by pid {parent}): make a new loop in the child"
                )
            );
            assert_eq!(refused, forked);
            assert_eq!(event_loop.run_once(None), Err(forked.clone()));
            assert_eq!(event_loop.poll_events(None), Err(forked.clone()));
            assert_eq!(event_loop.process_events(), Err(forked.clone()));
            assert_eq!(event_loop.process_ready(), Err(forked.clone()));
            assert_eq!(event_loop.close(), Err(forked));
            assert!(!event_loop.is_running() && !event_loop.is_closed());
        });
        event_loop
            .call_soon(|| get_running_loop().unwrap().stop())
            .unwrap();
        event_loop.run_forever().unwrap();
        event_loop.close().unwrap();
    }

    /// Nobody would ever look for it: a thread that waited for what comes of it would wait for ever.
    fn a_child_sends_the_loop_nothing() {
        let event_loop = EventLoop::new().unwrap();
        let (near, _far) = UnixStream::pair().unwrap();
        event_loop.add_reader(&near, || ()).unwrap();
        event_loop.run_once(Some(Duration::ZERO)).unwrap();
        let (handle, unbound) = (event_loop.handle(), UnboundLoop::new().unwrap());
        let runs = Arc::new(AtomicUsize::new(0));
        let call = || {
            let count = Arc::clone(&runs);
            move || {
                count.fetch_add(1, Ordering::Relaxed);
            }
        };
        let refused = |handle: &LoopHandle| {
            let call = handle.call_soon_threadsafe(call()).unwrap_err().0;
            call();
            handle.stop();
        };
        in_child(|| {
            refused(&handle);
            refused(&unbound.handle());
            std::thread::scope(|scope| scope.spawn(|| refused(&handle)).join().unwrap());
            assert_eq!(runs.load(Ordering::Relaxed), 3, "all came back");
        });
        event_loop.run_once(Some(Duration::ZERO)).unwrap();
        handle.call_soon_threadsafe(call()).unwrap();
        handle.stop();
        event_loop.run_forever().unwrap();
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }

    fn the_parents_descriptors_stay_registered() {
        let event_loop = EventLoop::new().unwrap();
        let (near, mut far) = UnixStream::pair().unwrap();
        let calls = Rc::new(Cell::new(0));
        let (count, mut stream) = (Rc::clone(&calls), near.try_clone().unwrap());
        event_loop
            .add_reader(&near, move || {
                stream.read_exact(&mut [0]).unwrap();
                count.set(count.get() + 1);
                get_running_loop().unwrap().stop();
            })
            .unwrap();
        event_loop.run_once(Some(Duration::ZERO)).unwrap();
        in_child(|| {
            assert!(!event_loop.remove_reader(&near));
            assert!(!event_loop.remove_writer(&near));
            for refused in [
                event_loop.add_reader(&near, || ()),
                event_loop.add_writer(&near, || ()),
            ] {
                let inner = refused.unwrap_err().into_inner().unwrap();
                let error = inner.downcast_ref::<LoopError>();
                assert!(matches!(error, Some(LoopError::Forked { .. })));
            }
            drop(event_loop.clone());
        });
        for round in 1..=3 {
            far.write_all(b"x").unwrap();
            event_loop.run_forever().unwrap();
            assert_eq!(calls.get(), round);
        }
    }

    fn a_child_forked_by_a_callback_is_in_no_loop() {
        let event_loop = EventLoop::new().unwrap();
        let done = Rc::new(Cell::new(false));
        let (me, in_parent) = (event_loop.clone(), Rc::clone(&done));
        event_loop
            .call_soon(move || {
                in_child(|| {
                    assert!(get_running_loop().is_err());
                    assert!(me.handle().if_running_here().is_none());
                    let own = EventLoop::new().unwrap();
                    own.call_soon(|| get_running_loop().unwrap().stop())
                        .unwrap();
                    own.run_forever().unwrap();
                    assert!(get_running_loop().is_err(), "and afterwards, too");
                    own.close().unwrap();
                });
                assert_eq!(get_running_loop().unwrap(), me);
                in_parent.set(true);
            })
            .unwrap();
        event_loop.run_once(None).unwrap();
        assert!(done.get());
    }

    fn the_main_thread_of_a_child_gets_a_loop_of_its_own() {
        let current = EventLoop::new().unwrap();
        set_event_loop(Some(&current));
        in_child(|| {
            let own = get_event_loop().unwrap();
            assert_ne!(own, current);
            own.stop();
            own.run_forever().unwrap();
            assert_eq!(get_event_loop().unwrap(), own);
        });
        set_event_loop(None);
        in_child(|| {
            get_event_loop().expect("what the parent chose does not count");
            set_event_loop(None);
            assert!(get_event_loop().is_err());
        });
        assert!(get_event_loop().is_err());
    }

    /// Counts its drops.
    struct Counted(Arc<AtomicUsize>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn what_a_child_drops_is_dropped_and_not_run() {
        let (drops, runs) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let event_loop = EventLoop::new().unwrap();
        let (near, _far) = UnixStream::pair().unwrap();
        let counted = || Counted(Arc::clone(&drops));
        let (a, b, c) = (counted(), counted(), counted());
        event_loop.call_soon(move || drop(a)).unwrap();
        event_loop
            .call_later(Duration::from_secs(1), move || drop(b))
            .unwrap();
        event_loop
            .add_reader(&near, move || {
                let _c = &c;
            })
            .unwrap();
        let count = Arc::clone(&runs);
        event_loop
            .handle()
            .call_soon_threadsafe(move || {
                count.fetch_add(1, Ordering::Relaxed);
            })
            .unwrap();
        let kept = RefCell::new(Some(event_loop));
        in_child(|| {
            drop(kept.take());
            assert_eq!(drops.load(Ordering::Relaxed), 3);
            assert_eq!(runs.load(Ordering::Relaxed), 0, "the parent runs it");
        });
        let event_loop = kept.take().unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        event_loop.close().unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), 3);
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }

    fn children_that_are_programs_disturb_nothing() {
        let event_loop = EventLoop::new().unwrap();
        let status = std::process::Command::new("true").status().unwrap();
        assert!(status.success());
        event_loop.stop();
        event_loop.run_forever().unwrap();
        event_loop.close().unwrap();
    }
}
