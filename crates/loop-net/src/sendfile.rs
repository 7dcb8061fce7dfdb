//! Files, sent without passing through the program where the system can.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::{Stream, StreamSocket};

/// What is sent at once at most: the loop has others to serve.
const AT_ONCE: u64 = 256 * 1024;

impl<S: StreamSocket> Stream<S> {
    /// Sends a file from `offset` on, to its end or as many bytes as `count` says, and says how much it was.
    ///
    /// Linux sends it by itself. Where a system does not, or not such a file, it is read and written in pieces. The
    /// disk is waited for in both cases, by the whole loop.
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
        let most = count.unwrap_or(u64::MAX);
        let mut sent = 0;
        while sent < most {
            let piece = (most - sent).min(AT_ONCE);
            match self
                .send_piece(file, offset.saturating_add(sent), piece)
                .await?
            {
                0 => break,
                piece => sent += piece,
            }
        }
        Ok(sent)
    }

    #[cfg(target_os = "linux")]
    async fn send_piece(&self, file: &File, offset: u64, length: u64) -> io::Result<u64> {
        use rustix::io::Errno;
        let sent = self.fd.write_with(|socket| {
            let mut offset = offset;
            let sent = rustix::fs::sendfile(socket, file, Some(&mut offset), length as usize)?;
            Ok(sent as u64)
        });
        match sent.await {
            Err(error)
                if matches!(
                    Errno::from_io_error(&error),
                    Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
                ) =>
            {
                self.copy_piece(file, offset, length).await
            }
            result => result,
        }
    }

    #[cfg(not(target_os = "linux"))]
    async fn send_piece(&self, file: &File, offset: u64, length: u64) -> io::Result<u64> {
        self.copy_piece(file, offset, length).await
    }

    async fn copy_piece(&self, file: &File, offset: u64, length: u64) -> io::Result<u64> {
        let mut bytes = vec![0; length.min(AT_ONCE) as usize];
        let read = file.read_at(&mut bytes, offset)?;
        self.write_all(&bytes[..read]).await?;
        Ok(read as u64)
    }
}
