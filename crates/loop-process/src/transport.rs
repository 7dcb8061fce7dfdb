//! A child whose events are told to a protocol.

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::process::{ExitStatus, Stdio};
use std::rc::Rc;

use loop_net::{BaseProtocol, Protocol, Transport, closing};
use loop_tasks::{Context, yield_now};

use crate::process::Spawned;
use crate::{
    CreateSubprocess, ProcessHandle, SubprocessProtocol, create_subprocess_exec,
    create_subprocess_shell,
};

/// Runs a program with pipes for everything, and tells a protocol of what happens. For other options there is
/// [`CreateSubprocess::create`].
///
/// # Errors
/// As [`create_subprocess_exec`].
///
/// # Ordering
/// The protocol has heard of its transport when this returns.
///
/// # asyncio
/// `loop.subprocess_exec(protocol_factory, program, *args)`.
///
/// # Examples
/// ```
/// use std::cell::RefCell;
/// use loop_core::EventLoop;
/// use loop_process::{SubprocessProtocol, subprocess_exec};
/// use loop_tasks::{LoopExt, LoopFuture};
/// struct Collect(RefCell<Vec<u8>>, LoopFuture<()>);
/// impl SubprocessProtocol for Collect {
///     fn pipe_data_received(&self, fd: u8, data: &[u8]) {
///         assert_eq!(fd, 1);
///         self.0.borrow_mut().extend_from_slice(data);
///     }
///     fn connection_lost(&self) {
///         self.1.set_result(()).expect("nobody else does");
///     }
/// }
/// let event_loop = EventLoop::new()?;
/// let lost = event_loop.create_future();
/// event_loop.run_until_complete(async {
///     let collect = || Collect(RefCell::default(), lost.clone());
///     let (transport, collect) = subprocess_exec(collect, "tr", ["a-z", "A-Z"]).await?;
///     let stdin = transport.get_pipe_transport(0).expect("it is a pipe");
///     stdin.write(b"text");
///     stdin.write_eof();
///     lost.await.unwrap();
///     assert!(transport.get_returncode().is_some_and(|status| status.success()));
///     assert_eq!(collect.0.take(), b"TEXT");
///     Ok::<_, std::io::Error>(())
/// })??;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn subprocess_exec<P: SubprocessProtocol>(
    protocol_factory: impl FnOnce() -> P,
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> io::Result<(SubprocessTransport, Rc<P>)> {
    let child = create_subprocess_exec(program).args(args);
    piped(child).create(protocol_factory).await
}

/// Runs a line of the shell's; as [`subprocess_exec`] in everything else.
///
/// # Errors
/// As [`create_subprocess_shell`].
///
/// # asyncio
/// `loop.subprocess_shell(protocol_factory, cmd)`.
///
/// # Examples
/// As for [`subprocess_exec`].
pub async fn subprocess_shell<P: SubprocessProtocol>(
    protocol_factory: impl FnOnce() -> P,
    cmd: impl AsRef<OsStr>,
) -> io::Result<(SubprocessTransport, Rc<P>)> {
    piped(create_subprocess_shell(cmd))
        .create(protocol_factory)
        .await
}

fn piped(child: CreateSubprocess) -> CreateSubprocess {
    child
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
}

/// A child whose events are told to a [`SubprocessProtocol`]. Signals are sent, and its end is waited for, by the methods
/// of [`ProcessHandle`].
///
/// A cheap reference; dropping the last one changes nothing, since the protocol goes on hearing.
///
/// # asyncio
/// `asyncio.SubprocessTransport`.
///
/// # Examples
/// See [`subprocess_exec`].
#[derive(Clone)]
pub struct SubprocessTransport(Rc<State>);

struct State {
    handle: ProcessHandle,
    /// The context variables that the protocol finds: those of whoever made it.
    context: Context,
    pipes: OnceCell<[Option<Transport>; 3]>,
    /// How many pipes have not ended.
    open: Cell<usize>,
    /// Whether the protocol was told that the child has ended, which comes after the child's status.
    exited: Cell<bool>,
    closing: Cell<bool>,
    /// Let go at the end, since it mostly holds its transport.
    protocol: RefCell<Option<Rc<dyn SubprocessProtocol>>>,
}

