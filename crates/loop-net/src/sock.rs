//! `loop.sock_*`: operations on sockets that somebody else made.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use loop_core::EventLoop;
use loop_tasks::{LoopExt, TaskError};
use rustix::io::Errno;
use rustix::net::{RecvFlags, sockopt};

use crate::Direction;
use crate::stream_socket::NO_SIGNAL;

/// The methods of asyncio's loop that are about sockets. The sockets must not block.
///
/// Each is tried first, and waits by a reader or a writer of the loop only if it would block, as asyncio does it. The
/// sockets of this crate do the same with less to do.
///
/// # Cancel safety
/// All but `sock_sendall`: a wait has taken nothing.
///
/// # Examples
/// ```
/// use std::os::unix::net::UnixStream;
/// use loop_core::EventLoop;
/// use loop_net::LoopNetExt;
/// use loop_tasks::LoopExt;
/// let event_loop = EventLoop::new()?;
/// let ours = event_loop.clone();
/// event_loop.run_until_complete(async move {
///     let (near, far) = UnixStream::pair()?;
///     near.set_nonblocking(true)?;
///     far.set_nonblocking(true)?;
///     ours.sock_sendall(&near, b"ping").await?;
///     assert_eq!(ours.sock_recv(&far, 100).await?, b"ping");
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(
    async_fn_in_trait,
    reason = "a loop's futures stay on its thread: nobody asks for Send"
)]
pub trait LoopNetExt {
    /// Receives at most `most` bytes. Nothing is the end.
    ///
    /// # Errors
    /// What the system says of the socket, and the loop of the descriptor.
    ///
    /// # asyncio
    /// `loop.sock_recv(sock, nbytes)`.
    ///
    /// # Examples
    /// See [`LoopNetExt`].
    async fn sock_recv(&self, sock: &impl AsFd, most: usize) -> io::Result<Vec<u8>>;

    /// Receives into a buffer, and says how much.
    ///
    /// # Errors
    /// As [`sock_recv`](LoopNetExt::sock_recv).
    ///
    /// # asyncio
    /// `loop.sock_recv_into(sock, buf)`.
    ///
    /// # Examples
    /// As for [`LoopNetExt`].
    async fn sock_recv_into(&self, sock: &impl AsFd, buffer: &mut [u8]) -> io::Result<usize>;

    /// Receives a packet of an IP socket, and says from whom.
    ///
    /// # Errors
    /// As [`sock_recv`](LoopNetExt::sock_recv).
    ///
    /// # asyncio
    /// `loop.sock_recvfrom(sock, bufsize)`.
    ///
    /// # Examples
    /// As for [`LoopNetExt`].
    async fn sock_recvfrom(
        &self,
        sock: &impl AsFd,
        most: usize,
    ) -> io::Result<(Vec<u8>, SocketAddr)>;

    /// Sends everything.
    ///
    /// # Errors
    /// As [`sock_recv`](LoopNetExt::sock_recv); how much was sent is not known.
    ///
    /// # asyncio
    /// `loop.sock_sendall(sock, data)`.
    ///
    /// # Examples
    /// See [`LoopNetExt`].
    async fn sock_sendall(&self, sock: &impl AsFd, bytes: &[u8]) -> io::Result<()>;

    /// Sends a packet by an IP socket, and says how much of it.
    ///
    /// # Errors
    /// As [`sock_recv`](LoopNetExt::sock_recv).
    ///
    /// # asyncio
    /// `loop.sock_sendto(sock, data, address)`.
    ///
    /// # Examples
    /// As for [`LoopNetExt`].
    async fn sock_sendto(
        &self,
        sock: &impl AsFd,
        bytes: &[u8],
        address: SocketAddr,
    ) -> io::Result<usize>;

    /// Connects an IP socket.
    ///
    /// # Errors
    /// As [`sock_recv`](LoopNetExt::sock_recv).
    ///
    /// # asyncio
    /// `loop.sock_connect(sock, address)`, which looks names up.
    ///
    /// # Examples
    /// As for [`LoopNetExt`].
    async fn sock_connect(&self, sock: &impl AsFd, address: SocketAddr) -> io::Result<()>;

    /// Accepts a connection, which does not block. Every error is told: see [`Listener::accept`](crate::Listener::accept)
    /// for one that waits for descriptors.
    ///
    /// # Errors
    /// As [`sock_recv`](LoopNetExt::sock_recv).
    ///
    /// # asyncio
    /// `loop.sock_accept(sock)`, which gives the address too.
    ///
    /// # Examples
    /// As for [`LoopNetExt`].
    async fn sock_accept(&self, sock: &impl AsFd) -> io::Result<OwnedFd>;
}

