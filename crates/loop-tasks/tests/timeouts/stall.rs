//! What an elapsed deadline says of the time that the loop was blocked.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use loop_core::{EventLoop, get_running_loop};
use loop_tasks::{LoopExt, sleep, timeout, wait_for};

use crate::common::{MS, run};

/// A real callback that blocks a real loop: the timeout of somebody innocent says for how long.
#[test]
fn an_elapsed_timeout_says_for_how_long_the_loop_was_blocked() {
    let block = Duration::from_millis(60);
    let event_loop = EventLoop::new().unwrap();
    let elapsed = event_loop
        .run_until_complete(async move {
            let event_loop = get_running_loop().unwrap();
            #[expect(clippy::disallowed_methods, reason = "to block the loop is the point")]
            event_loop
                .call_later(MS, move || std::thread::sleep(block))
                .unwrap();
            timeout(20 * MS, sleep(30 * MS)).await.unwrap_err()
        })
        .unwrap();
    assert!(elapsed.loop_stall() >= block - MS, "{elapsed:?}");
    let text = elapsed.to_string();
    assert!(
        text.starts_with("the deadline has elapsed, after the loop was blocked for "),
        "{text}"
    );
    event_loop.close().unwrap();
}

/// Both are due when the loop looks at its timers: the deadline is not late by then, but behind the callback that blocks.
#[test]
fn a_block_in_the_same_iteration_is_counted() {
    let block = Duration::from_millis(60);
    let event_loop = EventLoop::new().unwrap();
    let elapsed = event_loop
        .run_until_complete(async move {
            let event_loop = get_running_loop().unwrap();
            #[expect(clippy::disallowed_methods, reason = "to block the loop is the point")]
            event_loop
                .call_later(MS, move || std::thread::sleep(block))
                .unwrap();
            let mut limited = pin!(timeout(2 * MS, pending::<()>()));
            let begun = poll_fn(|cx| Poll::Ready(limited.as_mut().poll(cx))).await;
            assert!(begun.is_pending());
            let both_due = event_loop.time() + 3 * MS;
            while event_loop.time() < both_due {
                std::hint::spin_loop();
            }
            limited.await.unwrap_err()
        })
        .unwrap();
    assert!(elapsed.loop_stall() >= block - MS, "{elapsed:?}");
    event_loop.close().unwrap();
}

/// The block was long before: it is no excuse for an operation that was slow.
#[test]
fn a_block_that_was_over_before_is_not_counted() {
    let block = Duration::from_millis(300);
    let event_loop = EventLoop::new().unwrap();
    let (elapsed, since) = event_loop
        .run_until_complete(async move {
            #[expect(clippy::disallowed_methods, reason = "to block the loop is the point")]
            std::thread::sleep(block);
            sleep(MS).await;
            let event_loop = get_running_loop().unwrap();
            let over = event_loop.time();
            let elapsed = timeout(20 * MS, pending::<()>()).await.unwrap_err();
            (elapsed, event_loop.time() - over)
        })
        .unwrap();
    // The machine may have paused since then, and that counts.
    assert!(elapsed.loop_stall() <= since, "{elapsed:?} {since:?}");
}

#[test]
fn nobody_blocks_virtual_time() {
    run(async {
        let elapsed = timeout(MS, pending::<()>()).await.unwrap_err();
        assert_eq!(elapsed.loop_stall(), Duration::ZERO);
        assert_eq!(elapsed.to_string(), "the deadline has elapsed");
        let elapsed = wait_for(Duration::ZERO, pending::<()>()).await.unwrap_err();
        assert_eq!(elapsed.loop_stall(), Duration::ZERO);
    });
}
