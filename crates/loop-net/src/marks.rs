//! The marks that hold writers back.

/// Writers pause above so many bytes, by default, and go on at a quarter of it.
const HIGH: usize = 64 * 1024;

/// Two marks, and which one was passed last.
pub(crate) struct Marks {
    low: usize,
    high: usize,
    is_paused: bool,
}

/// A mark that was passed.
#[derive(Debug, PartialEq)]
pub(crate) enum Mark {
    /// There is more than the high one: writers are to pause.
    High,
    /// There is no more than the low one, after that: they go on.
    Low,
}

impl Marks {
    /// The low one and the high one.
    #[cfg(feature = "tls")]
    pub(crate) fn get(&self) -> (usize, usize) {
        (self.low, self.high)
    }

    /// Sets them; what already waits may be above or below them now.
    pub(crate) fn set(&mut self, low: usize, high: usize) {
        self.low = low;
        self.high = high;
    }

    /// The one that was passed since this was last asked, if so many bytes wait now.
    pub(crate) fn passed(&mut self, waiting: usize) -> Option<Mark> {
        if waiting > self.high && !self.is_paused {
            self.is_paused = true;
            Some(Mark::High)
        } else if waiting <= self.low && self.is_paused {
            self.is_paused = false;
            Some(Mark::Low)
        } else {
            None
        }
    }

    /// Whether the high one was passed, and the low one was not since.
    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }
}

impl Default for Marks {
    fn default() -> Marks {
        Marks {
            low: HIGH / 4,
            high: HIGH,
            is_paused: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Mark, Marks};

    #[test]
    fn a_mark_is_passed_once() {
        let mut marks = Marks::default();
        marks.set(2, 4);
        let mut passed = |waiting| marks.passed(waiting);
        let up = [3, 4, 5, 6].map(&mut passed);
        assert_eq!(up, [None, None, Some(Mark::High), None]);
        let down = [4, 3, 2, 1].map(&mut passed);
        assert_eq!(down, [None, None, Some(Mark::Low), None]);
        assert!(!marks.is_paused());
        marks.set(0, 0);
        assert_eq!(marks.passed(0), None);
    }

    #[test]
    fn marks_that_move_are_passed_too() {
        let mut marks = Marks::default();
        assert_eq!(marks.passed(10), None);
        marks.set(1, 9);
        assert_eq!(marks.passed(10), Some(Mark::High));
        assert!(marks.is_paused());
        marks.set(10, 20);
        assert_eq!(marks.passed(10), Some(Mark::Low));
    }
}
