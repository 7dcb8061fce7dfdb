//! Which iterations do without a look at the poller, when that would not wait.

use std::cell::Cell;

use crate::clock::Nanos;

/// So many iterations in a row have one look among them: the system call costs ten times what an iteration does, and one
/// in eight costs next to nothing.
const LOOK_EVERY: u32 = 8;

/// The same bound in time, for iterations that are long.
const LONGEST: Nanos = 50_000;

/// What is known of the descriptors without a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// A look would find nothing.
    Quiet,
    /// Only a look can tell.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is nothing to look at"))]
    Unknown,
    /// A look would find something, or would have until lately.
    News,
}

pub(crate) struct Skipping {
    every_iteration: bool,
    /// Iterations since the last look, and when that was.
    skipped: Cell<u32>,
    looked_at: Cell<Nanos>,
}

impl Skipping {
    pub(crate) fn new(every_iteration: bool) -> Skipping {
        Skipping {
            every_iteration,
            skipped: Cell::new(0),
            looked_at: Cell::new(0),
        }
    }

    /// Whether an iteration may do without at all.
    #[cfg(unix)]
    pub(crate) fn is_allowed(&self) -> bool {
        !self.every_iteration
    }

    /// Whether the iteration that begins now does without; if so, it is counted.
    #[inline]
    pub(crate) fn skip(&self, now: Nanos) -> bool {
        let skipped = self.skipped.get() + 1;
        let soon = skipped < LOOK_EVERY && now.saturating_sub(self.looked_at.get()) < LONGEST;
        let skips = soon && !self.every_iteration;
        if skips {
            self.skipped.set(skipped);
        }
        skips
    }

    /// Notes a look.
    pub(crate) fn looked(&self, now: Nanos) {
        self.skipped.set(0);
        self.looked_at.set(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_seven_iterations_and_fifty_microseconds_are_without_a_look() {
        let skipping = Skipping::new(false);
        assert!(!skipping.skip(LONGEST), "the first one looks");
        skipping.looked(1_000);
        let skips = |now| (0..20).take_while(|_| skipping.skip(now)).count();
        assert_eq!(skips(1_000), 7);
        assert_eq!(skips(1_000), 0, "until there is a look");
        skipping.looked(2_000);
        assert_eq!(skips(2_000 + LONGEST), 0);
        assert_eq!(skips(2_000 + LONGEST - 1), 7);
    }

    #[test]
    fn on_request_every_iteration_looks() {
        let skipping = Skipping::new(true);
        skipping.looked(1_000);
        assert!(!skipping.skip(1_000));
    }
}
