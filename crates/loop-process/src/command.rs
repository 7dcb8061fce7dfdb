//! What is to be run, and how: `create_subprocess_exec`, `create_subprocess_shell`.

use std::ffi::OsStr;
use std::fmt;
use std::future::IntoFuture;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::pin::Pin;
use std::process::{Command, Stdio};

use loop_core::get_running_loop;
use loop_net::{PipeReader, PipeWriter, StreamOptions};

use crate::child::Child;
use crate::process::{Held, Spawned};
use crate::{Process, ProcessHandle};

/// Runs a program as a child of the running loop. What it gives has options, and is awaited.
///
/// By default the child has the standard input, output and error of this process. Spawning blocks the loop for as long
/// as the system takes to start a program, as it does in asyncio.
///
/// # Errors
/// What the system says, with the program's name before it, and the folder's if it cannot run there: above all
/// [`NotFound`](io::ErrorKind::NotFound). That no loop is running. That the name of an environment variable contains `=`. A
/// child that was started and cannot be watched is killed.
///
/// # asyncio
/// `asyncio.create_subprocess_exec(program, *args, stdin=None, stdout=None, stderr=None, limit=...)`.
///
/// # Examples
/// ```
/// use std::process::Stdio;
/// use loop_core::EventLoop;
/// use loop_process::create_subprocess_exec;
/// use loop_tasks::LoopExt;
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let mut child = create_subprocess_exec("printf")
///         .args(["%s\n", "one", "two"])
///         .stdout(Stdio::piped())
///         .await?;
///     let stdout = child.stdout.as_mut().expect("it is a pipe");
///     assert_eq!(stdout.readline().await?, b"one\n");
///     assert_eq!(stdout.readline().await?, b"two\n");
///     assert!(child.wait().await?.success());
///     let error = create_subprocess_exec("/no/such/program").await.unwrap_err();
///     assert!(error.to_string().starts_with("/no/such/program: "));
///     Ok::<_, Box<dyn std::error::Error>>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn create_subprocess_exec(program: impl AsRef<OsStr>) -> CreateSubprocess {
    Command::new(program).into()
}

/// Runs a line of the shell's (`/bin/sh -c`) as a child of the running loop; as [`create_subprocess_exec`] in everything
/// else. What comes from elsewhere must be quoted, or given as an environment variable.
///
/// # Errors
/// As [`create_subprocess_exec`]; a program that the shell does not find is its exit status 127.
///
/// # asyncio
/// `asyncio.create_subprocess_shell(cmd, ...)`.
///
/// # Examples
/// ```
/// use std::process::Stdio;
/// use loop_core::EventLoop;
/// use loop_process::create_subprocess_shell;
/// use loop_tasks::LoopExt;
/// let event_loop = EventLoop::new()?;
/// let output = event_loop.run_until_complete(async {
///     let mut child = create_subprocess_shell("echo \"$WORD\" | tr a-z A-Z")
///         .env("WORD", "hello; exit 1")
///         .stdout(Stdio::piped())
///         .await?;
///     child.communicate("").await
/// })??;
/// assert_eq!(output.stdout, b"HELLO; EXIT 1\n");
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn create_subprocess_shell(cmd: impl AsRef<OsStr>) -> CreateSubprocess {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(cmd);
    command.into()
}

/// A child that is to be run: see [`create_subprocess_exec`]. Made of a [`Command`] it has all of that one's options.
///
/// # Examples
/// ```
/// use std::os::unix::process::CommandExt;
/// use std::process::Command;
/// use loop_core::EventLoop;
/// use loop_process::CreateSubprocess;
/// use loop_tasks::LoopExt;
/// let mut command = Command::new("true");
/// command.process_group(0); // Ctrl-C is not for it
/// let event_loop = EventLoop::new()?;
/// let status = event_loop.run_until_complete(async { CreateSubprocess::from(command).await?.wait().await })??;
/// assert!(status.success());
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it does nothing unless it is awaited"]
pub struct CreateSubprocess {
    command: Command,
    streams: StreamOptions,
    kill_on_drop: bool,
    merged: bool,
}

impl From<Command> for CreateSubprocess {
    fn from(command: Command) -> CreateSubprocess {
        CreateSubprocess {
            command,
            streams: StreamOptions::new(),
            kill_on_drop: false,
            merged: false,
        }
    }
}

impl CreateSubprocess {
    /// One more argument.
    ///
    /// # Examples
    /// See [`ProcessHandle::kill`].
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> CreateSubprocess {
        self.command.arg(arg);
        self
    }

    /// More arguments.
    ///
    /// # Examples
    /// See [`create_subprocess_exec`].
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> CreateSubprocess {
        self.command.args(args);
        self
    }

    /// A variable of its environment, which is otherwise that of this process.
    ///
    /// # Examples
    /// See [`create_subprocess_shell`].
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> CreateSubprocess {
        self.command.env(name, value);
        self
    }

    /// The folder in which it runs. By default, that of this process.
    ///
    /// # asyncio
    /// `cwd=`.
    ///
    /// # Examples
    /// ```
    /// use std::process::Stdio;
    /// use loop_core::EventLoop;
    /// use loop_process::create_subprocess_exec;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// let output = event_loop.run_until_complete(async {
    ///     let mut child = create_subprocess_exec("pwd").current_dir("/").stdout(Stdio::piped()).await?;
    ///     child.communicate("").await
    /// })??;
    /// assert_eq!(output.stdout, b"/\n");
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> CreateSubprocess {
        self.command.current_dir(folder);
        self
    }

