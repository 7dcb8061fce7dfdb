//! The thread that looks at loops in debug mode from outside, since one that is blocked cannot say so itself.
//!
//! There is one for the process, and only while there is such a loop. It holds nothing of a loop's but what that runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use crate::running::Running;
use crate::sys;

/// How often it looks; more often where a loop is to be told of sooner.
const PERIOD: Duration = Duration::from_millis(250);
const SHORTEST_PERIOD: Duration = Duration::from_millis(5);

struct Overseer {
    loops: Vec<Weak<Running>>,
    /// How often the process and its ancestors had forked when the thread was started: it is not there in a fork.
    thread: Option<u32>,
}

static OVERSEER: Mutex<Overseer> = Mutex::new(Overseer {
    loops: Vec::new(),
    thread: None,
});

/// Looks at one more loop. Where the system refuses a thread, nobody looks: nothing else depends on it.
#[cold]
pub(crate) fn oversee(running: &Arc<Running>) {
    let mut overseer = lock();
    let running = Arc::downgrade(running);
    if !overseer.loops.iter().any(|it| it.ptr_eq(&running)) {
        overseer.loops.push(running);
    }
    if overseer.thread != Some(sys::forks()) {
        let started = thread::Builder::new()
            .name("loop-overseer".to_owned())
            .spawn(look);
        overseer.thread = started.is_ok().then(sys::forks);
    }
}

fn look() {
    while let Some(loops) = overseen() {
        let mut period = PERIOD;
        for running in loops {
            running.report_if_blocked();
            period = period.min(running.blocked_after() / 4);
        }
        thread::park_timeout(period.max(SHORTEST_PERIOD));
    }
}

/// The loops to look at. `None`: there is none left, and the next one starts another thread.
fn overseen() -> Option<Vec<Arc<Running>>> {
    let mut overseer = lock();
    let mut left = Vec::with_capacity(overseer.loops.len());
    overseer.loops.retain(|running| {
        let running = running.upgrade().filter(|it| it.is_overseen());
        left.extend(running.clone());
        running.is_some()
    });
    if left.is_empty() {
        overseer.thread = None;
        return None;
    }
    Some(left)
}

fn lock() -> MutexGuard<'static, Overseer> {
    OVERSEER.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::running::What;

    #[test]
    fn a_loop_is_listed_once() {
        let running = Running::new(0, Duration::MAX);
        running.begin(What {
            description: "nothing".to_owned(),
            place: None,
        });
        oversee(&running);
        let listed = Arc::downgrade(&running);
        let times = lock().loops.iter().filter(|it| it.ptr_eq(&listed)).count();
        assert_eq!(times, 1);
        running.leave();
    }
}
