//! Random programs over eight sockets, held to a model: who is called in which iteration, and that nobody is called
//! for a descriptor, or a callback, that is gone.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

mod common;

use std::cell::RefCell;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use common::Trace;
use loop_core::EventLoop;
use proptest::prelude::*;

const SOCKETS: usize = 8;

#[derive(Clone, Copy, Debug)]
enum Direction {
    Reader,
    Writer,
}

#[derive(Clone, Copy, Debug)]
enum Op {
    /// Adds or replaces a callback.
    Add(Direction),
    Remove(Direction),
    /// Makes the socket readable, or not readable any more.
    Fill,
    Drain,
    /// Closes the socket under the loop; its number names another one from then on. With or without a duplicate
    /// that stays open.
    Reuse {
        duplicate: bool,
    },
}

/// What is done, to which socket, and whether in a callback of the very iteration that finds the events of before.
type Step = (Op, usize, bool);

fn step() -> impl Strategy<Value = Step> {
    let direction = prop_oneof![Just(Direction::Reader), Just(Direction::Writer)];
    let op = prop_oneof![
        4 => direction.clone().prop_map(Op::Add),
        2 => direction.prop_map(Op::Remove),
        2 => Just(Op::Fill),
        1 => Just(Op::Drain),
        1 => any::<bool>().prop_map(|duplicate| Op::Reuse { duplicate }),
    ];
    (op, 0..SOCKETS, any::<bool>())
}

/// A call: the number that its callback was given when it was added.
type Call = u32;

struct Socket {
    near: OwnedFd,
    far: UnixStream,
    /// Duplicates of what the number once named, and the other ends, on which there is always something to read.
    ghosts: Vec<(OwnedFd, UnixStream)>,
    // From here on, the model.
    full: bool,
    reader: Option<Call>,
    writer: Option<Call>,
    /// The callbacks are for a descriptor that was closed under them.
    stale: bool,
}

impl Socket {
    fn new() -> Socket {
        let (near, far) = UnixStream::pair().unwrap();
        Socket {
            near: near.into(),
            far,
            ghosts: Vec::new(),
            full: false,
            reader: None,
            writer: None,
            stale: false,
        }
    }

    fn side(&mut self, direction: Direction) -> &mut Option<Call> {
        match direction {
            Direction::Reader => &mut self.reader,
            Direction::Writer => &mut self.writer,
        }
    }

    /// Who is called in an iteration that finds the socket as it is now.
    fn calls(&self) -> Vec<Call> {
        let reader = self.reader.filter(|_| self.full);
        let ready = reader.into_iter().chain(self.writer);
        ready.filter(|_| !self.stale).collect()
    }

    fn perform(&mut self, event_loop: &EventLoop, op: Op, trace: &Trace<Call>, next: &mut Call) {
        match op {
            Op::Add(direction) => {
                *next += 1;
                let (log, call) = (trace.clone(), *next);
                let callback = move || log.push(call);
                match direction {
                    Direction::Reader => event_loop.add_reader(&self.near, callback).unwrap(),
                    Direction::Writer => event_loop.add_writer(&self.near, callback).unwrap(),
                }
                if std::mem::take(&mut self.stale) {
                    (self.reader, self.writer) = (None, None);
                }
                *self.side(direction) = Some(call);
            }
            Op::Remove(direction) => {
                let had = match direction {
                    Direction::Reader => event_loop.remove_reader(&self.near),
                    Direction::Writer => event_loop.remove_writer(&self.near),
                };
                assert_eq!(had, self.side(direction).take().is_some());
                if self.reader.is_none() && self.writer.is_none() {
                    self.stale = false;
                }
            }
            Op::Fill => {
                self.far.write_all(b"x").unwrap();
                self.full = true;
            }
            Op::Drain => {
                if std::mem::take(&mut self.full) {
                    let mut near = UnixStream::from(self.near.try_clone().unwrap());
                    let mut buffer = [0; 4096];
                    assert!(near.read(&mut buffer).unwrap() < buffer.len());
                }
            }
            Op::Reuse { duplicate } => {
                let (near, far) = UnixStream::pair().unwrap();
                if duplicate {
                    let ghost = self.near.try_clone().unwrap();
                    let mut its_far = std::mem::replace(&mut self.far, far);
                    its_far.write_all(b"x").unwrap();
                    self.ghosts.push((ghost, its_far));
                } else {
                    self.far = far;
                }
                rustix::io::dup2(&near, &mut self.near).unwrap();
                self.full = false;
                self.stale = self.reader.is_some() || self.writer.is_some();
            }
        }
    }
}

/// A program that closed a descriptor under the loop and kept a duplicate has the duplicate's events coming to the
/// callbacks that it never removed. They are of no use to the model; what counts is that they end with the callbacks.
fn without_ghosts(calls: Vec<Call>, sockets: &[Socket]) -> Vec<Call> {
    let haunted = sockets.iter().filter(|s| s.stale && !s.ghosts.is_empty());
    let haunted: Vec<Call> = haunted
        .flat_map(|s| s.reader.into_iter().chain(s.writer))
        .collect();
    let mut calls: Vec<Call> = calls.into_iter().filter(|c| !haunted.contains(c)).collect();
    calls.sort_unstable();
    calls
}

fn check(steps: Vec<Step>) {
    let event_loop = EventLoop::builder()
        .poll_every_iteration(true)
        .build()
        .unwrap();
    let trace = Trace::<Call>::new();
    let sockets: Vec<Socket> = (0..SOCKETS).map(|_| Socket::new()).collect();
    let sockets = Rc::new(RefCell::new(sockets));
    let next = Rc::new(RefCell::new(0));
    let look = || event_loop.run_once(Some(Duration::ZERO)).unwrap();
    let expected_now = || -> Vec<Call> {
        let mut calls: Vec<Call> = sockets.borrow().iter().flat_map(Socket::calls).collect();
        calls.sort_unstable();
        calls
    };
    for (op, socket, inside) in steps {
        let (sockets_too, next, log) = (Rc::clone(&sockets), Rc::clone(&next), trace.clone());
        let perform = move |event_loop: &EventLoop| {
            sockets_too.borrow_mut()[socket].perform(event_loop, op, &log, &mut next.borrow_mut());
        };
        if inside {
            // The callback stands before the calls of the events that this iteration finds.
            let before = expected_now();
            let me = event_loop.loop_ref();
            event_loop
                .call_soon(move || perform(&me.event_loop()))
                .unwrap();
            look();
            // Who was removed or replaced is not called; who was closed under the loop may still be.
            let sockets = sockets.borrow();
            let there = |call: &Call| {
                sockets
                    .iter()
                    .any(|s| s.reader == Some(*call) || s.writer == Some(*call))
            };
            let expected: Vec<Call> = before.into_iter().filter(there).collect();
            let expected = without_ghosts(expected, &sockets);
            assert_eq!(without_ghosts(trace.take(), &sockets), expected, "inside");
        } else {
            perform(&event_loop);
        }
        look();
        let calls = without_ghosts(trace.take(), &sockets.borrow());
        assert_eq!(calls, expected_now());
    }
    event_loop.close().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn callbacks_are_called_for_what_they_were_added_for(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        check(steps);
    }
}
