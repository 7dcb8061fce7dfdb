//! How one hears that a child has ended: a descriptor that becomes readable then.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::thread;

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// A descriptor that is readable from the end of the child on. The child is not reaped by it.
pub(crate) fn exit_descriptor(child: &Child) -> io::Result<OwnedFd> {
    let pid = Pid::from_child(child);
    #[cfg(target_os = "linux")]
    match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
        Ok(pidfd) => return Ok(pidfd),
        // Too old a system, or a sandbox that forbids it.
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    waiting_thread(pid)
}

/// The reading end of a pipe whose writing end a thread holds until the child has ended.
fn waiting_thread(pid: Pid) -> io::Result<OwnedFd> {
    let (reader, writer) = io::pipe()?;
    thread::Builder::new()
        .name(format!("waitpid-{pid}"))
        .spawn(move || {
            // The status stays where it is: who takes it is the loop, so that the pid is not given to another process
            // while the loop may still send signals to it.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Err(Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
            drop(writer);
        })?;
    Ok(reader.into())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_thread_tells_of_the_end_and_leaves_the_status() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let descriptor = waiting_thread(Pid::from_child(&child)).unwrap();
        let mut ended = io::PipeReader::from(descriptor);
        drop(child.stdin.take());
        assert_eq!(ended.read(&mut [0]).unwrap(), 0);
        assert!(child.try_wait().unwrap().expect("it has ended").success());
    }
}
