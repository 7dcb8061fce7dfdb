//! Descriptors that a layer of tasks watches: each edge is remembered, and wakes whoever waits.
//!
//! The system tells once that a descriptor became ready. A [`Watch`] keeps that as a flag until an attempt to read or
//! write says that it is over; so as long as there is something to do nobody asks the system, and no edge is lost:
//! between the attempt and the flag nothing can come in, since the loop takes events in on the same thread.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use mio::Token;

use crate::error::LoopError;
use crate::io::Direction;
use crate::runtime::LoopRef;
use crate::sys::Event;

/// There is something to read, as far as is known.
const READABLE: u8 = 1;
/// There is room to write, as far as is known.
const WRITABLE: u8 = 2;
/// The other side will send no more, or there was an error: a read will say so whatever came before.
const READ_CLOSED: u8 = 4;
/// There is urgent data, at which a read ends although there is more.
const URGENT: u8 = 8;
/// The loop is closed: nothing will be told any more.
const GONE: u8 = 16;

/// There are others in the line, behind the first of a direction.
const CROWDED: u8 = 32;

/// What is known of one watched descriptor, and who waits to know more.
///
/// One line of the processor's cache: among thousands of connections it is cold when an event comes, and each further
/// line that an event touches is waited for.
#[derive(Default)]
#[repr(align(64))]
pub(crate) struct WatchState {
    flags: Cell<u8>,
    last_key: Cell<u32>,
    /// Who waits to read, and to write. Nearly always it is one.
    first: [Cell<Option<Waiter>>; 2],
    others: Cell<Option<Box<Others>>>,
}

const _: () = assert!(size_of::<WatchState>() == 64, "it is one line");

struct Waiter {
    key: u32,
    waker: Waker,
}

/// Those behind the first, of both directions.
#[derive(Default)]
struct Others {
    waiters: Vec<(Direction, Waiter)>,
}

impl WatchState {
    /// Takes an event in, and hands over who waited for it.
    #[inline]
    pub(crate) fn happened(&self, event: &Event, woken: &mut Vec<Waker>) {
        let mut new = 0;
        if event.is_read_closed() || event.is_error() {
            new |= READABLE | READ_CLOSED;
        } else if event.is_readable() {
            new |= READABLE;
        }
        if event.is_writable() || event.is_write_closed() || event.is_error() {
            new |= WRITABLE;
        }
        if event.is_priority() {
            new |= READABLE | URGENT;
        }
        let old = self.flags.get();
        self.flags.set(old | new);
        // Nobody waits for what is known already.
        let news = new & !old;
        if news & READABLE != 0 {
            self.take(Direction::Read, woken);
        }
        if news & WRITABLE != 0 {
            self.take(Direction::Write, woken);
        }
    }

    /// The loop is closed: hands over whoever waits, to hear of it.
    pub(crate) fn close(&self, woken: &mut Vec<Waker>) {
        self.take(Direction::Read, woken);
        self.take(Direction::Write, woken);
        self.flags.set(GONE);
    }

    #[inline]
    fn take(&self, direction: Direction, woken: &mut Vec<Waker>) {
        let first = self.first[direction as usize].take();
        woken.extend(first.map(|waiter| waiter.waker));
        if self.flags.get() & CROWDED != 0 {
            self.take_others(direction, woken);
        }
    }

    #[cold]
    fn take_others(&self, direction: Direction, woken: &mut Vec<Waker>) {
        self.with_others(|others| {
            let theirs = others.extract_if(.., |(other, _)| *other == direction);
            woken.extend(theirs.map(|(_, waiter)| waiter.waker));
        });
    }

    /// Enters a waker under its key, unless it is there; hands back the one that it replaces, whose drop may be
    /// anybody's code.
    #[inline]
    fn enter(&self, direction: Direction, key: u32, waker: Waker) -> Option<Waker> {
        let place = &self.first[direction as usize];
        let waiter = Waiter { key, waker };
        match place.take() {
            Some(first) if first.key != key => {
                place.set(Some(first));
                self.enter_behind(direction, waiter)
            }
            // Nobody is before it; but it may stand behind, where it came when somebody was.
            None if self.flags.get() & CROWDED != 0 => self.enter_behind(direction, waiter),
            old => {
                place.set(Some(waiter));
                old.map(|old| old.waker)
            }
        }
    }

    #[cold]
    fn enter_behind(&self, direction: Direction, waiter: Waiter) -> Option<Waker> {
        self.with_others(|others| {
            let mut same = others.iter_mut().filter(|(other, _)| *other == direction);
            if let Some((_, old)) = same.find(|(_, other)| other.key == waiter.key) {
                return Some(std::mem::replace(old, waiter).waker);
            }
            others.push((direction, waiter));
            None
        })
    }

