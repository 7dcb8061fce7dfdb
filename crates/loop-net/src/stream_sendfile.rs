//! Files, sent without passing through the program where the system can.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use crate::file_sink::{self, FileSink};
use crate::{Stream, StreamSocket};

impl<S: StreamSocket> Stream<S> {
    /// Sends a file from `offset` on, to its end or as many bytes as `count` says, and says how much it was.
    ///
    /// Linux sends it by itself, and the loop waits for the disk. Where a system does not, or not such a file, it is
    /// read by a thread of the pool and written in pieces.
    ///
    /// # Errors
    /// What the system says of the file, or as [`write`](Stream::write).
    ///
    /// # Cancel safety
    /// Some of it may be sent.
    ///
    /// # asyncio
    /// `loop.sock_sendfile(sock, file, offset, count)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_net::UnixStream;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let file = std::fs::File::open("Cargo.toml")?;
    ///     let (near, far) = UnixStream::pair()?;
    ///     assert_eq!(near.sendfile(&file, 1, Some(7)).await?, 7);
    ///     let mut bytes = [0; 7];
    ///     far.read_exact(&mut bytes).await?;
    ///     assert_eq!(&bytes, b"package");
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn sendfile(&self, file: &File, offset: u64, count: Option<u64>) -> io::Result<u64> {
        file_sink::give(self, file, offset, count.unwrap_or(u64::MAX), true).await
    }
}

impl<S: StreamSocket> FileSink for Stream<S> {
    async fn send(&self, file: &File, offset: u64, most: usize) -> io::Result<usize> {
        self.fd
            .write_with(|socket| send_from(socket, file, offset, most))
            .await
    }

    async fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).await
    }
}

/// Has the system send what there is room for; `Unsupported` if it cannot.
#[cfg(target_os = "linux")]
pub(crate) fn send_from(
    socket: impl AsFd,
    file: &File,
    mut offset: u64,
    most: usize,
) -> io::Result<usize> {
    use rustix::io::Errno;
    let sent = rustix::fs::sendfile(socket, file, Some(&mut offset), most);
    sent.map_err(|error| match error {
        // That is what it says of a file that it cannot send, such as those of `/proc`.
        Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => io::ErrorKind::Unsupported.into(),
        error => error.into(),
    })
}

/// No other system is asked to.
#[cfg(not(target_os = "linux"))]
pub(crate) fn send_from(_: impl AsFd, _: &File, _: u64, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}