impl CreateSubprocess {
    /// Runs it and tells a protocol of what happens, instead of giving a [`Process`](crate::Process).
    ///
    /// # Errors
    /// As [`create_subprocess_exec`].
    ///
    /// # asyncio
    /// `loop.subprocess_exec(protocol_factory, ...)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_process::{SubprocessProtocol, create_subprocess_exec};
    /// use loop_tasks::LoopExt;
    /// struct Quiet;
    /// impl SubprocessProtocol for Quiet {}
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (transport, _) = create_subprocess_exec("true").create(|| Quiet).await?;
    ///     assert!(transport.wait().await?.success());
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn create<P: SubprocessProtocol>(
        mut self,
        protocol_factory: impl FnOnce() -> P,
    ) -> io::Result<(SubprocessTransport, Rc<P>)> {
        let mut spawned = self.spawn()?;
        let handle = spawned.held.handle.clone();
        let protocol = Rc::new(protocol_factory());
        let state = Rc::new(State {
            handle: handle.clone(),
            context: Context::current(),
            pipes: OnceCell::new(),
            open: Cell::new(0),
            exited: Cell::new(false),
            closing: Cell::new(false),
            protocol: RefCell::new(Some(Rc::clone(&protocol) as _)),
        });
        state.connect(&mut spawned)?;
        spawned.held.kill_on_drop = false;
        let transport = SubprocessTransport(Rc::clone(&state));
        let ours = transport.clone();
        state.call("connection_made", move |protocol| {
            protocol.connection_made(ours);
        });
        let hearing = Hearing(state);
        let ended = handle.0.when_ended();
        ended.add_done_callback(move |_| hearing.0.exited());
        // Whoever gives up before the protocol has heard of it has nothing that could be closed.
        let unclaimed = closing(transport, SubprocessTransport::close);
        yield_now().await;
        Ok((unclaimed.into_inner(), protocol))
    }
}

impl SubprocessTransport {
    /// As [`pid`](ProcessHandle::pid).
    ///
    /// # asyncio
    /// `transport.get_pid()`.
    ///
    /// # Examples
    /// As for [`ProcessHandle::wait`].
    #[must_use]
    pub fn get_pid(&self) -> u32 {
        self.pid()
    }

    /// As [`returncode`](ProcessHandle::returncode).
    ///
    /// # asyncio
    /// `transport.get_returncode()`.
    ///
    /// # Examples
    /// See [`subprocess_exec`].
    #[must_use]
    pub fn get_returncode(&self) -> Option<ExitStatus> {
        self.returncode()
    }

    /// The transport of the pipe of this number, if the child has a pipe there: 0 is written to, 1 and 2 are read.
    ///
    /// # asyncio
    /// `transport.get_pipe_transport(fd)`.
    ///
    /// # Examples
    /// See [`subprocess_exec`].
    #[must_use]
    pub fn get_pipe_transport(&self, fd: u8) -> Option<Transport> {
        self.0.pipes.get()?.get(usize::from(fd))?.clone()
    }

    /// Closes the pipes, and kills the child if it still runs.
    ///
    /// # asyncio
    /// `transport.close()`.
    ///
    /// # Examples
    /// ```
    /// use std::os::unix::process::ExitStatusExt;
    /// use loop_core::EventLoop;
    /// use loop_process::{SubprocessProtocol, subprocess_exec};
    /// use loop_tasks::LoopExt;
    /// struct Quiet;
    /// impl SubprocessProtocol for Quiet {}
    /// let event_loop = EventLoop::new()?;
    /// event_loop.run_until_complete(async {
    ///     let (transport, _) = subprocess_exec(|| Quiet, "sleep", ["60"]).await?;
    ///     transport.close();
    ///     assert!(transport.is_closing());
    ///     assert_eq!(transport.wait().await?.signal(), Some(9));
    ///     Ok::<_, std::io::Error>(())
    /// })??;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        if self.0.closing.replace(true) {
            return;
        }
        for pipe in self.0.pipes.get().into_iter().flatten().flatten() {
            pipe.close();
        }
        // It may have ended, or be somebody else's by now.
        let _ = self.kill();
    }

    /// Whether [`close`](SubprocessTransport::close) was called.
    ///
    /// # asyncio
    /// `transport.is_closing()`.
    ///
    /// # Examples
    /// See [`close`](SubprocessTransport::close).
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.0.closing.get()
    }
}

