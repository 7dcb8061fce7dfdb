//! Loops that are made here to be run there, and the description of a loop.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::EventLoop;
use crate::core::Core;
use crate::current;
use crate::exception::drop_quietly;
use crate::remote::LoopHandle;
use crate::shared::Shared;

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) virtual_clock: bool,
    pub(crate) debug: bool,
    pub(crate) slow_callback_duration: Duration,
    pub(crate) blocked_after: Duration,
    pub(crate) poll_every_iteration: bool,
}

/// A description of a loop. See [`EventLoop::builder`].
#[derive(Clone, Debug)]
pub struct LoopBuilder(Config);

impl Default for LoopBuilder {
    fn default() -> Self {
        LoopBuilder(Config {
            virtual_clock: false,
            debug: std::env::var_os("ASYNCLOOP_DEBUG").is_some_and(|value| !value.is_empty()),
            slow_callback_duration: Duration::from_millis(100),
            blocked_after: Duration::from_secs(1),
            poll_every_iteration: false,
        })
    }
}

impl LoopBuilder {
    /// Gives the loop a clock that stands still while anything is ready and jumps to the next deadline when nothing
    /// is, so that tests take no time and are exact. By default, the system's monotonic clock.
    ///
    /// # Examples
    /// See [`EventLoop::call_later`].
    #[must_use]
    pub fn virtual_clock(mut self) -> Self {
        self.0.virtual_clock = true;
        self
    }

    /// Turns [debug mode](EventLoop::set_debug) on or off. By default, on if the environment variable
    /// `ASYNCLOOP_DEBUG` is set and not empty.
    ///
    /// # Examples
    /// See [`EventLoop::builder`].
    #[must_use]
    pub fn debug(mut self, enabled: bool) -> Self {
        self.0.debug = enabled;
        self
    }

    /// Sets from how long on a callback counts as slow in debug mode. By default, 100 ms.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use loop_core::EventLoop;
    /// let event_loop = EventLoop::builder().slow_callback_duration(Duration::from_millis(5)).build()?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn slow_callback_duration(mut self, duration: Duration) -> Self {
        self.0.slow_callback_duration = duration;
        self
    }

    /// Sets from how long on a callback that has not ended is reported in debug mode, by another thread: that is how a
    /// program that hangs says where. Reported again when it has taken twice as long, and so on. By default, one second.
    ///
    /// The report goes through `tracing` as that thread knows it, which is the global subscriber.
    ///
    /// # asyncio
    /// There is nothing like it: a callback that never ends is never told of.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use loop_core::EventLoop;
    /// let event_loop = EventLoop::builder().debug(true).blocked_after(Duration::from_secs(5)).build()?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn blocked_after(mut self, duration: Duration) -> Self {
        self.0.blocked_after = duration;
        self
    }

    /// Looks at the descriptors in every iteration with a system call, as asyncio does. By default, while callbacks
    /// are ready, in every eighth, or after 50 microseconds; and on Linux, while nothing comes, in every one without a
    /// call: io_uring, where it is allowed, says when there is something to look for.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// let event_loop = EventLoop::builder().poll_every_iteration(true).build()?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn poll_every_iteration(mut self, enabled: bool) -> Self {
        self.0.poll_every_iteration = enabled;
        self
    }

    /// Makes the loop, for this thread.
    ///
    /// # Errors
    /// If the process has 65,536 loops already.
    ///
    /// # Examples
    /// See [`EventLoop::builder`].
    pub fn build(self) -> io::Result<EventLoop> {
        Ok(self.build_unbound()?.bind())
    }

    /// Makes the loop, for a thread to be chosen.
    ///
    /// # Errors
    /// If the process has 65,536 loops already.
    ///
    /// # Examples
    /// See [`UnboundLoop`].
    pub fn build_unbound(self) -> io::Result<UnboundLoop> {
        let shared = Shared::register(&self.0).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "this process has 65,536 event loops: close some before making more",
            )
        })?;
        Ok(UnboundLoop {
            config: self.0,
            shared: Some(shared),
        })
    }
}

/// A loop made here to be run on another thread.
///
/// It hands out handles and takes calls before it runs; [`bind`](UnboundLoop::bind), on the thread that will run
/// it, makes it an [`EventLoop`]. Dropped unbound, it is closed, and what it was sent is dropped.
///
/// # asyncio
/// A loop there is made anywhere and run anywhere, and nothing stops a program from touching it from both.
///
/// # Examples
/// ```
/// use loop_core::UnboundLoop;
/// let unbound = UnboundLoop::new()?;
/// let handle = unbound.handle();
/// handle.call_soon_threadsafe(|| println!("on the other thread"))?;
/// let thread = std::thread::spawn(move || unbound.bind().run_forever());
/// handle.stop();
/// thread.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct UnboundLoop {
    config: Config,
    /// `None` once bound.
    shared: Option<Arc<Shared>>,
}

impl UnboundLoop {
    /// Makes one with the default description.
    ///
    /// # Errors
    /// If the process has 65,536 loops already.
    ///
    /// # Examples
    /// See [`UnboundLoop`].
    pub fn new() -> io::Result<UnboundLoop> {
        LoopBuilder::default().build_unbound()
    }

    fn shared(&self) -> &Arc<Shared> {
        self.shared
            .as_ref()
            .expect("only `bind` takes it, together with the loop")
    }

    /// What any thread may hold of this loop.
    ///
    /// # Examples
    /// See [`UnboundLoop`].
    #[must_use]
    pub fn handle(&self) -> LoopHandle {
        LoopHandle::new(Arc::clone(self.shared()))
    }

    /// Binds the loop to this thread.
    ///
    /// # Panics
    /// Never: the type sees to it that it is bound once.
    ///
    /// # Examples
    /// See [`UnboundLoop`].
    #[must_use]
    pub fn bind(mut self) -> EventLoop {
        let shared = self
            .shared
            .take()
            .expect("only `bind` takes it, together with the loop");
        let _ = shared.thread.set(std::thread::current());
        let core: Rc<Core> = Core::new(shared, &self.config);
        current::bind(&core);
        EventLoop::from_core(core)
    }
}

impl Drop for UnboundLoop {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.mailbox.close(drop_quietly);
            shared.unregister();
        }
    }
}
