//! Any descriptor, awaited.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll, ready};

use loop_core::{Direction, LoopRef, Watch};

use crate::attempt::Attempt;

/// A task whose operations always succeed at once lets the others run after so many of them.
const SPREE: u8 = 64;

/// A descriptor that does not block, with operations that wait.
///
/// What an operation does is up to the caller ([`read_with`](AsyncFd::read_with), [`write_with`](AsyncFd::write_with)):
/// it is tried, and tried again when the descriptor may be ready, for as long as it says
/// [`WouldBlock`](io::ErrorKind::WouldBlock). The first wait makes the running loop watch the descriptor; the drop ends
/// that and drops what is inside.
///
/// Any number of tasks may wait at once. Methods named `poll_*` have one place for a waker for each direction.
///
/// # asyncio
/// What `loop.add_reader(fd, ...)` is used for. The callbacks themselves are on the loop.
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
/// use loop_core::EventLoop;
/// use loop_net::AsyncFd;
/// use loop_tasks::LoopExt;
/// let (reader, mut writer) = std::io::pipe()?;
/// let flags = rustix::fs::fcntl_getfl(&reader)?;
/// rustix::fs::fcntl_setfl(&reader, flags | rustix::fs::OFlags::NONBLOCK)?;
/// let event_loop = EventLoop::new()?;
/// event_loop.call_later(std::time::Duration::from_millis(1), move || writer.write_all(b"ping").unwrap())?;
/// let reader = AsyncFd::new(reader);
/// event_loop.run_until_complete(async move {
///     let mut bytes = [0; 9];
///     let read = reader.read_with(|mut pipe| pipe.read(&mut bytes)).await?;
///     assert_eq!(&bytes[..read], b"ping");
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AsyncFd<T: AsFd> {
    /// Declared first: the watch ends before the descriptor is closed.
    watch: RefCell<Option<Watch>>,
    sprees: [Cell<u8>; 2],
    inner: T,
}

impl<T: AsFd> AsyncFd<T> {
    /// Wraps a descriptor, which must not block.
    ///
    /// # Examples
    /// See [`AsyncFd`].
    #[must_use]
    pub fn new(inner: T) -> AsyncFd<T> {
        AsyncFd {
            watch: RefCell::new(None),
            sprees: Default::default(),
            inner,
        }
    }

