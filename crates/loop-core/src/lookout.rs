//! Knowing without a system call that there is nothing to poll for, on Linux.
//!
//! A busy loop looks at its descriptors again and again and finds nothing, and each look is a system call, which costs
//! as much as a few iterations. After some that found nothing it asks the system to say when there is something: one
//! `poll` of the poller's own descriptor, through io_uring, whose answer comes into memory that both share. Until it is
//! there, a look is a look at that memory, and every iteration takes one. What has happened the poller tells, as ever.
//!
//! The answer is written by the next system call of this thread, and that it is to be written stands in the same memory:
//! so no signal is sent, and none of the program's own system calls is interrupted. That needs Linux 5.19; where it is
//! older, or io_uring is forbidden, the loop goes on looking now and then.

#![expect(unsafe_code, reason = "what is asked through a ring may name memory")]

use std::io;
use std::os::fd::AsRawFd;

use io_uring::{IoUring, opcode, types};
use mio::Poll;

use crate::skipping::Outlook;

/// So many looks in a row that found nothing make it worth to ask: that costs a system call or two, and the first time a
/// ring.
const LOOKS: u32 = 16;

pub(crate) struct Lookout {
    ring: Option<IoUring>,
    state: State,
}

enum State {
    /// The loop looks; so many looks in a row have found nothing.
    Looking(u32),
    /// It has asked.
    Watching,
    /// It is not to ask, or the system does not answer.
    Off,
}

impl Lookout {
    pub(crate) fn new(allowed: bool) -> Lookout {
        Lookout {
            ring: None,
            state: if allowed {
                State::Looking(0)
            } else {
                State::Off
            },
        }
    }

    /// What is known without a look.
    #[inline]
    pub(crate) fn outlook(&mut self) -> Outlook {
        let (State::Watching, Some(ring)) = (&self.state, &mut self.ring) else {
            return Outlook::Unknown;
        };
        if ring.submission().taskrun() || !ring.completion().is_empty() {
            Outlook::News
        } else {
            Outlook::Quiet
        }
    }

    /// Notes a look at the poller: whether it found nothing, and was of a busy loop.
    pub(crate) fn looked(&mut self, in_vain: bool, poll: &Poll) {
        let watched = self.outlook();
        let looks = match self.state {
            State::Looking(looks) if in_vain => looks + 1,
            State::Watching if watched == Outlook::Quiet => return,
            State::Looking(_) | State::Watching => 0,
            State::Off => return,
        };
        self.state = State::Looking(looks);
        if looks < LOOKS {
            return;
        }
        self.state = match self.ask(poll) {
            Ok(()) => State::Watching,
            Err(error) => {
                tracing::debug!(%error, "polling by system calls alone: there is no io_uring");
                State::Off
            }
        };
    }

    /// Asks to be told when the poller has an event.
    fn ask(&mut self, poll: &Poll) -> io::Result<()> {
        let ring = match &mut self.ring {
            Some(ring) => ring,
            none => none.insert(
                IoUring::builder()
                    .setup_coop_taskrun()
                    .setup_taskrun_flag()
                    .build(1)?,
            ),
        };
        // The last question has been answered: there is never a second one before that.
        for answer in ring.completion() {
            if answer.result() < 0 {
                return Err(io::Error::from_raw_os_error(-answer.result()));
            }
        }
        let fd = types::Fd(poll.as_raw_fd());
        let question = opcode::PollAdd::new(fd, libc::POLLIN.cast_unsigned().into()).build();
        // SAFETY: this question names no memory, and a descriptor that is open.
        unsafe { ring.submission().push(&question) }.map_err(io::Error::other)?;
        match ring.submit()? {
            1 => Ok(()),
            _ => Err(io::Error::other("the question was not taken")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoll::{Events, wait};
    use mio::{Interest, Token, unix::SourceFd};
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    fn register(poll: &Poll, socket: &UnixStream) {
        let (fd, registry) = (socket.as_raw_fd(), poll.registry());
        registry
            .register(&mut SourceFd(&fd), Token(0), Interest::READABLE)
            .unwrap();
    }

    /// One look of a busy loop.
    fn look(lookout: &mut Lookout, poll: &mut Poll) -> usize {
        let mut events = Events::with_capacity(8);
        wait(poll, &mut events, Some(Duration::ZERO)).unwrap();
        lookout.looked(events.is_empty(), poll);
        events.into_iter().count()
    }

    /// Looks until it is quiet, if the system has what that needs.
    fn settle(lookout: &mut Lookout, poll: &mut Poll) -> bool {
        for _ in 0..LOOKS {
            assert_eq!(lookout.outlook(), Outlook::Unknown);
            assert_eq!(look(lookout, poll), 0);
        }
        let off = matches!(lookout.state, State::Off);
        assert_eq!(lookout.outlook() == Outlook::Quiet, !off);
        !off
    }

    #[test]
    fn it_is_quiet_until_something_happens_and_again_afterwards() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let (mut lookout, mut poll) = (Lookout::new(true), Poll::new().unwrap());
        register(&poll, &near);
        for round in 0..100 {
            if !settle(&mut lookout, &mut poll) {
                return;
            }
            assert!((0..100).all(|_| lookout.outlook() == Outlook::Quiet));
            // From here, or from elsewhere while this thread makes no system call.
            if round % 2 == 0 {
                far.write_all(b"x").unwrap();
            } else {
                std::thread::scope(|scope| {
                    let writer = scope.spawn(|| far.write_all(b"x").unwrap());
                    while lookout.outlook() == Outlook::Quiet {
                        std::hint::spin_loop();
                    }
                    writer.join().unwrap();
                });
            }
            assert_eq!(lookout.outlook(), Outlook::News);
            assert_eq!(look(&mut lookout, &mut poll), 1);
            near.read_exact(&mut [0]).unwrap();
        }
    }

    #[test]
    fn who_may_not_ask_never_does() {
        let (mut lookout, mut poll) = (Lookout::new(false), Poll::new().unwrap());
        for _ in 0..4 * LOOKS {
            assert_eq!(look(&mut lookout, &mut poll), 0);
            assert_eq!(lookout.outlook(), Outlook::Unknown);
        }
        assert!(lookout.ring.is_none());
    }

    #[test]
    fn what_is_registered_or_happens_before_it_asks_is_seen() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let (mut lookout, mut poll) = (Lookout::new(true), Poll::new().unwrap());
        if !settle(&mut lookout, &mut poll) {
            return;
        }
        far.write_all(b"x").unwrap();
        assert_eq!(lookout.outlook(), Outlook::Quiet);
        register(&poll, &near);
        assert_eq!(lookout.outlook(), Outlook::News);
        // An event that nobody has taken when it asks is an answer at once.
        lookout.state = State::Looking(LOOKS - 1);
        lookout.looked(true, &poll);
        assert_eq!(lookout.outlook(), Outlook::News);
        assert_eq!(look(&mut lookout, &mut poll), 1);
    }

    #[test]
    fn what_a_wait_has_taken_costs_one_look() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let (mut lookout, mut poll) = (Lookout::new(true), Poll::new().unwrap());
        register(&poll, &near);
        if !settle(&mut lookout, &mut poll) {
            return;
        }
        far.write_all(b"x").unwrap();
        let mut events = Events::with_capacity(8);
        wait(&mut poll, &mut events, None).unwrap();
        assert!(!events.is_empty());
        lookout.looked(false, &poll);
        assert!(settle(&mut lookout, &mut poll));
    }
}
