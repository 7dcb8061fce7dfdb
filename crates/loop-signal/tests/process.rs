//! Signals and the process as a whole: the order in which they come, more than any buffer holds, and forks.

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
fn main() {
    whole::hear_interrupts();
    whole::signals_keep_their_order();
    whole::none_is_lost_however_many_there_are();
    whole::an_interrupt_calls_back_once();
    whole::an_interrupt_that_is_not_heard_is_known();
    whole::a_handler_of_somebody_elses_is_left_alone();
    whole::a_forked_child_has_the_systems_ways();
    println!("signals of a whole process: ok");
}

#[cfg(unix)]
mod whole {
    #![expect(unsafe_code, reason = "std neither forks nor raises signals")]
    #![expect(clippy::unwrap_used, reason = "all of this program is a test")]

    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    use loop_core::{EventLoop, get_running_loop};
    use loop_signal::{Interrupt, Signal, SignalError, SignalExt};

    /// On this thread, and before it returns.
    fn raise(signal: Signal) {
        // SAFETY: each has a handler that does only what handlers may, or is meant to end this process.
        assert_eq!(unsafe { libc::raise(signal.number()) }, 0);
    }

    /// What a shell starts in the background ignores Ctrl-C, and so would these tests.
    pub(crate) fn hear_interrupts() {
        // SAFETY: the program has one thread yet, and nobody else's handler is replaced.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    }

    fn stop() {
        get_running_loop().unwrap().stop();
    }

    pub(crate) fn signals_keep_their_order() {
        let event_loop = EventLoop::new().unwrap();
        let trace = Rc::new(RefCell::new(Vec::new()));
        let all = [Signal::USR2, Signal::HUP, Signal::USR1, Signal::TERM];
        for signal in all {
            let trace = Rc::clone(&trace);
            let note = move || {
                trace.borrow_mut().push(signal);
                if trace.borrow().len() == all.len() {
                    stop();
                }
            };
            event_loop.add_signal_handler(signal, note).unwrap();
        }
        all.into_iter().for_each(raise);
        event_loop.run_forever().unwrap();
        assert_eq!(*trace.borrow(), all);
        event_loop.close().unwrap();
    }

    pub(crate) fn none_is_lost_however_many_there_are() {
        const MANY: u32 = 20_000;
        let event_loop = EventLoop::new().unwrap();
        let calls = Rc::new(Cell::new(0));
        let count = Rc::clone(&calls);
        let note = move || {
            count.set(count.get() + 1);
            if count.get() == MANY {
                stop();
            }
        };
        event_loop.add_signal_handler(Signal::USR1, note).unwrap();
        (0..MANY).for_each(|_| raise(Signal::USR1));
        event_loop.run_forever().unwrap();
        assert_eq!(calls.get(), MANY);
        event_loop.close().unwrap();
    }

    pub(crate) fn an_interrupt_calls_back_once() {
        let event_loop = EventLoop::new().unwrap();
        let me = event_loop.clone();
        let interrupt = Interrupt::watch(&event_loop, move || me.stop());
        let interrupt = interrupt.unwrap().expect("this is the main thread");
        assert!(!interrupt.came() && !interrupt.heard());
        raise(Signal::INT);
        assert!(interrupt.came() && !interrupt.heard());
        event_loop.run_forever().unwrap();
        assert!(interrupt.came() && interrupt.heard());
        let second = Interrupt::watch(&event_loop, || ()).unwrap();
        assert!(second.is_none(), "somebody watches already");
        drop(interrupt);
        let again = Interrupt::watch(&event_loop, || ()).unwrap().unwrap();
        assert!(!again.came(), "what came before is not its business");
        assert!(!again.finish());
        event_loop.close().unwrap();
    }

    pub(crate) fn an_interrupt_that_is_not_heard_is_known() {
        let event_loop = EventLoop::new().unwrap();
        for _ in 0..100 {
            let watch = || Interrupt::watch(&event_loop, || panic!("the loop does not run"));
            let interrupt = watch().unwrap().unwrap();
            raise(Signal::INT);
            assert!(interrupt.came() && !interrupt.heard());
            assert!(interrupt.finish());
        }
        // None of them is told to a later one.
        let me = event_loop.clone();
        let interrupt = Interrupt::watch(&event_loop, || panic!("nobody interrupts"));
        let interrupt = interrupt.unwrap().unwrap();
        event_loop
            .add_signal_handler(Signal::HUP, move || me.stop())
            .unwrap();
        raise(Signal::HUP);
        event_loop.run_forever().unwrap();
        assert!(!interrupt.came());
        drop(interrupt);
        event_loop.close().unwrap();
    }

    pub(crate) fn a_handler_of_somebody_elses_is_left_alone() {
        let event_loop = EventLoop::new().unwrap();
        let calls = Rc::new(Cell::new(0));
        let count = Rc::clone(&calls);
        let note = move || {
            count.set(count.get() + 1);
            stop();
        };
        event_loop.add_signal_handler(Signal::INT, note).unwrap();
        assert!(Interrupt::watch(&event_loop, || ()).unwrap().is_none());
        for number in 1..=2 {
            raise(Signal::INT);
            event_loop.run_forever().unwrap();
            assert_eq!(calls.get(), number, "and nothing ends after the first");
        }
        // A handler that is set while somebody watches stays when that one goes.
        event_loop.remove_signal_handler(Signal::INT);
        let interrupt = Interrupt::watch(&event_loop, || ()).unwrap().unwrap();
        event_loop.add_signal_handler(Signal::INT, stop).unwrap();
        raise(Signal::INT);
        assert!(!interrupt.came(), "it is not for it any more");
        drop(interrupt);
        event_loop.run_forever().unwrap();
        raise(Signal::INT);
        event_loop.run_forever().unwrap();
        event_loop.close().unwrap();
        // Nor is one that the system was told of otherwise.
        let event_loop = EventLoop::new().unwrap();
        // SAFETY: to ignore a signal calls nothing.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
        assert!(Interrupt::watch(&event_loop, || ()).unwrap().is_none());
        // SAFETY: as above.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
        event_loop.close().unwrap();
    }

    pub(crate) fn a_forked_child_has_the_systems_ways() {
        let event_loop = EventLoop::new().unwrap();
        event_loop
            .add_signal_handler(Signal::TERM, || panic!("it was for the child"))
            .unwrap();
        // SAFETY: the other thread of this process waits in a system call, and holds nothing that the child needs.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let mine = EventLoop::new().unwrap();
            let refused = mine.add_signal_handler(Signal::USR1, || ());
            let refused = matches!(refused, Err(SignalError::Forked));
            assert!(Interrupt::watch(&mine, || ()).unwrap().is_none());
            mine.close().unwrap();
            drop(event_loop);
            if refused {
                raise(Signal::TERM);
            }
            std::process::exit(1);
        }
        let mut status = 0;
        // SAFETY: `status` is there to be written.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(waited, child);
        assert!(libc::WIFSIGNALED(status), "it did not end by a signal");
        assert_eq!(libc::WTERMSIG(status), libc::SIGTERM);
        // Whatever the child did, this one still hears its own.
        event_loop.add_signal_handler(Signal::TERM, stop).unwrap();
        raise(Signal::TERM);
        event_loop.run_forever().unwrap();
        event_loop.close().unwrap();
    }
}