    #[inline]
    fn leave(&self, direction: Direction, key: u32) -> Option<Waker> {
        let place = &self.first[direction as usize];
        match place.take() {
            Some(first) if first.key == key => return Some(first.waker),
            Some(other) => place.set(Some(other)),
            None => {} // taken out by an event
        }
        if self.flags.get() & CROWDED == 0 {
            return None;
        }
        self.with_others(|others| {
            let is_it =
                |(other, waiter): &(Direction, Waiter)| *other == direction && waiter.key == key;
            let place = others.iter().position(is_it)?;
            Some(others.remove(place).1.waker)
        })
    }

    /// Looks at those behind the first; nobody else's code is called.
    fn with_others<T>(&self, look: impl FnOnce(&mut Vec<(Direction, Waiter)>) -> T) -> T {
        let mut others = self.others.take().unwrap_or_default();
        let result = look(&mut others.waiters);
        let flags = self.flags.get() & !CROWDED;
        if others.waiters.is_empty() {
            self.flags.set(flags);
        } else {
            self.flags.set(flags | CROWDED);
            self.others.set(Some(others));
        }
        result
    }

    /// Whether a waker is entered under this key, and need not be again.
    #[inline]
    fn has(&self, direction: Direction, key: u32, waker: &Waker) -> bool {
        let place = &self.first[direction as usize];
        let Some(first) = place.take() else {
            return false;
        };
        let is_first = first.key == key && first.waker.will_wake(waker);
        place.set(Some(first));
        is_first
    }
}

/// A descriptor that a loop watches in both directions, for futures to wait on.
///
/// Made by [`LoopRef::watch`], ended by its drop, which must come before the descriptor is closed. It knows whether
/// the descriptor *may* be ready: that is true from an edge until [`clear`](Watch::clear).
///
/// # Examples
/// ```
/// use std::io::Write;
/// use std::os::fd::AsFd;
/// use std::task::{Context, Poll, Waker};
/// use loop_core::{Direction, EventLoop};
/// let event_loop = EventLoop::new()?;
/// let (near, mut far) = std::os::unix::net::UnixStream::pair()?;
/// near.set_nonblocking(true)?;
/// let watch = event_loop.loop_ref().watch(near.as_fd())?;
/// let mut cx = Context::from_waker(Waker::noop());
/// assert!(watch.poll_ready(Direction::Read, 0, &mut cx).is_pending());
/// far.write_all(b"ping")?;
/// event_loop.run_once(None)?;
/// assert!(matches!(watch.poll_ready(Direction::Read, 0, &mut cx), Poll::Ready(Ok(()))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Watch {
    owner: LoopRef,
    fd: RawFd,
    token: Token,
    state: Rc<WatchState>,
}

impl LoopRef {
    /// Watches a descriptor, which must not block, in both directions until the [`Watch`] is dropped.
    ///
    /// # Errors
    /// [`LoopError::Closed`] or [`LoopError::Forked`], inside an [`io::Error`]; what the system says of the
    /// descriptor: `EEXIST` if it has a reader, a writer or a watch already, `EPERM` if it is a regular file.
    ///
    /// # Examples
    /// See [`Watch`].
    pub fn watch(&self, fd: BorrowedFd<'_>) -> io::Result<Watch> {
        let fd = fd.as_raw_fd();
        let state = Rc::default();
        let (token, replaced) = self.core().register(fd, |io| io.watch(fd, &state))?;
        drop(replaced);
        Ok(Watch {
            owner: self.clone(),
            fd,
            token,
            state,
        })
    }
}

