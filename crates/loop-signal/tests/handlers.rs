//! Handlers of signals on loops: what is called when, and what the process does afterwards.
//!
//! Signals belong to the process, and tests run at once: each test has signals of its own.
#![cfg(unix)]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use loop_core::{EventLoop, get_running_loop};
use loop_signal::{Signal, SignalError, SignalExt};
use rustix::process::{Signal as Sent, getpid, kill_process};

fn send(signal: Sent) {
    kill_process(getpid(), signal).unwrap();
}

fn stop() {
    get_running_loop().unwrap().stop();
}

/// Whether the process has a handler for the signal, as the system says.
#[cfg(target_os = "linux")]
fn is_caught(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = u64::from_str_radix(mask.unwrap().trim(), 16).unwrap();
    mask >> (signal.number() - 1) & 1 == 1
}

#[test]
fn every_signal_is_one_call_on_the_loops_thread() {
    let event_loop = EventLoop::new().unwrap();
    let here = thread::current().id();
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    let handler = move || {
        assert_eq!(thread::current().id(), here);
        count.set(count.get() + 1);
        stop();
    };
    event_loop
        .add_signal_handler(Signal::USR1, handler)
        .unwrap();
    for number in 1..=100 {
        send(Sent::USR1);
        event_loop.run_forever().unwrap();
        assert_eq!(calls.get(), number);
    }
    event_loop.close().unwrap();
}

#[test]
fn a_signal_wakes_a_sleeping_loop_and_waits_for_one_that_does_not_run() {
    let event_loop = EventLoop::new().unwrap();
    event_loop.add_signal_handler(Signal::USR2, stop).unwrap();
    send(Sent::USR2);
    event_loop.run_forever().unwrap();
    let handle = event_loop.handle();
    let other = thread::spawn(move || {
        while !handle.is_running() {
            thread::yield_now();
        }
        send(Sent::USR2);
    });
    event_loop.run_forever().unwrap();
    other.join().unwrap();
    event_loop.close().unwrap();
}

