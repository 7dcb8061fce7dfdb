//! Writing, and the marks that hold writers back.

use std::io;
use std::rc::Rc;

use loop_core::Direction;

use super::Channel;
use super::life::Write;
use crate::Connection;
use crate::marks::Mark;

impl Channel {
    /// Writes now what there is room for, and the rest later.
    pub(crate) fn write(self: &Rc<Self>, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        match self.alive(|life| life.want_write(bytes)) {
            None | Some(Write::Never) => {} // drain() says so
            Some(Write::AfterEnd) => {
                let text = "Cannot call write() after write_eof()";
                let error = io::Error::new(io::ErrorKind::InvalidInput, text);
                self.error.borrow_mut().get_or_insert(error);
            }
            Some(Write::Behind) => {
                self.flush();
                self.pause_or_resume();
            }
            Some(Write::Next(connection)) => self.write_now(&*connection, bytes),
        }
    }

    fn write_now(self: &Rc<Self>, connection: &dyn Connection, bytes: &[u8]) {
        let rest = match self.guard(|| connection.try_write(bytes)) {
            Ok(written) => &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => bytes,
            Err(error) => return self.lose(Some(error)),
        };
        let is_done = self.alive(|life| {
            life.out.take_back(rest);
            life.out.waiting() == 0 && !life.out.marks.is_paused()
        });
        if is_done != Some(true) || !connection.is_flushed() {
            self.flush();
            self.pause_or_resume();
        }
    }

    /// Says that nothing more comes, when everything is written.
    pub(crate) fn write_eof(self: &Rc<Self>) {
        if self.only() == Some(Direction::Write) {
            self.close(); // no other direction is left
        } else if self.alive(|life| life.want_end()) == Some(true) {
            self.flush_now();
        }
    }

    /// Closes when everything is written.
    pub(crate) fn close(self: &Rc<Self>) {
        let Some(connection) = self.connection() else {
            return;
        };
        let has_end_to_tell = !connection.closes_at_once();
        if self.alive(|life| life.want_close(has_end_to_tell)) == Some(true) {
            self.flush_now();
        }
    }

    /// Closes now.
    pub(crate) fn abort(&self) {
        self.lose(None);
    }

    /// Sets the marks; what already waits may be above or below them now.
    pub(crate) fn set_marks(&self, low: usize, high: usize) {
        self.alive(|life| life.out.marks.set(low, high));
        self.pause_or_resume();
    }

    pub(super) fn pause_or_resume(&self) {
        match self.alive(|life| life.out.passed()).flatten() {
            Some(Mark::High) => self.tell(|watcher| watcher.pause_writing()),
            Some(Mark::Low) => {
                self.draining.settle();
                self.tell(|watcher| watcher.resume_writing());
            }
            None => {}
        }
    }
}
