//! A connection and what has still to be written to it: what a reader, a writer, a transport share.
//!
//! Bytes are written at once as far as there is room; a driver writes the rest when there is. Above the high mark whoever
//! writes is to pause, at the low one to go on. Whatever ends the connection ends here, once.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use loop_core::{LoopRef, TimerHandle, get_running_loop};
use loop_tasks::{LoopExt, LoopFuture, TaskError, yield_now};

use crate::driver::{DriverHandle, drive};
use crate::{Address, Connection};

/// Writers pause above so many bytes, by default.
const HIGH: usize = 64 * 1024;

/// A writer that is never held back lets others run after so many writes.
const SPREE: u8 = 64;

/// What hears that a connection pauses, goes on, or has ended.
pub(crate) trait Watcher {
    /// More than the high mark waits to be written.
    fn pause_writing(&self) {}
    /// No more than the low mark waits.
    fn resume_writing(&self) {}
    /// The connection is no more.
    fn lost(&self, error: Option<&io::Error>);
}

pub(crate) struct Channel {
    owner: LoopRef,
    connection: RefCell<Option<Rc<dyn Connection>>>,
    peer: OnceCell<Option<Address>>,
    local: OnceCell<Option<Address>>,
    out: RefCell<Vec<u8>>,
    /// How much of `out` is written.
    written: Cell<usize>,
    high: Cell<usize>,
    low: Cell<usize>,
    paused: Cell<bool>,
    end_wanted: Cell<bool>,
    end_told: Cell<bool>,
    closing: Cell<bool>,
    flushing: Cell<bool>,
    flusher: RefCell<Option<DriverHandle>>,
    /// The other side is to say that it closes too: whatever else it says, nobody hears.
    parting: Cell<bool>,
    /// When it has taken too long for that.
    patience: RefCell<Option<TimerHandle>>,
    spree: Cell<u8>,
    error: RefCell<Option<io::Error>>,
    /// Who waits for the low mark.
    draining: RefCell<Vec<LoopFuture<()>>>,
    /// Who waits for the end.
    ending: RefCell<Vec<LoopFuture<()>>>,
    reader: RefCell<Option<Waker>>,
    watchers: RefCell<Vec<Rc<dyn Watcher>>>,
}

impl Channel {
    /// Takes a connection over for the running loop.
    pub(crate) fn new(
        connection: Rc<dyn Connection>,
        peer: Option<Address>,
    ) -> io::Result<Rc<Channel>> {
        let owner = get_running_loop().map_err(io::Error::other)?.loop_ref();
        Ok(Rc::new(Channel {
            owner,
            connection: RefCell::new(Some(connection)),
            peer: match peer {
                Some(peer) => OnceCell::from(Some(peer)),
                None => OnceCell::new(),
            },
            local: OnceCell::new(),
            out: RefCell::default(),
            written: Cell::new(0),
            high: Cell::new(HIGH),
            low: Cell::new(HIGH / 4),
            paused: Cell::new(false),
            end_wanted: Cell::new(false),
            end_told: Cell::new(false),
            closing: Cell::new(false),
            flushing: Cell::new(false),
            flusher: RefCell::default(),
            parting: Cell::new(false),
            patience: RefCell::default(),
            spree: Cell::new(0),
            error: RefCell::default(),
            draining: RefCell::default(),
            ending: RefCell::default(),
            reader: RefCell::default(),
            watchers: RefCell::default(),
        }))
    }

    pub(crate) fn owner(&self) -> &LoopRef {
        &self.owner
    }

    pub(crate) fn add_watcher(&self, watcher: Rc<dyn Watcher>) {
        self.watchers.borrow_mut().push(watcher);
    }

    /// Calls each watcher when nothing is borrowed.
    fn tell(&self, what: impl Fn(&dyn Watcher)) {
        let watchers = self.watchers.borrow().clone();
        for watcher in watchers {
            what(&*watcher);
        }
    }

