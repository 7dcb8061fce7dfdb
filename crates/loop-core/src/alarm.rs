//! When a wait for timers ends: exactly at the next deadline, unless very many timers would wake the loop one by one.

use crate::clock::Nanos;
use crate::core::Core;

/// Among so many timers, the wait for one ends no sooner than [`APART`] after that for another.
const MANY: usize = 100;

/// To be woken costs as much as some ten timers do. 100,000 timers in 200 ms wake the loop 2,000 times at most.
const APART: Nanos = 100_000;

/// When a wait ends that begins now and is for this deadline. There is none for one that is past.
pub(crate) fn at(core: &Core, deadline: Nanos, now: Nanos) -> Nanos {
    match core.rung_at.get() {
        Some(rung_at) if deadline > now && core.timers.borrow().len() >= MANY => {
            deadline.max(rung_at.saturating_add(APART))
        }
        _ => deadline,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::EventLoop;

    #[test]
    fn a_shower_of_timers_is_met_in_batches_and_a_few_are_met_exactly() {
        let event_loop = EventLoop::new().unwrap();
        let core = event_loop.core();
        let now = core.clock.now();
        let add = || event_loop.call_later(Duration::from_secs(60), || ());
        (1..MANY).for_each(|_| _ = add().unwrap());
        core.rung_at.set(Some(now));
        assert_eq!(at(core, now + 10, now), now + 10, "they are few");

        let last = add().unwrap();
        assert_eq!(at(core, now + 10, now), now + APART);
        assert_eq!(at(core, now, now), now, "it is due");
        assert_eq!(at(core, now + APART + 10, now), now + APART + 10);
        assert_eq!(at(core, Nanos::MAX, now), Nanos::MAX);

        core.rung_at.set(None);
        assert_eq!(at(core, now + 10, now), now + 10, "it is the first");
        core.rung_at.set(Some(now));
        last.cancel();
        assert_eq!(at(core, now + 10, now), now + 10, "they are few again");
    }

    #[test]
    fn a_wait_that_ends_with_its_timer_is_noted_and_another_is_not() {
        let event_loop = EventLoop::new().unwrap();
        let core = event_loop.core();
        let add = |delay| event_loop.call_later(delay, || ()).unwrap();
        let far = add(Duration::from_secs(3600));
        event_loop.run_once(Some(Duration::from_micros(1))).unwrap();
        assert_eq!(core.rung_at.get(), None);
        far.cancel();

        // The machine may pause for as long as a wait, which there is none then; not every time.
        for _ in 0..1000 {
            let timer = add(Duration::from_millis(1));
            let due = core.clock.instant_to_nanos(timer.when());
            event_loop.run_once(None).unwrap();
            timer.cancel();
            if let Some(rung_at) = core.rung_at.get() {
                assert!(rung_at >= due);
                return;
            }
        }
        panic!("no wait was noted");
    }
}
