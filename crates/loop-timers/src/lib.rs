//! The timer queue: a data structure that is told the time.
