//! Records on their way between rustls and a connection.

use std::mem;

/// What is kept of an empty buffer for the next time.
const KEPT: usize = 128 * 1024;

/// The records of one direction.
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// What is before this is done with.
    done: usize,
    is_lent: bool,
}

/// The records of a [`Buffer`], without it.
#[derive(Default)]
pub(super) struct Lent {
    pub(super) bytes: Vec<u8>,
    done: usize,
}

impl Buffer {
    /// The records that are not done with, but for those that are lent.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.done..]
    }

    /// Whether there is nothing, and nothing is lent.
    pub(super) fn is_empty(&self) -> bool {
        self.rest().is_empty() && !self.is_lent
    }

    /// Where more records come.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Has done with so many bytes.
    pub(super) fn consume(&mut self, length: usize) {
        self.done += length;
        if self.done == self.bytes.len() {
            self.done = 0;
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
        }
    }

    /// Gives all records away until they come [back](Self::give_back). `None`: they are lent already.
    pub(super) fn lend(&mut self) -> Option<Lent> {
        (!mem::replace(&mut self.is_lent, true)).then(|| Lent {
            bytes: mem::take(&mut self.bytes),
            done: mem::take(&mut self.done),
        })
    }

    /// Takes records back, in front of those that have come since.
    pub(super) fn give_back(&mut self, lent: Lent) {
        self.is_lent = false;
        let since = mem::replace(&mut self.bytes, lent.bytes);
        self.bytes.extend_from_slice(&since);
        self.done = lent.done;
    }
}

impl Lent {
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.done..]
    }
}

#[cfg(test)]
mod tests {
    use super::{Buffer, KEPT};

    #[test]
    fn what_comes_while_records_are_lent_comes_behind_them() {
        let mut buffer = Buffer::default();
        buffer.end().extend_from_slice(b"abcd");
        buffer.consume(1);
        let mut lent = buffer.lend().unwrap();
        assert_eq!(lent.rest(), b"bcd");
        assert!(buffer.lend().is_none() && !buffer.is_empty());
        buffer.end().extend_from_slice(b"gh");
        lent.bytes.extend_from_slice(b"ef");
        buffer.give_back(lent);
        assert_eq!(buffer.rest(), b"bcdefgh");
        buffer.consume(7);
        assert!(buffer.is_empty() && buffer.lend().is_some());
    }

    #[test]
    fn a_great_buffer_is_not_kept() {
        let mut buffer = Buffer::default();
        *buffer.end() = vec![0; KEPT * 4];
        buffer.consume(KEPT * 4);
        assert!(buffer.bytes.capacity() <= KEPT * 2);
    }
}
