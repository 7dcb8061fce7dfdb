//! Closures of every size and alignment: those that are kept inline and those that are not run once, or are dropped
//! once, and what they captured arrives as it was.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

mod common;

use std::mem::{align_of_val, size_of_val};
use std::rc::Rc;
use std::time::Duration;

use common::{Drops, Trace, reports, virtual_loop};
use loop_core::EventLoop;

/// Where a closure may be when its life ends.
const ENDS: [&str; 5] = ["run", "timer", "cancelled", "closed", "panics"];

/// Sends a closure that captures `N` bytes, aligned like `A`, through every life that it can have.
fn check<A: Copy + Default + 'static, const N: usize>() {
    for end in ENDS {
        let event_loop = virtual_loop();
        let (trace, drops) = (Trace::new(), Drops::default());
        let reports = reports(&event_loop);
        let bytes: [u8; N] = std::array::from_fn(|i| i as u8 ^ 0x5A);
        let (aligned, counted, log) = (A::default(), drops.counted(), trace.clone());
        let closure = move || {
            let _counted = counted;
            let aligned = &aligned;
            assert_eq!(
                std::ptr::from_ref(aligned).addr() % align_of_val(aligned),
                0
            );
            log.push(bytes.to_vec());
            assert_ne!(end, "panics");
        };
        assert!(size_of_val(&closure) >= N);
        finish(&event_loop, end, closure);
        let ran = !matches!(end, "cancelled" | "closed");
        let expected: Vec<_> = ran.then(|| bytes.to_vec()).into_iter().collect();
        assert_eq!(trace.take(), expected, "{end}");
        assert_eq!(drops.count(), 1, "{end}");
        assert_eq!(reports.take().len(), usize::from(end == "panics"));
    }
}

fn finish(event_loop: &EventLoop, end: &str, closure: impl FnOnce() + 'static) {
    if end == "timer" {
        event_loop
            .call_later(Duration::from_secs(1), closure)
            .unwrap();
        return event_loop.run_once(None).unwrap();
    }
    let handle = event_loop.call_soon(closure).unwrap();
    match end {
        "cancelled" => handle.cancel(),
        "closed" => event_loop.close().unwrap(),
        _ => event_loop.run_once(None).unwrap(),
    }
}

#[derive(Clone, Copy, Default)]
#[repr(align(16))]
struct Aligned16([u8; 16]);

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Aligned64([u8; 32]);

#[test]
fn closures_of_every_size_and_alignment_live_once() {
    check::<(), 0>();
    check::<(), 1>();
    check::<(), 7>();
    check::<(), 8>();
    check::<(), 100>();
    check::<(), 100_000>();
    check::<u8, 3>();
    check::<u64, 0>();
    check::<u64, 9>();
    check::<u128, 0>();
    check::<Aligned16, 1>();
    check::<Aligned64, 5>();
    assert_eq!(
        (Aligned16::default().0, Aligned64::default().0),
        Default::default()
    );
}

/// The sizes at which the place inside the queue is just large enough, and just too small.
#[test]
fn closures_of_two_words_and_one_byte_more_are_the_same_to_the_caller() {
    fn sized<const N: usize>() {
        let event_loop = virtual_loop();
        let trace = Trace::new();
        let log = Rc::new(trace.clone());
        let bytes = [N as u8; N];
        let closure = move || {
            // Both are used, so that both are captured.
            log.push(bytes.to_vec());
        };
        assert_eq!(size_of_val(&closure), (8 + N).next_multiple_of(8));
        event_loop.call_soon(closure).unwrap();
        event_loop.run_once(None).unwrap();
        assert_eq!(trace.take(), [vec![N as u8; N]]);
    }
    sized::<0>();
    sized::<1>();
    sized::<7>();
    sized::<8>();
    sized::<9>();
    sized::<16>();
}

/// Nothing at all is captured: a closure without a size still runs as often as it was scheduled.
#[test]
fn closures_without_a_size_are_counted_right() {
    thread_local!(static CALLS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) });
    let event_loop = virtual_loop();
    for _ in 0..1_000 {
        event_loop.call_soon(|| CALLS.set(CALLS.get() + 1)).unwrap();
    }
    event_loop.run_once(None).unwrap();
    assert_eq!(CALLS.get(), 1_000);
}
