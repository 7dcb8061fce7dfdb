//! A child with its streams.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::process::Output;
use std::task::Poll;

use loop_net::{PipeReader, PipeWriter, StreamOptions, StreamReader, StreamWriter};

use crate::ProcessHandle;

/// How much of its input is handed to a child's writer at once.
const CHUNK: usize = 64 * 1024;

/// A child with its streams. To wait for it and to send it signals there are the methods of [`ProcessHandle`].
///
/// Dropped, it closes the pipes that are in it, and the child goes on: the loop reaps it when it ends. That changes by
/// [`kill_on_drop`](crate::CreateSubprocess::kill_on_drop). When the loop closes, a child that still runs is killed.
///
/// # asyncio
/// `asyncio.subprocess.Process`. There too, a child whose object nobody holds goes on, and is killed when its loop is
/// closed and collected.
///
/// # Examples
/// See [`create_subprocess_exec`](crate::create_subprocess_exec).
#[non_exhaustive]
pub struct Process {
    /// What the child reads, if it is a pipe. Dropped or closed, it is the end that the child reads.
    pub stdin: Option<StreamWriter>,
    /// What the child writes, if it is a pipe.
    pub stdout: Option<StreamReader>,
    /// What the child writes as errors, if it is a pipe.
    pub stderr: Option<StreamReader>,
    /// What [`communicate`](Process::communicate) has read of both so far: it may be cancelled.
    collected: [Vec<u8>; 2],
    held: Held,
}

/// The child, which may be killed when it is let go.
pub(crate) struct Held {
    pub(crate) handle: ProcessHandle,
    pub(crate) kill_on_drop: bool,
}

/// A child that was started, and what is not a stream yet. Until somebody else answers for it, it is killed when it is
/// dropped.
pub(crate) struct Spawned {
    pub(crate) stdin: Option<PipeWriter>,
    pub(crate) stdout: Option<PipeReader>,
    pub(crate) stderr: Option<PipeReader>,
    pub(crate) held: Held,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.kill_on_drop {
            // It may have ended.
            let _ = self.handle.kill();
        }
    }
}

impl Process {
    /// Makes its streams.
    pub(crate) fn new(
        spawned: Spawned,
        streams: &StreamOptions,
        kill_on_drop: bool,
    ) -> io::Result<Process> {
        let reader = |pipe| streams.reader_over(pipe);
        let mut process = Process {
            stdin: spawned.stdin.map(StreamWriter::over).transpose()?,
            stdout: spawned.stdout.map(reader).transpose()?,
            stderr: spawned.stderr.map(reader).transpose()?,
            collected: Default::default(),
            held: spawned.held,
        };
        process.held.kill_on_drop = kill_on_drop;
        Ok(process)
    }

    /// A reference for somebody else who waits or sends signals.
    ///
    /// # Examples
    /// See [`ProcessHandle::wait`].
    #[must_use]
    pub fn handle(&self) -> ProcessHandle {
        self.held.handle.clone()
    }

    /// Writes `input` and then the end, reads both outputs to their ends at the same time, and waits until the child has
    /// ended. What is not a pipe is empty; input for a child without one is dropped.
    ///
    /// A child that does not read all of its input is none of its business: that
    /// [nobody reads](io::ErrorKind::BrokenPipe) is no error here. Everything is kept in memory.
    ///
    /// # Errors
    /// What else the pipes say; as [`wait`](ProcessHandle::wait).
    ///
    /// # Cancel safety
    /// What was read stays in the readers, so that a second call gives it all; of the input some was written, and the
    /// pipe is closed: the second call has no use for any. The child goes on; to end it, [`kill`](ProcessHandle::kill)
    /// it and call this once more.
    ///
    /// # asyncio
    /// `await process.communicate(input)`, which gives the two outputs; here the status comes with them. Cancelled there,
    /// what was read is lost.
    ///
    /// # Examples
    /// ```
    /// use std::process::Stdio;
    /// use loop_core::EventLoop;
    /// use loop_process::{create_subprocess_exec, create_subprocess_shell};
    /// use loop_tasks::{LoopExt, try_gather};
    /// let event_loop = EventLoop::new()?;
    /// let output = event_loop.run_until_complete(async {
    ///     let mut child = create_subprocess_shell("tr a-z A-Z; echo done >&2; exit 3")
    ///         .stdin(Stdio::piped())
    ///         .stdout(Stdio::piped())
    ///         .stderr(Stdio::piped())
    ///         .await?;
    ///     child.communicate("text").await
    /// })??;
    /// assert_eq!(output.stdout, b"TEXT");
    /// assert_eq!(output.stderr, b"done\n");
    /// assert_eq!(output.status.code(), Some(3));
    ///
    /// // Several at once, of which each may fail.
    /// let words = event_loop.run_until_complete(async {
    ///     try_gather(["one", "two"].map(|word| async move {
    ///         let echo = create_subprocess_exec("echo").arg(word).stdout(Stdio::piped());
    ///         echo.await?.communicate("").await
    ///     }))
    ///     .await
    /// })???;
    /// assert_eq!(words[1].stdout, b"two\n");
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn communicate(&mut self, input: impl AsRef<[u8]>) -> io::Result<Output> {
        let [out, err] = &mut self.collected;
        all(
            feed(self.stdin.take(), input.as_ref()),
            read(self.stdout.as_mut(), out),
            read(self.stderr.as_mut(), err),
        )
        .await?;
        (self.stdout, self.stderr) = (None, None);
        let status = self.held.handle.wait().await?;
        let [stdout, stderr] = std::mem::take(&mut self.collected);
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }
}

/// Writes everything and then the end.
async fn feed(stdin: Option<StreamWriter>, input: &[u8]) -> io::Result<()> {
    let Some(stdin) = stdin else { return Ok(()) };
    for chunk in input.chunks(CHUNK) {
        stdin.write(chunk);
        match stdin.drain().await {
            Err(error) if is_unread(&error) => return Ok(()),
            result => result?,
        }
    }
    stdin.close();
    Ok(())
}

/// Whether it says that the child does not read.
fn is_unread(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

/// Reads to the end, and loses nothing when it is dropped.
async fn read(output: Option<&mut StreamReader>, into: &mut Vec<u8>) -> io::Result<()> {
    let Some(output) = output else { return Ok(()) };
    loop {
        let bytes = output.read(usize::MAX).await?;
        if bytes.is_empty() {
            return Ok(());
        }
        into.extend_from_slice(&bytes);
    }
}

/// Runs three futures in this task, until all have ended or one has failed.
async fn all(
    feed: impl Future<Output = io::Result<()>>,
    out: impl Future<Output = io::Result<()>>,
    err: impl Future<Output = io::Result<()>>,
) -> io::Result<()> {
    let mut futures: [Pin<&mut dyn Future<Output = _>>; 3] = [pin!(feed), pin!(out), pin!(err)];
    let mut done = [false; 3];
    poll_fn(|cx| {
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if !*done && let Poll::Ready(result) = future.as_mut().poll(cx) {
                result?;
                *done = true;
            }
        }
        match done.contains(&false) {
            true => Poll::Pending,
            false => Poll::Ready(Ok(())),
        }
    })
    .await
}

impl Deref for Process {
    type Target = ProcessHandle;

    fn deref(&self) -> &ProcessHandle {
        &self.held.handle
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held.handle.fmt(f)
    }
}