impl LoopNetExt for EventLoop {
    async fn sock_recv(&self, sock: &impl AsFd, most: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; most];
        let length = self.sock_recv_into(sock, &mut buffer).await?;
        buffer.truncate(length);
        Ok(buffer)
    }

    async fn sock_recv_into(&self, sock: &impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
        let (read, _) = attempt(self, sock, Direction::Read, || {
            rustix::net::recv(sock, &mut *buffer, RecvFlags::empty())
        })
        .await?;
        Ok(read)
    }

    async fn sock_recvfrom(
        &self,
        sock: &impl AsFd,
        most: usize,
    ) -> io::Result<(Vec<u8>, SocketAddr)> {
        let mut buffer = vec![0; most];
        let (length, _, from) = attempt(self, sock, Direction::Read, || {
            rustix::net::recvfrom(sock, &mut buffer[..], RecvFlags::empty())
        })
        .await?;
        buffer.truncate(length);
        let from = from.and_then(|from| from.try_into().ok());
        let from = from.ok_or(io::ErrorKind::Unsupported)?;
        Ok((buffer, from))
    }

    async fn sock_sendall(&self, sock: &impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let sent = attempt(self, sock, Direction::Write, || {
                rustix::net::send(sock, bytes, NO_SIGNAL)
            });
            bytes = &bytes[sent.await?..];
        }
        Ok(())
    }

    async fn sock_sendto(
        &self,
        sock: &impl AsFd,
        bytes: &[u8],
        address: SocketAddr,
    ) -> io::Result<usize> {
        attempt(self, sock, Direction::Write, || {
            rustix::net::sendto(sock, bytes, NO_SIGNAL, &address)
        })
        .await
    }

    async fn sock_connect(&self, sock: &impl AsFd, address: SocketAddr) -> io::Result<()> {
        match rustix::net::connect(sock, &address) {
            Err(Errno::INPROGRESS | Errno::INTR) => {}
            result => return Ok(result?),
        }
        ready(self, sock, Direction::Write).await?;
        Ok(sockopt::socket_error(sock)??)
    }

    async fn sock_accept(&self, sock: &impl AsFd) -> io::Result<OwnedFd> {
        attempt(self, sock, Direction::Read, || accept(sock)).await
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn accept(sock: &impl AsFd) -> rustix::io::Result<OwnedFd> {
    use rustix::net::SocketFlags;
    rustix::net::accept_with(sock, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn accept(sock: &impl AsFd) -> rustix::io::Result<OwnedFd> {
    let accepted = rustix::net::accept(sock)?;
    rustix::io::ioctl_fionbio(&accepted, true)?;
    Ok(accepted)
}

/// Tries, and waits for as long as it would block.
async fn attempt<T>(
    event_loop: &EventLoop,
    sock: &impl AsFd,
    direction: Direction,
    mut operation: impl FnMut() -> rustix::io::Result<T>,
) -> io::Result<T> {
    loop {
        match operation() {
            Err(Errno::INTR) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                ready(event_loop, sock, direction).await?;
            }
            result => return Ok(result?),
        }
    }
}

/// Waits once, with a reader or a writer.
async fn ready(event_loop: &EventLoop, sock: &impl AsFd, direction: Direction) -> io::Result<()> {
    /// Takes the callback away, however the wait ends.
    struct Remove<'a>(&'a EventLoop, i32, Direction);
    impl Drop for Remove<'_> {
        fn drop(&mut self) {
            match self.2 {
                Direction::Read => self.0.remove_reader(&self.1),
                Direction::Write => self.0.remove_writer(&self.1),
            };
        }
    }
    let number = sock.as_fd().as_raw_fd();
    let future = event_loop.create_future::<()>();
    let ours = future.clone();
    let settle = move || {
        if !ours.done() {
            let _ = ours.set_result(());
        }
    };
    match direction {
        Direction::Read => event_loop.add_reader(&number, settle)?,
        Direction::Write => event_loop.add_writer(&number, settle)?,
    }
    let _remove = Remove(event_loop, number, direction);
    match (&future).await {
        Ok(()) => Ok(()),
        Err(TaskError::Cancelled(token)) => token.resume().await,
        Err(error) => Err(io::Error::other(error)),
    }
}
