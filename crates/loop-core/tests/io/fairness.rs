//! Descriptors, callbacks and timers side by side: nobody starves, and nobody is late.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use crate::common::{Trace, reports, stop, virtual_loop, watchdog};
use loop_core::{EventLoop, get_running_loop};

use crate::{MS, ready_pair};

/// With nothing else to do but itself, a callback could keep the loop from ever looking at its descriptors.
#[test]
fn a_busy_ready_queue_starves_no_descriptor() {
    for (every, bound) in [(false, 8), (true, 1)] {
        for callbacks in [1, 100] {
            let gap = longest_gap(every, callbacks, |me, again| {
                me.call_soon(again).unwrap();
            });
            assert!(gap <= bound, "{gap} iterations with {callbacks} callbacks");
        }
        let gap = longest_gap(every, 1, |me, again| {
            me.call_later(Duration::ZERO, again).unwrap();
        });
        assert!(gap <= bound, "{gap} iterations with a timer of zero");
    }
}

/// Pings a reader again and again while callbacks schedule themselves, and returns the largest number of iterations
/// that a ping had to wait.
fn longest_gap(
    every: bool,
    callbacks: usize,
    schedule: impl Fn(&EventLoop, Box<dyn FnOnce()>) + Copy + 'static,
) -> u32 {
    fn again(
        iteration: Option<Rc<Cell<u32>>>,
        schedule: impl Fn(&EventLoop, Box<dyn FnOnce()>) + Copy + 'static,
    ) {
        if let Some(count) = &iteration {
            count.set(count.get() + 1);
        }
        let me = get_running_loop().unwrap();
        schedule(&me, Box::new(move || again(iteration, schedule)));
    }
    let event_loop = EventLoop::builder()
        .poll_every_iteration(every)
        .build()
        .unwrap();
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let iteration = Rc::new(Cell::new(0));
    let (pinged, longest) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let pongs = Rc::new(Cell::new(0));
    far.write_all(b"x").unwrap();
    let (count, worst, served) = (
        Rc::clone(&iteration),
        Rc::clone(&longest),
        Rc::clone(&pongs),
    );
    let fd = near.as_raw_fd();
    event_loop
        .add_reader(&fd, move || {
            near.read_exact(&mut [0]).unwrap();
            worst.set(worst.get().max(count.get() - pinged.get()));
            // The next ping comes in the middle of an iteration, like one from another process.
            far.write_all(b"x").unwrap();
            pinged.set(count.get());
            served.set(served.get() + 1);
            if served.get() == 1_000 {
                stop();
            }
        })
        .unwrap();
    let reports = reports(&event_loop);
    schedule(
        &event_loop,
        Box::new(move || again(Some(iteration), schedule)),
    );
    for _ in 1..callbacks {
        schedule(&event_loop, Box::new(move || again(None, schedule)));
    }
    event_loop.run_forever().unwrap();
    assert_eq!(reports.take(), [""; 0]);
    assert_eq!(pongs.get(), 1_000);
    longest.get()
}

/// Where nothing comes for long, the loop need not ask the system each time, and must hear of what comes then.
#[test]
fn what_comes_after_a_long_silence_is_served_as_soon() {
    for (silence, timers) in [(3, false), (40, false), (500, false), (500, true)] {
        let event_loop = EventLoop::new().unwrap();
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let iteration = Rc::new(Cell::new(0_u32));
        let (sent, served) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (now, last, count) = (Rc::clone(&iteration), Rc::clone(&sent), Rc::clone(&served));
        let fd = near.as_raw_fd();
        event_loop
            .add_reader(&fd, move || {
                near.read_exact(&mut [0]).unwrap();
                let gap = now.get() - last.get();
                assert!(gap <= 8, "{gap} iterations after {silence}");
                count.set(count.get() + 1);
                if count.get() == 50 {
                    stop();
                }
            })
            .unwrap();
        let reports = reports(&event_loop);
        let busy = move || {
            iteration.set(iteration.get() + 1);
            if iteration.get() - sent.get() == silence + 8 {
                sent.set(iteration.get());
                far.write_all(b"x").unwrap();
            }
        };
        repeat(&event_loop, timers, busy);
        event_loop.run_forever().unwrap();
        assert_eq!(reports.take(), [""; 0]);
        assert_eq!(served.get(), 50);
    }
}

