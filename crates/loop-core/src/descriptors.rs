//! `add_reader` and its kin: what a program says to the registry of descriptors.

use std::any::type_name;
use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::Location;
use std::rc::Rc;

use crate::EventLoop;
use crate::core::Core;
use crate::error::LoopError;
use crate::io::{Callback, Direction, IoCall, IoRegistry};

impl EventLoop {
    /// Calls `callback` in every iteration that finds `fd` readable, at its end, or broken.
    ///
    /// A second call for the same descriptor replaces the callback. The descriptor must stay open until
    /// [`remove_reader`](EventLoop::remove_reader).
    ///
    /// # Errors
    /// [`LoopError::Closed`] or [`LoopError::Forked`], inside an [`io::Error`]; what the system says of the
    /// descriptor: `EBADF` if it is not open, `EPERM` if it is a regular file, which is always ready. The callback
    /// is dropped then, and one that was there before stays.
    ///
    /// # asyncio
    /// `loop.add_reader(fd, callback, *args)`.
    ///
    /// # Examples
    /// ```
    /// use std::io::{Read, Write};
    /// use loop_core::{EventLoop, get_running_loop};
    /// let event_loop = EventLoop::new()?;
    /// let (mut near, mut far) = std::os::unix::net::UnixStream::pair()?;
    /// far.write_all(b"ab")?;
    /// let fd = std::os::fd::AsRawFd::as_raw_fd(&near);
    /// event_loop.add_reader(&fd, move || {
    ///     let mut byte = [0];
    ///     near.read_exact(&mut byte).unwrap(); // one byte a call: it is called again for the second
    ///     if byte == *b"b" {
    ///         get_running_loop().unwrap().stop();
    ///     }
    /// })?;
    /// event_loop.run_forever()?;
    /// assert!(event_loop.remove_reader(&fd));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn add_reader(
        &self,
        fd: &impl AsRawFd,
        callback: impl FnMut() + 'static,
    ) -> io::Result<()> {
        self.add_callback(fd.as_raw_fd(), Direction::Read, callback)
    }

    /// Calls `callback` in every iteration that finds `fd` writable or broken. Otherwise as
    /// [`add_reader`](EventLoop::add_reader).
    ///
    /// # Errors
    /// As [`add_reader`](EventLoop::add_reader).
    ///
    /// # asyncio
    /// `loop.add_writer(fd, callback, *args)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::{EventLoop, get_running_loop};
    /// let event_loop = EventLoop::new()?;
    /// let (near, _far) = std::os::unix::net::UnixStream::pair()?;
    /// event_loop.add_writer(&near, || get_running_loop().unwrap().stop())?;
    /// event_loop.run_forever()?;
    /// assert!(event_loop.remove_writer(&near));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn add_writer(
        &self,
        fd: &impl AsRawFd,
        callback: impl FnMut() + 'static,
    ) -> io::Result<()> {
        self.add_callback(fd.as_raw_fd(), Direction::Write, callback)
    }

    /// Stops calling the reader of `fd`, also if its call is already scheduled. `false`: it had none.
    ///
    /// # asyncio
    /// `loop.remove_reader(fd)`.
    ///
    /// # Examples
    /// See [`add_reader`](EventLoop::add_reader).
    pub fn remove_reader(&self, fd: &impl AsRawFd) -> bool {
        self.remove_callback(fd.as_raw_fd(), Direction::Read)
    }

    /// Stops calling the writer of `fd`, also if its call is already scheduled. `false`: it had none.
    ///
    /// # asyncio
    /// `loop.remove_writer(fd)`.
    ///
    /// # Examples
    /// See [`add_writer`](EventLoop::add_writer).
    pub fn remove_writer(&self, fd: &impl AsRawFd) -> bool {
        self.remove_callback(fd.as_raw_fd(), Direction::Write)
    }

    #[track_caller]
    fn add_callback<F: FnMut() + 'static>(
        &self,
        fd: RawFd,
        direction: Direction,
        callback: F,
    ) -> io::Result<()> {
        let call = IoCall {
            fd,
            name: type_name::<F>,
            place: Location::caller(),
            call: RefCell::new(callback),
        };
        self.enter_callback(fd, direction, Rc::new(call))
    }

    fn enter_callback(
        &self,
        fd: RawFd,
        direction: Direction,
        callback: Callback,
    ) -> io::Result<()> {
        let replaced = self
            .core()
            .register(fd, |io| io.add(fd, direction, &callback))?;
        // What was replaced, or refused, is dropped here, when nothing is borrowed.
        drop(replaced);
        Ok(())
    }

    fn remove_callback(&self, fd: RawFd, direction: Direction) -> bool {
        let core = self.core();
        if core.is_forked() {
            return false;
        }
        let old = core
            .io
            .borrow_mut()
            .as_mut()
            .and_then(|io| io.remove(fd, direction));
        old.is_some()
    }
}

/// What the system said of a descriptor, in words; what it said itself is the source.
#[derive(Debug)]
struct DescriptorError {
    what: String,
    source: io::Error,
}

impl std::fmt::Display for DescriptorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for DescriptorError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl Core {
    /// Registers a descriptor by what `register` does, in the registry, which is made if it is not there.
    pub(crate) fn register<R>(
        &self,
        fd: RawFd,
        register: impl FnOnce(&mut IoRegistry) -> io::Result<R>,
    ) -> io::Result<R> {
        if self.is_closed() {
            return Err(io::Error::other(LoopError::Closed));
        }
        // The poller of a forked child is its parent's: what is changed here would change there.
        self.check_process().map_err(io::Error::other)?;
        let mut io = self.io.borrow_mut();
        let io = match &mut *io {
            Some(io) => io,
            none => none.insert(IoRegistry::new(self)?),
        };
        register(io).map_err(|error| explain(fd, error))
    }
}

fn explain(fd: RawFd, source: io::Error) -> io::Error {
    let what = match source.raw_os_error() {
        Some(libc::EBADF) => format!("fd {fd} is not open"),
        Some(libc::EPERM) => {
            format!(
                "fd {fd} cannot be polled: a regular file, or a device like /dev/null, is always ready"
            )
        }
        Some(libc::EEXIST) => {
            format!("fd {fd} has a callback or a watch already: duplicate it for a second one")
        }
        _ => format!("fd {fd}: {source}"),
    };
    io::Error::new(source.kind(), DescriptorError { what, source })
}
