//! Things that are closed when nobody has taken them.

use std::fmt;
use std::ops::Deref;

use loop_tasks::yield_now;

/// Closes a thing when this is dropped: at the end of its block, however that is left, also by a task that is cancelled.
///
/// The last reference to a [`Transport`](crate::Transport) or a [`Server`](crate::Server) may be dropped, and it goes on.
/// Whoever makes one and does not want that holds it in this, until it is somebody else's to close.
///
/// # asyncio
/// `contextlib.closing(thing)`.
///
/// # Examples
/// See [`closing`].
pub struct Closing<T> {
    /// Taken at the end.
    thing: Option<T>,
    close: fn(&T),
}

/// Holds a thing, and calls `close` with it when that is dropped.
///
/// # asyncio
/// `contextlib.closing(thing)`, which calls `thing.close()`.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_net::{Server, StreamReader, StreamWriter, closing, start_server};
/// use loop_tasks::LoopExt;
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let server = start_server(async |_, _| (), "127.0.0.1", 0).await?;
///     let other = server.clone();
///     {
///         let server = closing(server, Server::close);
///         assert!(server.is_serving());
///     }
///     assert!(!other.is_serving());
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn closing<T>(thing: T, close: fn(&T)) -> Closing<T> {
    Closing {
        thing: Some(thing),
        close,
    }
}

/// Waits until the protocol has heard of its transport. Whoever gives up meanwhile (cancelled, out of time) has nothing
/// that could be closed, so it is closed here.
pub(crate) async fn begun<T>(transport: T, close: fn(&T)) -> T {
    let unclaimed = closing(transport, close);
    yield_now().await;
    unclaimed.into_inner()
}

impl<T> Closing<T> {
    /// Gives the thing away, open as it is.
    ///
    /// # Examples
    /// ```
    /// use loop_net::{Transport, closing};
    /// async fn greeted(transport: Transport) -> Transport {
    ///     let transport = closing(transport, Transport::abort);
    ///     loop_tasks::yield_now().await; // whoever gives up here leaves nothing
    ///     transport.write(b"hello");
    ///     transport.into_inner()
    /// }
    /// ```
    #[must_use = "nobody closes it any more"]
    #[expect(
        clippy::missing_panics_doc,
        reason = "it is there until this takes it, by value"
    )]
    pub fn into_inner(mut self) -> T {
        self.thing.take().expect("it is taken once, by value")
    }
}

impl<T> Deref for Closing<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.thing.as_ref().expect("only `into_inner` takes it")
    }
}

impl<T> Drop for Closing<T> {
    fn drop(&mut self) {
        if let Some(thing) = &self.thing {
            (self.close)(thing);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Closing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Closing").field(&self.thing).finish()
    }
}
