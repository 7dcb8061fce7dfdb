//! What differs between systems: how precisely one can wait for descriptors (on Linux: `epoll.rs`), which thread is
//! the main one, and whether a process can fork.

#[cfg(unix)]
use mio::Interest;
#[cfg(all(unix, not(target_os = "linux")))]
use std::{io, time::Duration};

#[cfg(unix)]
use std::sync::{
    Once,
    atomic::{AtomicU32, Ordering},
};

/// What a watched descriptor is registered for. That there is urgent data has to be known, since a read ends where it
/// stands, although there is more.
#[cfg(target_os = "linux")]
pub(crate) const BOTH_WAYS: Interest = Interest::READABLE
    .add(Interest::WRITABLE)
    .add(Interest::PRIORITY);

/// What a watched descriptor is registered for.
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) const BOTH_WAYS: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// The monotonic clock in nanoseconds, from an origin of the system's own: the clock that an `Instant` is of, and as a
/// number half as many instructions to read and to subtract.
///
/// Through libc, since rustix, which looks for the vDSO itself, does not start below valgrind.
#[cfg(target_os = "linux")]
#[inline]
pub(crate) fn ticks() -> u64 {
    #![expect(unsafe_code, reason = "std has no number for this clock")]

    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the place is ours, and of the type that is written there.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    debug_assert_eq!(result, 0, "Linux has this clock");
    // Neither is negative, and 584 years fit.
    (time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64
}

/// The monotonic clock in nanoseconds, from when it was first asked.
#[cfg(not(target_os = "linux"))]
pub(crate) fn ticks() -> u64 {
    use crate::clock::{nanos, system_now};

    static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let first = FIRST.get_or_init(system_now);
    nanos(system_now().saturating_duration_since(*first))
}

#[cfg(target_os = "linux")]
pub(crate) use crate::{
    epoll::{Event, Events, wait},
    lookout::Lookout,
};

/// What knows without a system call that there is nothing to poll for: elsewhere nobody does.
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) struct Lookout;

#[cfg(all(unix, not(target_os = "linux")))]
impl Lookout {
    pub(crate) fn new(_: bool) -> Lookout {
        Lookout
    }

    pub(crate) fn outlook(&mut self) -> crate::skipping::Outlook {
        crate::skipping::Outlook::Unknown
    }

    pub(crate) fn looked(&mut self, _: bool, _: &mio::Poll) {}
}

#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) use mio::{Events, event::Event};

/// Waits for events for at most `wait`; mio rounds up to a millisecond.
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) fn wait(
    poll: &mut mio::Poll,
    events: &mut Events,
    wait: Option<Duration>,
) -> io::Result<()> {
    poll.poll(events, wait)
}

/// Asks for waits of this thread that end when they should: unasked, the system may end each up to 50 us late, to
/// wake fewer times. Returns what was in force before.
#[cfg(target_os = "linux")]
pub(crate) fn wait_precisely() -> Option<u64> {
    let before = rustix::thread::current_timer_slack().ok()?;
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1)).ok()?;
    Some(before)
}

/// Gives back what [`wait_precisely`] returned.
#[cfg(target_os = "linux")]
pub(crate) fn wait_as_before(slack: u64) {
    // It was in force before, so it is not refused; and if it were, waits would end when they should.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(slack));
}

/// Elsewhere nothing is known of it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn wait_precisely() -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn wait_as_before(_: u64) {}

/// Whether this is the thread that the process began with.
#[cfg(target_os = "linux")]
pub(crate) fn is_main_thread() -> bool {
    rustix::thread::gettid() == rustix::process::getpid()
}

/// Whether this is the thread that the process began with, as far as its name says so: std has no other sign.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_main_thread() -> bool {
    std::thread::current().name() == Some("main")
}

/// How often this process and its ancestors have forked since the first loop was made: a number that a child sees
/// change and its parent does not, without the system call that asking for the process costs.
#[cfg(unix)]
#[inline]
pub(crate) fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Where nothing forks, nothing is a fork.
#[cfg(not(unix))]
#[inline]
pub(crate) fn forks() -> u32 {
    0
}

#[cfg(unix)]
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Begins to count forks. Called before the first loop is made.
#[cfg(unix)]
pub(crate) fn count_forks() {
    #![expect(unsafe_code, reason = "std has no hook for forks")]

    extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }

    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler lives as long as the process, and all it does is atomic, as a forked child demands.
        let result = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        if result != 0 {
            // Out of memory for one entry. A child will not be told that it is one, which is how it was everywhere.
            tracing::error!(result, "forks cannot be counted");
        }
    });
}

/// Begins to count forks, of which there are none.
#[cfg(not(unix))]
pub(crate) fn count_forks() {}