/// Calls `call` in every iteration.
fn repeat(event_loop: &EventLoop, timers: bool, mut call: impl FnMut() + 'static) {
    let next = move || {
        call();
        repeat(&get_running_loop().unwrap(), timers, call);
    };
    if timers {
        event_loop.call_later(Duration::ZERO, next).unwrap();
    } else {
        event_loop.call_soon(next).unwrap();
    }
}

/// And the other way round: a descriptor that is always ready holds up neither callbacks nor timers.
#[test]
fn a_busy_descriptor_starves_nobody() {
    let event_loop = EventLoop::new().unwrap();
    let _watchdog = watchdog();
    let (near, _far) = ready_pair();
    event_loop.add_reader(&near, || ()).unwrap();
    let trace = Trace::new();
    event_loop.call_soon(trace.note("soon")).unwrap();
    event_loop.call_later(2 * MS, trace.note("timer")).unwrap();
    event_loop.call_later(4 * MS, stop).unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(trace.take(), ["soon", "timer"]);
}

/// `epoll_wait` alone would sleep to the next full millisecond.
#[test]
fn deadlines_are_met_to_a_fraction_of_a_millisecond_with_descriptors_too() {
    let event_loop = EventLoop::new().unwrap();
    let (near, _far) = UnixStream::pair().unwrap();
    event_loop.add_reader(&near, || ()).unwrap();
    let best = Rc::new(Cell::new(Duration::MAX));
    for _ in 0..50 {
        let best = Rc::clone(&best);
        let when = event_loop.time() + MS / 5;
        event_loop
            .call_at(when, move || {
                let me = get_running_loop().unwrap();
                best.set(best.get().min(me.time() - when));
                stop();
            })
            .unwrap();
        event_loop.run_forever().unwrap();
    }
    // One of fifty is enough: a machine with other work to do makes some late, and milliseconds make all late.
    assert!(best.get() < 400 * MS / 1000, "{:?}", best.get());
}

/// "Nothing is ready" is not known before the descriptors have been asked.
#[test]
fn virtual_time_does_not_jump_past_a_ready_descriptor() {
    let event_loop = virtual_loop();
    let start = event_loop.time();
    let (near, far) = UnixStream::pair().unwrap();
    let trace = Trace::new();
    let (log, fd) = (trace.clone(), near.as_raw_fd());
    let mut stream = near.try_clone().unwrap();
    event_loop
        .add_reader(&near, move || {
            let me = get_running_loop().unwrap();
            let end = stream.read(&mut [0]).unwrap() == 0;
            log.push(("reader", me.time() - start));
            if end {
                me.remove_reader(&fd);
            }
        })
        .unwrap();
    let far = Rc::new(RefCell::new(Some(far)));
    for second in 1..=3_u32 {
        let (log, far) = (trace.clone(), Rc::clone(&far));
        event_loop
            .call_later(second * 1000 * MS, move || {
                let me = get_running_loop().unwrap();
                log.push(("timer", me.time() - start));
                match second {
                    1 => (far.borrow().as_ref().unwrap()).write_all(b"x").unwrap(),
                    2 => drop(far.take()),
                    _ => me.stop(),
                }
            })
            .unwrap();
    }
    event_loop.run_forever().unwrap();
    let at = |name, seconds: u32| (name, seconds * 1000 * MS);
    assert_eq!(
        trace.take(),
        [
            at("timer", 1),
            at("reader", 1),
            at("timer", 2),
            at("reader", 2),
            at("timer", 3)
        ]
    );
}
