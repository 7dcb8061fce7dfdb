//! Waiting: in the poller where there are descriptors, in the thread's parking place where there are none.

use std::time::Duration;

use crate::clock::Nanos;
use crate::core::Core;
use crate::sys;

/// Never wait longer than a day at once: some systems count their timeouts in 32 bits.
const LONGEST: Nanos = 24 * 3600 * 1_000_000_000;

/// Waits for an event, a message or `wait` nanoseconds (`None`: no end), and takes in the events of the poller.
///
/// It may return early; it never waits when a message is there.
pub(crate) fn sleep(core: &Core, wait: Option<Nanos>) {
    let mailbox = &core.shared.mailbox;
    let asleep = wait != Some(0) && mailbox.doze();
    let wait = if asleep {
        wait.map(|ns| ns.min(LONGEST))
    } else {
        Some(0)
    };
    if asleep && wait.is_some() && core.slack.get().is_none() {
        core.slack.set(sys::wait_precisely());
    }
    let mut io = core.io.borrow_mut();
    match io.as_mut() {
        Some(io) => io.poll(wait.map(Duration::from_nanos)),
        None => park(wait),
    }
    if asleep {
        mailbox.rouse();
    }
}

/// Parks the thread; the poster of a message unparks it.
fn park(wait: Option<Nanos>) {
    match wait {
        Some(0) => {}
        Some(ns) => std::thread::park_timeout(Duration::from_nanos(ns)),
        None => std::thread::park(),
    }
}