impl State {
    /// Makes the transports of the pipes, of which none is read before the next iteration.
    fn connect(self: &Rc<State>, spawned: &mut Spawned) -> io::Result<()> {
        let hears = |fd| {
            self.open.set(self.open.get() + 1);
            let hearing = Hearing(Rc::clone(self));
            Rc::new(PipeProtocol { hearing, fd })
        };
        let (stdin, stdout, stderr) =
            (&mut spawned.stdin, &mut spawned.stdout, &mut spawned.stderr);
        let stdin = stdin.take().map(|end| Transport::new(end, hears(0)));
        let stdout = stdout.take().map(|end| Transport::new(end, hears(1)));
        let stderr = stderr.take().map(|end| Transport::new(end, hears(2)));
        let pipes = [stdin.transpose()?, stdout.transpose()?, stderr.transpose()?];
        assert!(self.pipes.set(pipes).is_ok(), "it is connected once");
        Ok(())
    }

    /// Calls a method of the protocol's, soon, in the order of what happens: a panic in it harms nothing here.
    fn call(
        self: &Rc<State>,
        method: &'static str,
        what: impl FnOnce(&dyn SubprocessProtocol) + 'static,
    ) {
        if let Some(protocol) = self.protocol.borrow().clone() {
            let state = Rc::clone(self);
            let call = move || state.call_now(method, &*protocol, what);
            self.handle.0.call_soon(self.context.clone().wrap(call));
        }
    }

    fn call_now(
        &self,
        method: &str,
        protocol: &dyn SubprocessProtocol,
        what: impl FnOnce(&dyn SubprocessProtocol),
    ) {
        let name = fmt::from_fn(|f| write!(f, "{method} of {}", protocol.type_name()));
        self.handle.0.call_as(name, || what(protocol));
    }

    /// Calls a method of the protocol's now.
    fn tell(&self, method: &str, what: impl FnOnce(&dyn SubprocessProtocol)) {
        let protocol = self.protocol.borrow().clone();
        if let Some(protocol) = protocol {
            self.call_now(method, &*protocol, what);
        }
    }

    fn pipe_lost(self: &Rc<State>, fd: u8, error: Option<&io::Error>) {
        let error = error.map(|error| match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        });
        self.call("pipe_connection_lost", move |protocol| {
            protocol.pipe_connection_lost(fd, error.as_ref());
        });
        self.open.set(self.open.get() - 1);
        self.try_finish();
    }

    fn exited(self: &Rc<State>) {
        self.call("process_exited", SubprocessProtocol::process_exited);
        self.exited.set(true);
        self.try_finish();
    }

    /// The end, when the child and all pipes have come to theirs.
    fn try_finish(self: &Rc<State>) {
        if self.open.get() == 0 && self.exited.get() {
            self.call("connection_lost", SubprocessProtocol::connection_lost);
            self.forget();
        }
    }

    fn forget(&self) {
        let protocol = self.protocol.take();
        drop(protocol);
    }
}

/// What the loop holds of a transport, through its pipes and its child. A closed loop tells nobody anything, and the
/// protocol and its transport hold each other: they are let go.
struct Hearing(Rc<State>);

impl Drop for Hearing {
    fn drop(&mut self) {
        if self.0.handle.0.is_orphaned() {
            self.0.forget();
        }
    }
}

/// What hears of one pipe.
struct PipeProtocol {
    hearing: Hearing,
    fd: u8,
}

impl BaseProtocol for PipeProtocol {
    fn connection_lost(&self, error: Option<&io::Error>) {
        self.hearing.0.pipe_lost(self.fd, error);
    }

    fn pause_writing(&self) {
        let state = &self.hearing.0;
        state.tell("pause_writing", SubprocessProtocol::pause_writing);
    }

    fn resume_writing(&self) {
        let state = &self.hearing.0;
        state.tell("resume_writing", SubprocessProtocol::resume_writing);
    }
}

impl Protocol for PipeProtocol {
    fn data_received(&self, data: &[u8]) {
        let (fd, data) = (self.fd, data.to_vec());
        let state = &self.hearing.0;
        state.call("pipe_data_received", move |protocol| {
            protocol.pipe_data_received(fd, &data);
        });
    }
}

impl Deref for SubprocessTransport {
    type Target = ProcessHandle;

    fn deref(&self) -> &ProcessHandle {
        &self.0.handle
    }
}

impl fmt::Debug for SubprocessTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<SubprocessTransport {:?}>", self.0.handle)
    }
}
