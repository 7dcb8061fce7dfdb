//! The pool's end of the socket to a worker: frames in and out, and never a wait.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::frame::Decoder;
use super::sys;
use super::wire;

pub(crate) struct Pipe {
    socket: UnixStream,
    pub(crate) decoder: Decoder,
    /// Frames that are to be written, and how much of the first one is.
    out: VecDeque<Arc<Vec<u8>>>,
    written: usize,
    /// The system has said that the other end did not read everything.
    unread: bool,
}

/// What there is to read.
#[derive(PartialEq)]
pub(crate) enum Come {
    /// Nothing, for now.
    Dry,
    /// Something has come, and there may be more.
    More,
    /// Nothing any more.
    End,
}

impl Pipe {
    /// Makes a pipe, and gives the other end.
    pub(crate) fn pair(max_frame_bytes: usize) -> io::Result<(Self, UnixStream)> {
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        sys::widen(&socket);
        sys::widen(&theirs);
        let pipe = Pipe {
            socket,
            decoder: Decoder::new(max_frame_bytes.max(wire::SMALL_BYTES)),
            out: VecDeque::new(),
            written: 0,
            unread: false,
        };
        Ok((pipe, theirs))
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(crate) fn has_unwritten(&self) -> bool {
        !self.out.is_empty()
    }

    /// Whether the other end can be known not to have read everything.
    pub(crate) fn was_not_read(&self) -> bool {
        self.unread || self.has_unwritten()
    }

    /// Writes a frame, now or later.
    pub(crate) fn send(&mut self, frame: Arc<Vec<u8>>) {
        self.out.push_back(frame);
        self.write();
    }

    /// Writes what the socket takes. That the other end is gone is heard in reading, where also
    /// its last words are.
    pub(crate) fn write(&mut self) {
        while let Some(frame) = self.out.front() {
            match self.socket.write(&frame[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
            if self.written == frame.len() {
                self.out.pop_front();
                self.written = 0;
            }
        }
    }

    /// Reads once.
    pub(crate) fn read(&mut self) -> Come {
        loop {
            match self.decoder.fill(&mut self.socket) {
                Ok(0) => return Come::End,
                Ok(_) => return Come::More,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Come::Dry,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.unread = error.kind() == io::ErrorKind::ConnectionReset;
                    return Come::End;
                }
            }
        }
    }

    /// Says that nothing more will be written.
    pub(crate) fn close(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}