impl Watch {
    /// The loop that watches.
    ///
    /// # Examples
    /// ```
    /// use std::os::fd::AsFd;
    /// let event_loop = loop_core::EventLoop::new()?;
    /// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
    /// let watch = event_loop.loop_ref().watch(near.as_fd())?;
    /// assert!(watch.owner().same(&event_loop.loop_ref()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn owner(&self) -> &LoopRef {
        &self.owner
    }

    /// Whether an edge came in this direction since the last [`clear`](Watch::clear).
    ///
    /// # Examples
    /// ```
    /// use std::os::fd::AsFd;
    /// use loop_core::Direction;
    /// let event_loop = loop_core::EventLoop::new()?;
    /// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
    /// let watch = event_loop.loop_ref().watch(near.as_fd())?;
    /// event_loop.run_once(None)?;
    /// assert!(watch.is_ready(Direction::Write) && !watch.is_ready(Direction::Read));
    /// watch.clear(Direction::Write); // an attempt to write said that it would block
    /// assert!(!watch.is_ready(Direction::Write));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn is_ready(&self, direction: Direction) -> bool {
        let flag = match direction {
            Direction::Read => READABLE,
            Direction::Write => WRITABLE,
        };
        self.state.flags.get() & flag != 0
    }

    /// Says that an attempt in this direction would have blocked: the next edge will tell.
    ///
    /// # Examples
    /// See [`is_ready`](Watch::is_ready).
    #[inline]
    pub fn clear(&self, direction: Direction) {
        let flags = match direction {
            Direction::Read => READABLE | READ_CLOSED | URGENT,
            Direction::Write => WRITABLE,
        };
        self.state.flags.set(self.state.flags.get() & !flags);
    }

    /// Says that a read gave less than it could have taken, so that the next one would block: as `clear`, but not if
    /// it is known that there is an end, an error or urgent data behind what was read.
    ///
    /// That holds for TCP on systems whose edges tell of every arrival; elsewhere it does nothing.
    ///
    /// # Examples
    /// ```
    /// use std::io::{Read, Write};
    /// use std::os::fd::AsFd;
    /// use loop_core::Direction;
    /// let event_loop = loop_core::EventLoop::new()?;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let mut far = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let (mut near, _) = listener.accept()?;
    /// let watch = event_loop.loop_ref().watch(near.as_fd())?;
    /// far.write_all(b"ping")?;
    /// drop(far); // the end comes behind it
    /// while !watch.is_ready(Direction::Read) {
    ///     event_loop.run_once(None)?;
    /// }
    /// # while { let mut b = [0; 9]; near.peek(&mut b)? < 4 } {}
    /// assert_eq!(near.read(&mut [0; 64])?, 4);
    /// watch.drained();
    /// event_loop.run_once(Some(std::time::Duration::ZERO))?;
    /// assert!(watch.is_ready(Direction::Read)); // the next read says so
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn drained(&self) {
        let flags = self.state.flags.get();
        if cfg!(target_os = "linux") && flags & (READ_CLOSED | URGENT) == 0 {
            self.state.flags.set(flags & !READABLE);
        }
    }

    /// Whether the loop is closed, so that nothing will ever be told.
    ///
    /// # Examples
    /// ```
    /// use std::os::fd::AsFd;
    /// let event_loop = loop_core::EventLoop::new()?;
    /// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
    /// let watch = event_loop.loop_ref().watch(near.as_fd())?;
    /// event_loop.close()?;
    /// assert!(watch.is_orphaned());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn is_orphaned(&self) -> bool {
        self.state.flags.get() & GONE != 0
    }

    /// A name for somebody who waits, to be told apart from others who wait for the same. 0 is never given out.
    ///
    /// # Examples
    /// See [`forget`](Watch::forget).
    #[must_use]
    #[inline]
    pub fn waiter(&self) -> u32 {
        let key = self.state.last_key.get().wrapping_add(1).max(1);
        self.state.last_key.set(key);
        key
    }

    /// Whether the descriptor may be ready; if not, the waker is called when that changes. A second waker under the
    /// same `key` replaces the first.
    ///
    /// # Errors
    /// [`LoopError::Closed`], inside an [`io::Error`].
    ///
    /// # Examples
    /// See [`Watch`].
    #[inline]
    pub fn poll_ready(
        &self,
        direction: Direction,
        key: u32,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_ready(direction) {
            return Poll::Ready(Ok(()));
        }
        if self.is_orphaned() {
            return Poll::Ready(Err(io::Error::other(LoopError::Closed)));
        }
        if self.state.has(direction, key, cx.waker()) {
            return Poll::Pending;
        }
        // A clone and a drop of a waker may be anybody's code: nothing is taken out while they run.
        let waker = cx.waker().clone();
        let old = self.state.enter(direction, key, waker);
        drop(old);
        Poll::Pending
    }

    /// Forgets the waker under this key: whoever waited no longer does.
    ///
    /// # Examples
    /// ```
    /// use std::os::fd::AsFd;
    /// use std::task::{Context, Waker};
    /// use loop_core::Direction;
    /// let event_loop = loop_core::EventLoop::new()?;
    /// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
    /// let watch = event_loop.loop_ref().watch(near.as_fd())?;
    /// let key = watch.waiter();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(watch.poll_ready(Direction::Read, key, &mut cx).is_pending());
    /// watch.forget(Direction::Read, key);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn forget(&self, direction: Direction, key: u32) {
        let old = self.state.leave(direction, key);
        drop(old);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let core = self.owner.core();
        if self.is_orphaned() || core.is_forked() {
            return;
        }
        if let Some(io) = core.io.borrow_mut().as_mut() {
            io.unwatch(self.fd, self.token);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (read, write) = (
            self.is_ready(Direction::Read),
            self.is_ready(Direction::Write),
        );
        write!(f, "<Watch fd={} readable={read} writable={write}>", self.fd)
    }
}