    /// What it reads: with [`Stdio::piped`], [`Process::stdin`]. By default, what this process does.
    ///
    /// # Examples
    /// See [`Process::communicate`].
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> CreateSubprocess {
        self.command.stdin(stdin);
        self
    }

    /// Where it writes: with [`Stdio::piped`], to [`Process::stdout`]. By default, where this process does.
    ///
    /// # Examples
    /// See [`Process::communicate`].
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> CreateSubprocess {
        self.command.stdout(stdout);
        self
    }

    /// Where it writes errors: with [`Stdio::piped`], to [`Process::stderr`]. By default, where this process does.
    ///
    /// # Examples
    /// See [`Process::communicate`].
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> CreateSubprocess {
        self.command.stderr(stderr);
        self
    }

    /// Has its output and its errors in one pipe, in the order in which they were written: [`Process::stdout`].
    ///
    /// # asyncio
    /// `stdout=PIPE, stderr=STDOUT`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_process::create_subprocess_shell;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// let output = event_loop.run_until_complete(async {
    ///     let line = "echo one; echo two >&2; echo three";
    ///     create_subprocess_shell(line).merged_output().await?.communicate("").await
    /// })??;
    /// assert_eq!(output.stdout, b"one\ntwo\nthree\n");
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn merged_output(mut self) -> CreateSubprocess {
        self.merged = true;
        self
    }

    /// The most bytes that a line of its output may have. By default, 64 KiB.
    ///
    /// # Examples
    /// ```
    /// let child = loop_process::create_subprocess_exec("dmesg").limit(1024);
    /// ```
    pub fn limit(mut self, limit: usize) -> CreateSubprocess {
        self.streams = self.streams.limit(limit);
        self
    }

    /// Whether the child is killed when its [`Process`] is dropped, as by a timeout. By default it goes on, as in asyncio. A transport does not ask for this.
    ///
    /// # Examples
    /// ```
    /// use std::os::unix::process::ExitStatusExt;
    /// use loop_core::EventLoop;
    /// use loop_process::create_subprocess_exec;
    /// use loop_tasks::LoopExt;
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let child = create_subprocess_exec("sleep").arg("60").kill_on_drop(true).await?;
    ///     let handle = child.handle();
    ///     drop(child);
    ///     assert_eq!(handle.wait().await?.signal(), Some(9));
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kill_on_drop(mut self, kill: bool) -> CreateSubprocess {
        self.kill_on_drop = kill;
        self
    }

    /// Says what could not be run: the program, or in that folder.
    fn explained(&self, error: &io::Error) -> io::Error {
        let program = Path::new(self.command.get_program()).display();
        // The system says the same of both. With the dot, this asks whether one may go there.
        let folder = self.command.get_current_dir();
        let folder = folder.filter(|folder| folder.join(".").metadata().is_err());
        let text = match folder {
            Some(folder) => format!("{program}: cannot run in {}: {error}", folder.display()),
            None => format!("{program}: {error}"),
        };
        io::Error::new(error.kind(), text)
    }

    /// Refuses what the standard library does not: of the variable `A=B` it would make one named `A`.
    fn check_names(&self) -> io::Result<()> {
        let mut names = self.command.get_envs().map(|(name, _)| name);
        match names.find(|name| name.as_bytes().contains(&b'=')) {
            Some(name) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("illegal environment variable name: {name:?} contains '='"),
            )),
            None => Ok(()),
        }
    }

    /// Spawns it, once.
    pub(crate) fn spawn(&mut self) -> io::Result<Spawned> {
        let owner = get_running_loop()?.loop_ref();
        self.check_names()?;
        let merged = if self.merged {
            let (reader, writer) = io::pipe()?;
            self.command.stdout(writer.try_clone()?).stderr(writer);
            Some(OwnedFd::from(reader))
        } else {
            None
        };
        let spawned = self.command.spawn();
        let mut child = spawned.map_err(|error| self.explained(&error))?;
        // The command holds writing ends: the reader would see no end.
        if merged.is_some() {
            self.command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        let stdin = child.stdin.take();
        let stdout = merged.or_else(|| child.stdout.take().map(OwnedFd::from));
        let stderr = child.stderr.take();
        let held = Held {
            handle: ProcessHandle(Child::watched(owner, child)?),
            kill_on_drop: true,
        };
        Ok(Spawned {
            stdin: stdin.map(PipeWriter::new).transpose()?,
            stdout: stdout.map(PipeReader::new).transpose()?,
            stderr: stderr.map(PipeReader::new).transpose()?,
            held,
        })
    }
}

impl IntoFuture for CreateSubprocess {
    type Output = io::Result<Process>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    /// The child starts with the first poll.
    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move { Process::new(self.spawn()?, &self.streams, self.kill_on_drop) })
    }
}

impl fmt::Debug for CreateSubprocess {
    /// Without the arguments, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<CreateSubprocess {:?}>", self.command.get_program())
    }
}