    /// What is inside.
    ///
    /// # Examples
    /// See [`into_inner`](AsyncFd::into_inner).
    #[must_use]
    #[inline]
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// Stops watching and gives back what is inside, which does not block still.
    ///
    /// # Examples
    /// ```
    /// use loop_net::AsyncFd;
    /// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
    /// near.set_nonblocking(true)?;
    /// let fd = AsyncFd::new(near);
    /// assert!(fd.get_ref().peer_addr().is_ok());
    /// let near = fd.into_inner();
    /// near.set_nonblocking(false)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn into_inner(self) -> T {
        let AsyncFd { watch, inner, .. } = self;
        drop(watch);
        inner
    }

    /// Waits until there is something to read, or an end or an error to be told of.
    ///
    /// It may be wrong, and stays true until an attempt says otherwise: see [`try_io`](AsyncFd::try_io).
    ///
    /// # Errors
    /// What the loop says of the descriptor when it begins to watch it; that the loop is closed.
    ///
    /// # Cancel safety
    /// Nothing is taken from the descriptor.
    ///
    /// # Examples
    /// See [`try_io`](AsyncFd::try_io).
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Direction::Read).await
    }

    /// Waits until there is room to write, or an error to be told of. Otherwise as [`readable`](AsyncFd::readable).
    ///
    /// # Errors
    /// As [`readable`](AsyncFd::readable).
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::AsyncFd;
    /// use loop_tasks::LoopExt;
    /// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
    /// near.set_nonblocking(true)?;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async move { AsyncFd::new(near).writable().await })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Direction::Write).await
    }

    /// An untried descriptor is not known to be ready: the loop has to see an edge.
    fn ready(&self, direction: Direction) -> impl Future<Output = io::Result<()>> {
        Attempt::new(self, direction, move |_: &T| {
            if self.is_ready(direction) {
                Ok(())
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            }
        })
    }

    /// Tries an operation once, and notes it if it would block.
    ///
    /// # Errors
    /// What the operation says; [`WouldBlock`](io::ErrorKind::WouldBlock) also without trying, if the loop is watching
    /// and has seen no edge.
    ///
    /// # Examples
    /// ```
    /// use std::io::Read;
    /// use loop_core::EventLoop;
    /// use loop_net::{AsyncFd, Direction};
    /// use loop_tasks::LoopExt;
    /// let (near, far) = std::os::unix::net::UnixStream::pair()?;
    /// near.set_nonblocking(true)?;
    /// let event_loop = EventLoop::new()?;
    /// let near = AsyncFd::new(near);
    /// drop(far);
    /// event_loop.run_until_complete(async move {
    ///     near.readable().await?;
    ///     let read = near.try_io(Direction::Read, |mut socket| socket.read(&mut [0]))?;
    ///     assert_eq!(read, 0); // the end
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_io<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        if !self.may_be_ready(direction) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        loop {
            match operation(&self.inner) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.clear(direction);
                    return Err(error);
                }
                result => return result,
            }
        }
    }

    /// Does an operation that reads, waiting for as long as it would block.
    ///
    /// # Errors
    /// What the operation says, and what [`readable`](AsyncFd::readable) says.
    ///
    /// # Cancel safety
    /// It waits only after an attempt that would have blocked.
    ///
    /// # Examples
    /// See [`AsyncFd`].
    pub fn read_with<R, F: FnMut(&T) -> io::Result<R>>(&self, operation: F) -> Attempt<'_, T, F> {
        Attempt::new(self, Direction::Read, operation)
    }

    /// Does an operation that writes, waiting for as long as it would block.
    ///
    /// # Errors
    /// What the operation says, and what [`writable`](AsyncFd::writable) says.
    ///
    /// # Cancel safety
    /// It waits only after an attempt that would have blocked.
    ///
    /// # Examples
    /// ```
    /// use std::io::Write;
    /// use loop_core::EventLoop;
    /// use loop_net::AsyncFd;
    /// use loop_tasks::LoopExt;
    /// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
    /// near.set_nonblocking(true)?;
    /// let event_loop = EventLoop::new()?;
    /// let near = AsyncFd::new(near);
    /// let written = event_loop.run_until_complete(async move {
    ///     near.write_with(|mut socket| socket.write(b"ping")).await
    /// })??;
    /// assert_eq!(written, 4);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_with<R, F: FnMut(&T) -> io::Result<R>>(&self, operation: F) -> Attempt<'_, T, F> {
        Attempt::new(self, Direction::Write, operation)
    }

    /// As [`read_with`](AsyncFd::read_with), for futures made by hand. A second waker replaces the first.
    ///
    /// # Errors
    /// As [`read_with`](AsyncFd::read_with).
    ///
    /// # Examples
    /// ```
    /// use std::io::Read;
    /// use loop_core::EventLoop;
    /// use loop_net::AsyncFd;
    /// use loop_tasks::LoopExt;
    /// let (near, far) = std::os::unix::net::UnixStream::pair()?;
    /// near.set_nonblocking(true)?;
    /// drop(far);
    /// let (event_loop, near) = (EventLoop::new()?, AsyncFd::new(near));
    /// let read = std::future::poll_fn(move |cx| near.poll_read_with(cx, |mut socket| socket.read(&mut [0])));
    /// assert_eq!(event_loop.run_until_complete(read)??, 0);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn poll_read_with<R>(
        &self,
        cx: &mut Context<'_>,
        operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_with(Direction::Read, &mut Some(0), cx, operation)
    }

    /// As [`write_with`](AsyncFd::write_with), for futures made by hand. A second waker replaces the first.
    ///
    /// # Errors
    /// As [`write_with`](AsyncFd::write_with).
    ///
    /// # Examples
    /// As for [`poll_read_with`](AsyncFd::poll_read_with).
    pub fn poll_write_with<R>(
        &self,
        cx: &mut Context<'_>,
        operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_with(Direction::Write, &mut Some(0), cx, operation)
    }

    /// Tries, and enters the waker under `waiter` (given out here when it is first needed) if it would block.
    #[inline]
    pub(crate) fn poll_with<R>(
        &self,
        direction: Direction,
        waiter: &mut Option<u32>,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let spree = &self.sprees[direction as usize];
        if spree.get() >= SPREE {
            spree.set(0);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if self.may_be_ready(direction) {
                match operation(&self.inner) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.clear(direction);
                    }
                    result => {
                        spree.set(spree.get() + 1);
                        return Poll::Ready(result);
                    }
                }
            }
            spree.set(0);
            ready!(self.poll_edge(direction, waiter, cx))?;
        }
    }

    /// Waits for an edge: the loop begins to watch if it does not yet.
    #[inline]
    fn poll_edge(
        &self,
        direction: Direction,
        waiter: &mut Option<u32>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let is_watched = |watch: &Watch| watch.owner().is_running();
        if !self.watch.borrow().as_ref().is_some_and(is_watched) {
            self.begin_to_watch()?;
        }
        let watch = self.watch.borrow();
        let watch = watch.as_ref().expect("it is there, or just begun");
        let waiter = *waiter.get_or_insert_with(|| watch.waiter());
        watch.poll_ready(direction, waiter, cx)
    }

    /// Has the running loop watch, which does not yet.
    #[cold]
    fn begin_to_watch(&self) -> io::Result<()> {
        let running = LoopRef::running().map_err(io::Error::other)?;
        if let Some(watch) = &*self.watch.borrow()
            && !watch.is_orphaned()
        {
            let (fd, theirs, ours) = (self.as_raw_fd(), watch.owner().id(), running.id());
            return Err(io::Error::other(format!(
                "fd {fd} is attached to a different loop: {theirs}, and this is {ours}"
            )));
        }
        // Also after the loop that watched is closed: the socket outlived it.
        let watch = running.watch(self.inner.as_fd())?;
        self.watch.replace(Some(watch));
        Ok(())
    }

    /// Forgets the waker under this name.
    #[inline]
    pub(crate) fn forget(&self, direction: Direction, waiter: u32) {
        if let Some(watch) = &*self.watch.borrow() {
            watch.forget(direction, waiter);
        }
    }

    /// Whether an attempt is worth its call: an edge was seen, or nobody looks for edges.
    #[inline]
    fn may_be_ready(&self, direction: Direction) -> bool {
        match &*self.watch.borrow() {
            Some(watch) => watch.is_ready(direction) || watch.is_orphaned(),
            None => true,
        }
    }

    fn is_ready(&self, direction: Direction) -> bool {
        let watch = self.watch.borrow();
        watch
            .as_ref()
            .is_some_and(|watch| watch.is_ready(direction))
    }

    #[inline]
    fn clear(&self, direction: Direction) {
        if let Some(watch) = &*self.watch.borrow() {
            watch.clear(direction);
        }
    }

    /// A read of a stream gave less than it could have taken.
    #[inline]
    pub(crate) fn drained(&self) {
        if let Some(watch) = &*self.watch.borrow() {
            watch.drained();
        }
    }
}

impl<T: AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl<T: AsFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_fd().as_raw_fd()
    }
}

impl<T: AsFd> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.watch.borrow() {
            Some(watch) => watch.fmt(f),
            None => write!(f, "<AsyncFd fd={}>", self.as_raw_fd()),
        }
    }
}
