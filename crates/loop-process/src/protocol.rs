//! What hears of a child's events, in place of a coroutine that waits for them.

use std::io;

use crate::SubprocessTransport;

/// What hears of a child's events: callbacks instead of a [`Process`](crate::Process).
///
/// Methods take `&self`, since some are called inside others ([`pause_writing`](SubprocessProtocol::pause_writing)); what
/// changes is in a `Cell` or a `RefCell`. Pipes have the numbers that they have for the child: 0, 1 and 2.
///
/// # Ordering
/// `connection_made`, then everything else, then `connection_lost`, once each. Of one pipe: what came, then
/// `pipe_connection_lost`. A child may exit before its pipes end, or after; `connection_lost` comes behind both.
///
/// # asyncio
/// `asyncio.SubprocessProtocol`.
///
/// # Examples
/// See [`subprocess_exec`](crate::subprocess_exec).
pub trait SubprocessProtocol: 'static {
    /// What reports of the loop call it: by default, the name of its type.
    fn type_name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// There is a child. By default, that changes nothing.
    fn connection_made(&self, transport: SubprocessTransport) {
        let _ = transport;
    }

    /// The child has written something, to the pipe of this number. By default, nobody cares.
    fn pipe_data_received(&self, fd: u8, data: &[u8]) {
        let _ = (fd, data);
    }

    /// The pipe of this number is no more: with an error, or because one of its ends was closed. By default, nobody
    /// cares.
    fn pipe_connection_lost(&self, fd: u8, error: Option<&io::Error>) {
        let _ = (fd, error);
    }

    /// The child has ended: [`get_returncode`](SubprocessTransport::get_returncode). By default, nobody cares.
    fn process_exited(&self) {}

    /// The child has ended, and so have all of its pipes. By default, nobody cares.
    fn connection_lost(&self) {}

    /// More than the high mark waits to be written to the child.
    fn pause_writing(&self) {}

    /// No more than the low mark waits to be written to the child.
    fn resume_writing(&self) {}
}
