//! What the system does for us: starting workers, hearing of their end, and knowing who is one.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal};

/// Tells a process that it was started as a worker: the inode of the socket that is its standard
/// input. A process that a worker starts inherits the variable but not the socket, so it is none.
pub(crate) const WORKER_VARIABLE: &str = "LOOP_EXECUTOR_WORKER";

/// What a descriptor is asked for and has to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

impl Interest {
    pub(crate) const READABLE: Interest = Interest {
        readable: true,
        writable: false,
    };
}

/// Waits until one of the descriptors has something, and says which have. Errors and the end of a
/// stream count as something to read.
pub(crate) fn poll(
    descriptors: &[(BorrowedFd<'_>, Interest)],
    timeout: Option<Duration>,
) -> io::Result<Vec<Interest>> {
    let mut polled: Vec<PollFd<'_>> = descriptors
        .iter()
        .map(|(descriptor, interest)| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, interest.readable);
            flags.set(PollFlags::OUT, interest.writable);
            PollFd::from_borrowed_fd(*descriptor, flags)
        })
        .collect();
    // A deadline too far to be represented is none. Nor is one that has not come yet missed by
    // rounding.
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match rustix::event::poll(&mut polled, timeout.as_ref()) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok(vec![Interest::default(); polled.len()]),
        Err(error) => return Err(error.into()),
    }
    let over = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    let come = polled.iter().map(|polled| {
        let flags = polled.revents();
        Interest {
            readable: flags.intersects(PollFlags::IN | over),
            writable: flags.contains(PollFlags::OUT),
        }
    });
    Ok(come.collect())
}

/// Lets more than usual lie in the socket on its way to the other end, as far as the system allows:
/// with large jobs, the two ends would wake each other for every piece.
pub(crate) fn widen(socket: &UnixStream) {
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(socket, 2 << 20);
}

/// Waits until the other end of the socket is closed entirely.
pub(crate) fn wait_for_hangup(socket: &UnixStream) {
    loop {
        // Asked for nothing, the system tells of the end and of errors alone.
        let mut polled = [PollFd::new(socket, PollFlags::empty())];
        match rustix::event::poll(&mut polled, None) {
            Err(rustix::io::Errno::INTR) => {}
            _ if polled[0].revents().is_empty() => {}
            _ => return,
        }
    }
}

/// The program that runs in this process, and what it was called.
pub(crate) fn this_program() -> io::Result<(PathBuf, Option<OsString>)> {
    // A link that the system keeps: it leads to this very program, also when its file was replaced
    // or deleted meanwhile.
    let link = PathBuf::from("/proc/self/exe");
    if cfg!(target_os = "linux") && link.exists() {
        return Ok((link, std::env::args_os().next()));
    }
    Ok((std::env::current_exe()?, std::env::args_os().next()))
}

/// The number that tells a socket from all others.
pub(crate) fn inode(socket: impl AsFd) -> io::Result<u64> {
    Ok(File::from(socket.as_fd().try_clone_to_owned()?)
        .metadata()?
        .ino())
}

/// The socket to the pool that started this process, if it was started as a worker and did not
/// take it yet.
pub(crate) fn worker_socket() -> Option<UnixStream> {
    let inode: u64 = std::env::var(WORKER_VARIABLE).ok()?.parse().ok()?;
    let input = File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    let metadata = input.metadata().ok()?;
    let ours = metadata.file_type().is_socket() && metadata.ino() == inode;
    ours.then(|| UnixStream::from(OwnedFd::from(input)))
}

/// Closes the standard input, which was the socket, for those who come next: jobs and what they
/// start.
pub(crate) fn empty_input() -> io::Result<()> {
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(())
}

/// Has the system kill this process when the thread that started it ends, as far as there is such
/// a system. That thread ends no earlier than its last worker, unless its process does.
pub(crate) fn die_with_parent() {
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    }
}

/// Ends this process, whatever its other threads are doing.
pub(crate) fn kill_self() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::KILL);
    std::process::abort()
}

/// Asks a child that has not been waited for to end.
pub(crate) fn terminate(child: &Child) {
    if let Some(pid) = Pid::from_raw(child.id() as i32) {
        let _ = rustix::process::kill_process(pid, Signal::TERM);
    }
}

/// A descriptor that becomes readable when the child ends, where there is such a thing. Without
/// one, the end of its socket says so, unless the child has left that to a child of its own.
pub(crate) fn end_of(child: &Child) -> Option<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        let pid = Pid::from_raw(child.id() as i32)?;
        rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = child;
        None
    }
}
