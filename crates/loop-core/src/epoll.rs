//! Waiting for events on Linux: one system call, to the nanosecond.
//!
//! `epoll_wait` counts in milliseconds, which would make a timer due in 100 us late by nine times that; its younger
//! brother `epoll_pwait2` counts in nanoseconds. mio knows the older one alone and gives nobody its list of events,
//! so the list is here too. Registering stays mio's business.

#![expect(
    unsafe_code,
    reason = "the poller's descriptor is a number, and only libc has both calls"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr::null;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::{Poll, Token};
use rustix::event::{PollFd, PollFlags, Timespec};

/// What the system says of one descriptor.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Event(libc::epoll_event);

impl Event {
    #[inline]
    pub(crate) fn token(&self) -> Token {
        Token(self.0.u64 as usize)
    }

    #[inline]
    fn has(&self, flags: libc::c_int) -> bool {
        self.0.events & flags.cast_unsigned() != 0
    }

    #[inline]
    pub(crate) fn is_readable(&self) -> bool {
        self.has(libc::EPOLLIN | libc::EPOLLPRI)
    }

    #[inline]
    pub(crate) fn is_writable(&self) -> bool {
        self.has(libc::EPOLLOUT)
    }

    #[inline]
    pub(crate) fn is_error(&self) -> bool {
        self.has(libc::EPOLLERR)
    }

    #[inline]
    pub(crate) fn is_priority(&self) -> bool {
        self.has(libc::EPOLLPRI)
    }

    /// Nothing more will come: both directions have ended, or the other side's has.
    #[inline]
    pub(crate) fn is_read_closed(&self) -> bool {
        self.has(libc::EPOLLHUP) || (self.has(libc::EPOLLIN) && self.has(libc::EPOLLRDHUP))
    }

    /// Nobody will read what is written. That the reading end of a pipe is closed comes as an error.
    #[inline]
    pub(crate) fn is_write_closed(&self) -> bool {
        self.has(libc::EPOLLHUP | libc::EPOLLERR)
    }
}

/// What one wait took in.
pub(crate) struct Events(Vec<Event>);

impl Events {
    pub(crate) fn with_capacity(capacity: usize) -> Events {
        Events(Vec::with_capacity(capacity))
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

impl<'a> IntoIterator for &'a Events {
    type Item = &'a Event;
    type IntoIter = std::slice::Iter<'a, Event>;

    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// The system is older than `epoll_pwait2` (Linux 5.11), or something in between forbids it.
static HAS_NO_PWAIT2: AtomicBool = AtomicBool::new(false);

/// Waits for events for at most `wait` (`None`: no end).
pub(crate) fn wait(poll: &mut Poll, events: &mut Events, wait: Option<Duration>) -> io::Result<()> {
    let fd = poll.as_raw_fd();
    let milliseconds = match wait {
        None => -1,
        Some(Duration::ZERO) => 0,
        Some(wait) => {
            let wait = Timespec::try_from(wait).unwrap_or(Timespec {
                tv_sec: i64::MAX,
                tv_nsec: 0,
            });
            if !HAS_NO_PWAIT2.load(Ordering::Relaxed) {
                match wait_precisely(fd, events, &wait) {
                    Err(error)
                        if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) =>
                    {
                        HAS_NO_PWAIT2.store(true, Ordering::Relaxed);
                    }
                    result => return result,
                }
            }
            wait_for_any(fd, &wait)?;
            0
        }
    };
    events.clear();
    let list = events.0.spare_capacity_mut();
    let room = i32::try_from(list.len()).unwrap_or(i32::MAX);
    // SAFETY: the list has room for so many events, which are laid out as the system's are; the descriptor is the
    // poller's own.
    let count = unsafe { libc::epoll_wait(fd, list.as_mut_ptr().cast(), room, milliseconds) };
    // SAFETY: the call above wrote so many from the start of the list on.
    unsafe { has_written(events, count.into()) }
}

/// `epoll_pwait2`, which no libc had for years: called by its number.
fn wait_precisely(fd: RawFd, events: &mut Events, wait: &Timespec) -> io::Result<()> {
    events.clear();
    let list = events.0.spare_capacity_mut();
    let room = i32::try_from(list.len()).unwrap_or(i32::MAX);
    // SAFETY: the list has room for so many events, which are laid out as the system's are; the descriptor is the
    // poller's own; rustix's time is the kernel's of this call; there is no set of signals, so its size is not looked
    // at.
    let count = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            fd,
            list.as_mut_ptr(),
            room,
            std::ptr::from_ref(wait),
            null::<libc::sigset_t>(),
            0_usize,
        )
    };
    // SAFETY: the call above wrote so many from the start of the list on.
    unsafe { has_written(events, count) }
}

/// # Safety
/// The system has just written `count` events to the room of the list, which is empty; a negative one is an error.
unsafe fn has_written(events: &mut Events, count: libc::c_long) -> io::Result<()> {
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: they are written, and not more of them than there is room for.
    unsafe { events.0.set_len(count) };
    Ok(())
}

/// Waits until there are events, and takes none: `ppoll` on the poller's own descriptor counts in nanoseconds too.
fn wait_for_any(fd: RawFd, wait: &Timespec) -> io::Result<()> {
    // SAFETY: the descriptor is the poller's own, open for as long as the poller, which the caller borrows.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    rustix::event::poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(wait))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Interest, unix::SourceFd};
    use std::io::Write;
    use std::time::Instant;

    fn now() -> Instant {
        crate::clock::system_now()
    }

    /// Both ways: that of this system, and that of one without `epoll_pwait2`.
    #[test]
    fn both_ways_end_at_an_event_or_when_the_time_is_over_and_not_before() {
        for without in [false, true] {
            HAS_NO_PWAIT2.store(without, Ordering::Relaxed);
            let mut poll = Poll::new().unwrap();
            let mut events = Events::with_capacity(2);
            let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
            let short = Duration::from_micros(700);
            let began = now();
            wait(&mut poll, &mut events, Some(short)).unwrap();
            assert!(now() - began >= short && events.is_empty());
            poll.registry()
                .register(
                    &mut SourceFd(&near.as_raw_fd()),
                    Token(7),
                    Interest::READABLE,
                )
                .unwrap();
            far.write_all(b"x").unwrap();
            for long in [Some(Duration::MAX), None] {
                wait(&mut poll, &mut events, long).unwrap();
                let tokens: Vec<_> = events.into_iter().map(Event::token).collect();
                assert_eq!(tokens, [Token(7)]);
                far.write_all(b"x").unwrap(); // another edge
            }
            wait(&mut poll, &mut events, Some(Duration::ZERO)).unwrap();
            assert!(!events.is_empty());
            wait(&mut poll, &mut events, Some(Duration::ZERO)).unwrap();
            assert!(events.is_empty());
        }
        HAS_NO_PWAIT2.store(false, Ordering::Relaxed);
    }
}