    pub(crate) fn connection(&self) -> Option<Rc<dyn Connection>> {
        self.connection.borrow().clone()
    }

    /// Puts another connection in the place of this one, which it probably wraps.
    #[cfg(feature = "tls")]
    pub(crate) fn replace(&self, connection: Rc<dyn Connection>) {
        let old = self.connection.replace(Some(connection));
        drop(old);
    }

    fn take(&self) -> Option<Rc<dyn Connection>> {
        self.connection.borrow_mut().take()
    }

    pub(crate) fn peer_addr(&self) -> Option<Address> {
        self.address(&self.peer, |connection| connection.peer_addr())
    }

    pub(crate) fn local_addr(&self) -> Option<Address> {
        self.address(&self.local, |connection| connection.local_addr())
    }

    fn address(
        &self,
        known: &OnceCell<Option<Address>>,
        ask: impl FnOnce(&dyn Connection) -> Option<Address>,
    ) -> Option<Address> {
        if let Some(address) = known.get() {
            return address.clone();
        }
        let address = ask(&*self.connection()?);
        known.get_or_init(|| address).clone()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get() || self.is_lost()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.connection.borrow().is_none()
    }

    /// How many bytes wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.out.borrow().len() - self.written.get()
    }

    /// Sets the marks; what already waits may be above or below them now.
    pub(crate) fn set_marks(&self, low: usize, high: usize) {
        self.low.set(low);
        self.high.set(high);
        self.pause_or_resume();
    }

    fn pause_or_resume(&self) {
        let waiting = self.waiting();
        if waiting > self.high.get() {
            if !self.paused.replace(true) {
                self.tell(|watcher| watcher.pause_writing());
            }
        } else if waiting <= self.low.get() && self.paused.replace(false) {
            settle(&self.draining);
            self.tell(|watcher| watcher.resume_writing());
        }
    }

    /// Writes now what there is room for, and the rest later.
    pub(crate) fn write(self: &Rc<Self>, parts: &[&[u8]]) {
        if self.closing.get() || parts.iter().all(|part| part.is_empty()) {
            return;
        }
        if self.end_wanted.get() {
            let text = "Cannot call write() after write_eof()";
            let error = io::Error::new(io::ErrorKind::InvalidInput, text);
            self.error.borrow_mut().get_or_insert(error);
            return;
        }
        let Some(connection) = self.connection() else {
            return; // drain() says so
        };
        let mut parts = parts.iter().copied();
        let mut rest: &[u8] = &[];
        if self.waiting() == 0 {
            for part in parts.by_ref() {
                match connection.try_write(part) {
                    Ok(written) if written == part.len() => {}
                    Ok(written) => rest = &part[written..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => rest = part,
                    Err(error) => return self.lose(Some(error)),
                }
                if !rest.is_empty() {
                    break;
                }
            }
        }
        let mut out = self.out.borrow_mut();
        out.extend_from_slice(rest);
        parts.for_each(|part| out.extend_from_slice(part));
        let waits = out.len() > self.written.get();
        drop(out);
        let waits = waits || !connection.is_flushed();
        if waits {
            self.flush();
            self.pause_or_resume();
        }
    }

    /// Says that nothing more comes, when everything is written.
    pub(crate) fn write_eof(self: &Rc<Self>) {
        if !self.is_closing() && !self.end_wanted.replace(true) {
            self.flush_now();
        }
    }

    /// Closes when everything is written.
    pub(crate) fn close(self: &Rc<Self>) {
        if !self.is_lost() && !self.closing.replace(true) {
            self.flush_now();
        }
    }

    /// Closes now.
    pub(crate) fn abort(&self) {
        self.lose(None);
    }

    /// Does at once what needs no waiting.
    fn flush_now(self: &Rc<Self>) {
        let at_once = self
            .connection()
            .is_some_and(|connection| connection.closes_at_once());
        if at_once && self.waiting() == 0 && !self.flushing.get() {
            // Nothing in there waits, so nobody is woken.
            let polled = self.poll_flush(&mut Context::from_waker(Waker::noop()));
            debug_assert!(polled.is_ready());
        } else {
            self.flush();
        }
    }

    /// Has a driver write what waits.
    fn flush(self: &Rc<Self>) {
        if !self.flushing.replace(true) {
            let channel = Rc::clone(self);
            let flusher = drive(&self.owner, poll_fn(move |cx| channel.poll_flush(cx)));
            self.flusher.replace(Some(flusher));
        }
    }

    fn poll_flush(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(connection) = self.connection() else {
                break;
            };
            let result = if self.waiting() > 0 {
                let out = self.out.borrow();
                let polled = connection.poll_write(cx, &out[self.written.get()..]);
                drop(out);
                ready!(polled).and_then(|written| self.has_written(written))
            } else if !connection.is_flushed() {
                ready!(connection.poll_flush(cx))
            } else if self.has_end_to_tell(&*connection) {
                if self.closing.get() {
                    self.part(&*connection);
                }
                self.end_told.set(true);
                let polled = connection.poll_shutdown(cx);
                self.end_told.set(polled.is_ready());
                ready!(polled)
            } else if self.closing.get() {
                if self.parting.get() {
                    ready!(connection.poll_parted(cx));
                }
                self.lose(None);
                break;
            } else {
                break;
            };
            if let Err(error) = result {
                self.lose(Some(error));
            }
        }
        self.flushing.set(false);
        Poll::Ready(())
    }

    /// From now on the other side is waited for, but not for ever.
    fn part(self: &Rc<Self>, connection: &dyn Connection) {
        let most = connection.parting_timeout();
        if most.is_zero() || self.parting.replace(true) {
            return;
        }
        let channel = Rc::downgrade(self);
        let timer = self.owner.event_loop().call_later(most, move || {
            if let Some(channel) = channel.upgrade() {
                let text = "SSL shutdown timed out";
                channel.lose(Some(io::Error::new(io::ErrorKind::TimedOut, text)));
            }
        });
        // A loop that is closed has no time to wait.
        let old = self.patience.replace(timer.ok());
        debug_assert!(old.is_none());
    }

    fn has_end_to_tell(&self, connection: &dyn Connection) -> bool {
        let wanted = self.end_wanted.get() || (self.closing.get() && !connection.closes_at_once());
        wanted && !self.end_told.get()
    }

    fn has_written(&self, written: usize) -> io::Result<()> {
        /// What is kept for the next time.
        const KEPT: usize = HIGH * 2;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let mut out = self.out.borrow_mut();
        self.written.set(self.written.get() + written);
        if self.written.get() == out.len() {
            out.clear();
            out.shrink_to(KEPT);
            self.written.set(0);
        } else if self.written.get() >= out.len() / 2 {
            out.drain(..self.written.replace(0));
        }
        drop(out);
        self.pause_or_resume();
        Ok(())
    }

    /// The connection is no more; what waited to be written is dropped.
    pub(crate) fn lose(&self, error: Option<io::Error>) {
        let Some(connection) = self.take() else {
            return;
        };
        if error.is_none() {
            connection.discard();
        }
        drop(connection);
        if let Some(patience) = self.patience.take() {
            patience.cancel();
        }
        // What it waited for does not come any more.
        if let Some(flusher) = self.flusher.take() {
            flusher.stop();
        }
        self.flushing.set(false);
        let told = error.as_ref().map(copy);
        if let Some(error) = error {
            self.error.borrow_mut().get_or_insert(error);
        }
        self.closing.set(true);
        self.out.take();
        self.written.set(0);
        settle(&self.draining);
        settle(&self.ending);
        self.wake_reader();
        let watchers = self.watchers.take();
        for watcher in watchers {
            watcher.lost(told.as_ref());
        }
    }

    /// Lets go of everything without a word: the loop is closed.
    pub(crate) fn forget(&self) {
        let watchers = self.watchers.take();
        let connection = self.take();
        self.closing.set(true);
        drop((watchers, connection));
    }

    /// Has whoever waits to read look again.
    pub(crate) fn wake_reader(&self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Waits until the connection is no more, or for [`wake_reader`](Self::wake_reader), in the place of a read.
    pub(crate) fn poll_lost(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_lost() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let old = self.reader.replace(Some(waker));
        drop(old);
        Poll::Pending
    }

    /// Why the connection is no more, if it was an error.
    pub(crate) fn error(&self) -> Option<io::Error> {
        self.error.borrow().as_ref().map(copy)
    }

    /// Reads to the end of `buffer`.
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        let Some(connection) = self.connection() else {
            return Poll::Ready(self.error().map_or(Ok(0), Err));
        };
        if self.parting.get() {
            return self.poll_lost(cx).map(|()| self.error().map_or(Ok(0), Err));
        }
        match connection.poll_read(cx, buffer) {
            Poll::Pending => {
                let waker = cx.waker().clone();
                let old = self.reader.replace(Some(waker));
                drop(old);
                Poll::Pending
            }
            Poll::Ready(Err(error)) => {
                drop(connection);
                let told = copy(&error);
                self.lose(Some(error));
                Poll::Ready(Err(told))
            }
            ready => ready,
        }
    }

    /// Waits until writers may go on.
    pub(crate) async fn drain(&self) -> io::Result<()> {
        if let Some(error) = self.error() {
            return Err(error);
        }
        if self.is_closing() {
            // The end has to have a chance to come.
            yield_now().await;
        }
        if self.paused.get() && !self.is_lost() {
            self.spree.set(0);
            self.wait_in(&self.draining).await;
        } else if self.spree.get() >= SPREE {
            self.spree.set(0);
            yield_now().await;
        }
        self.spree.set(self.spree.get() + 1);
        if let Some(error) = self.error() {
            return Err(error);
        }
        if self.is_lost() {
            let text = "Connection lost";
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, text));
        }
        Ok(())
    }

    /// Waits until nothing waits to be written.
    #[cfg(feature = "tls")]
    pub(crate) async fn flushed(&self) -> io::Result<()> {
        /// Puts the marks back, also when the wait is cancelled.
        struct Marks<'a>(&'a Channel, usize, usize);
        impl Drop for Marks<'_> {
            fn drop(&mut self) {
                self.0.set_marks(self.1, self.2);
            }
        }
        let _marks = Marks(self, self.low.get(), self.high.get());
        self.set_marks(0, 0);
        self.drain().await
    }

    /// Waits until the connection is no more.
    pub(crate) async fn wait_closed(&self) -> io::Result<()> {
        if !self.is_lost() {
            self.wait_in(&self.ending).await;
        }
        self.error().map_or(Ok(()), Err)
    }

    async fn wait_in(&self, line: &RefCell<Vec<LoopFuture<()>>>) {
        let future = self.owner.event_loop().create_future();
        enter(line, future.clone());
        if let Err(TaskError::Cancelled(token)) = (&future).await {
            token.resume().await;
        }
    }
}

fn enter(line: &RefCell<Vec<LoopFuture<()>>>, future: LoopFuture<()>) {
    let mut line = line.borrow_mut();
    line.retain(|future| !future.done()); // those whose wait was cancelled
    line.push(future);
}

/// Ends the waits of a line.
fn settle(line: &RefCell<Vec<LoopFuture<()>>>) {
    for future in line.take() {
        // Refused if its wait was cancelled, or by a loop that is closed.
        let _ = future.set_result(());
    }
}

/// The same error again: `io::Error` cannot be cloned, and there may be several who are to hear of it.
pub(crate) fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.connection.borrow() {
            Some(connection) => connection.fmt(f)?,
            None => f.write_str("<closed>")?,
        }
        write!(f, " bufsize={}", self.waiting())
    }
}
