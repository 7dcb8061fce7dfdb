//! The way of a file to whoever takes it: by the system where it can, else through a thread of the pool.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use loop_executor::to_thread;

/// What the system is asked to send at once: the loop has others to serve.
const AT_ONCE: usize = 256 * 1024;

/// What is read at once where the system does not send by itself.
const PIECE: usize = 64 * 1024;

/// Who takes a file.
pub(crate) trait FileSink {
    /// Has the system send at most so much of the file, and says how much; [`Unsupported`](io::ErrorKind::Unsupported)
    /// if it cannot.
    async fn send(&self, file: &File, offset: u64, most: usize) -> io::Result<usize>;

    /// Takes all of what was read of the file.
    async fn write_all(&self, bytes: &[u8]) -> io::Result<()>;
}

/// Gives a file from `offset` on, to its end or `count` bytes of it, and says how much it was.
pub(crate) async fn give(
    sink: &impl FileSink,
    file: &File,
    offset: u64,
    count: u64,
    fallback: bool,
) -> io::Result<u64> {
    let mut sent = 0;
    let mut reader = None;
    while sent < count {
        let offset = offset.saturating_add(sent);
        let left = usize::try_from(count - sent).unwrap_or(usize::MAX);
        let piece = match &mut reader {
            None => match sink.send(file, offset, left.min(AT_ONCE)).await {
                Err(error) if error.kind() == io::ErrorKind::Unsupported && fallback => {
                    reader = Some(Reader::of(file)?);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    let text = "fallback is disabled and native sendfile is not supported here";
                    return Err(io::Error::new(io::ErrorKind::Unsupported, text));
                }
                result => result?,
            },
            Some(reader) => {
                let bytes = reader.read(offset, left.min(PIECE)).await?;
                sink.write_all(bytes).await?;
                bytes.len()
            }
        };
        if piece == 0 {
            break;
        }
        sent += piece as u64;
    }
    Ok(sent)
}

/// Reads what the system does not send by itself.
struct Reader {
    /// For the threads of the pool, of which one may still read when nobody waits for it any more.
    file: Arc<File>,
    buffer: Vec<u8>,
}

impl Reader {
    fn of(file: &File) -> io::Result<Reader> {
        Ok(Reader {
            file: Arc::new(file.try_clone()?),
            buffer: Vec::new(),
        })
    }

    async fn read(&mut self, offset: u64, most: usize) -> io::Result<&[u8]> {
        let (file, mut buffer) = (Arc::clone(&self.file), std::mem::take(&mut self.buffer));
        let reading = to_thread(move || {
            buffer.resize(most, 0);
            let read = file.read_at(&mut buffer, offset)?;
            Ok::<_, io::Error>((buffer, read))
        });
        let read;
        (self.buffer, read) = reading.await.map_err(io::Error::other)??;
        Ok(&self.buffer[..read])
    }
}