#[test]
fn a_second_handler_takes_the_place_of_the_first() {
    struct OnDrop(Rc<Cell<bool>>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let event_loop = EventLoop::new().unwrap();
    let dropped = Rc::new(Cell::new(false));
    let on_drop = OnDrop(Rc::clone(&dropped));
    let first = move || panic!("it was replaced: {}", on_drop.0.get());
    event_loop.add_signal_handler(Signal::HUP, first).unwrap();
    event_loop.add_signal_handler(Signal::HUP, stop).unwrap();
    assert!(dropped.get(), "the first one is dropped at once");
    send(Sent::HUP);
    event_loop.run_forever().unwrap();
    assert!(event_loop.remove_signal_handler(Signal::HUP));
    assert!(!event_loop.remove_signal_handler(Signal::HUP));
    event_loop.close().unwrap();
}

/// By default these two do nothing.
#[test]
fn a_removed_handler_is_not_called_even_if_the_signal_came_before() {
    let event_loop = EventLoop::new().unwrap();
    let late = || panic!("it was removed");
    event_loop.add_signal_handler(Signal::WINCH, late).unwrap();
    event_loop.add_signal_handler(Signal::URG, stop).unwrap();
    send(Sent::WINCH);
    send(Sent::URG);
    thread::yield_now();
    assert!(event_loop.remove_signal_handler(Signal::WINCH));
    event_loop.set_exception_handler(|_, context| panic!("{context}"));
    event_loop.run_forever().unwrap();
    event_loop.close().unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn what_was_done_about_a_signal_is_done_again() {
    let event_loop = EventLoop::new().unwrap();
    for signal in [Signal::ALRM, Signal::TSTP] {
        assert!(!is_caught(signal));
        event_loop.add_signal_handler(signal, || ()).unwrap();
        event_loop.add_signal_handler(signal, || ()).unwrap();
        assert!(is_caught(signal));
    }
    assert!(event_loop.remove_signal_handler(Signal::ALRM));
    assert!(!is_caught(Signal::ALRM), "when its handler is removed");
    event_loop.close().unwrap();
    assert!(!is_caught(Signal::TSTP), "when the loop closes");

    // Rust programs ignore it from the start: by default it would end the process.
    let event_loop = EventLoop::new().unwrap();
    event_loop.add_signal_handler(Signal::PIPE, || ()).unwrap();
    assert!(event_loop.remove_signal_handler(Signal::PIPE));
    send(Sent::PIPE);
    event_loop.close().unwrap();
}

#[test]
fn a_signal_belongs_to_one_loop_at_a_time() {
    let first = EventLoop::new().unwrap();
    let second = EventLoop::new().unwrap();
    first.add_signal_handler(Signal::TTIN, || ()).unwrap();
    let refused = second.add_signal_handler(Signal::TTIN, stop).unwrap_err();
    assert!(matches!(refused, SignalError::Taken(Signal::TTIN)));
    assert!(
        refused
            .to_string()
            .starts_with("SIGTTIN has a handler on another event loop")
    );
    assert!(!second.remove_signal_handler(Signal::TTIN));
    first.close().unwrap();
    second.add_signal_handler(Signal::TTIN, stop).unwrap();
    send(Sent::TTIN);
    second.run_forever().unwrap();
    second.close().unwrap();
}

#[test]
fn what_cannot_be_handled_is_refused_in_asyncios_words() {
    for (number, words) in [
        (0, "invalid signal number 0"),
        (-1, "invalid signal number -1"),
        (65, "invalid signal number 65"),
        (9, "sig 9 cannot be caught"),
        (11, "sig 11 cannot be caught"),
    ] {
        assert_eq!(Signal::new(number).unwrap_err().to_string(), words);
    }
    let event_loop = EventLoop::new().unwrap();
    event_loop.close().unwrap();
    let refused = event_loop
        .add_signal_handler(Signal::TTOU, || ())
        .unwrap_err();
    assert_eq!(refused.to_string(), "Event loop is closed");
    assert!(!event_loop.remove_signal_handler(Signal::TTOU));
    // Its number is reserved by the C library.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let event_loop = EventLoop::new().unwrap();
        let reserved = Signal::new(32).unwrap();
        let refused = event_loop.add_signal_handler(reserved, || ()).unwrap_err();
        assert_eq!(refused.to_string(), "sig 32 cannot be caught");
        event_loop.close().unwrap();
    }
}

#[test]
fn a_handler_that_panics_is_reported_and_called_again() {
    let event_loop = EventLoop::new().unwrap();
    let reports = Rc::new(RefCell::new(Vec::new()));
    let note = Rc::clone(&reports);
    event_loop.set_exception_handler(move |event_loop, context| {
        note.borrow_mut().push(context.exception.clone().unwrap());
        event_loop.stop();
    });
    event_loop
        .add_signal_handler(Signal::CONT, || panic!("on purpose"))
        .unwrap();
    for _ in 0..2 {
        send(Sent::CONT);
        event_loop.run_forever().unwrap();
    }
    assert_eq!(*reports.borrow(), ["on purpose", "on purpose"]);
    event_loop.close().unwrap();
}

#[test]
fn a_handler_may_replace_and_remove_itself() {
    let event_loop = EventLoop::new().unwrap();
    let first = || {
        let event_loop = get_running_loop().unwrap();
        let second = || {
            let event_loop = get_running_loop().unwrap();
            assert!(event_loop.remove_signal_handler(Signal::IO));
            event_loop.stop();
        };
        event_loop.add_signal_handler(Signal::IO, second).unwrap();
        event_loop.stop();
    };
    event_loop.add_signal_handler(Signal::IO, first).unwrap();
    for _ in 0..2 {
        send(Sent::IO);
        event_loop.run_forever().unwrap();
    }
    assert!(!event_loop.remove_signal_handler(Signal::IO));
    event_loop.close().unwrap();
}

/// The system merges signals that come too fast, but the last one is always heard.
#[test]
fn after_any_number_of_signals_from_many_threads_the_next_one_is_heard() {
    let event_loop = EventLoop::new().unwrap();
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    event_loop
        .add_signal_handler(Signal::CHLD, move || count.set(count.get() + 1))
        .unwrap();
    let senders: Vec<_> = (0..4)
        .map(|_| thread::spawn(|| (0..500).for_each(|_| send(Sent::CHILD))))
        .collect();
    while !senders.iter().all(thread::JoinHandle::is_finished) {
        event_loop.run_once(Some(Duration::from_millis(1))).unwrap();
    }
    assert!(calls.get() <= 2000);
    event_loop.add_signal_handler(Signal::CHLD, stop).unwrap();
    send(Sent::CHILD);
    event_loop.run_forever().unwrap();
    event_loop.close().unwrap();
}

/// A loop that has nothing else to wait for knows it: no descriptor of its own is open for signals.
#[test]
fn a_loop_in_virtual_time_still_sees_that_it_is_stuck() {
    let event_loop = EventLoop::builder().virtual_clock().build().unwrap();
    event_loop.add_signal_handler(Signal::QUIT, || ()).unwrap();
    let error = event_loop.run_forever().unwrap_err();
    assert!(matches!(error, loop_core::LoopError::Stuck(_)));
    event_loop.close().unwrap();
}
