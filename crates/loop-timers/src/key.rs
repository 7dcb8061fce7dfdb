//! The name of one timer.

use std::num::NonZeroU32;

/// Names one timer of one [`TimerQueue`](crate::TimerQueue): 8 bytes, as an `Option` too.
///
/// A key is stale once its value was taken out. A stale key never resolves, however often the memory of its timer was
/// reused: every reuse has a new generation, and a place whose generations are used up is not used again.
///
/// Keys of one queue mean nothing to another: they may resolve there to an unrelated timer.
///
/// # Examples
///
/// ```
/// use loop_timers::TimerQueue;
///
/// let mut timers = TimerQueue::new();
/// let tea = timers.insert(180, "tea");
/// assert_eq!(timers.remove(tea), Some("tea"));
///
/// let eggs = timers.insert(300, "eggs"); // in the memory that the tea has left
/// assert_ne!(tea, eggs);
/// assert_eq!(timers.remove(tea), None);
/// assert!(timers.contains(eggs));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    pub(crate) slot: u32,
    pub(crate) generation: NonZeroU32,
}
