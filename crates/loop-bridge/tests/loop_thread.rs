//! A loop in a thread of its own: how it runs, and how it ends.

mod common;

use std::sync::mpsc;
use std::time::Duration;

use loop_bridge::{ConcurrentError, LoopThread, WouldDeadlock, run_coroutine_threadsafe};
use loop_core::{EventLoop, get_event_loop, get_running_loop};
use loop_tasks::{catch_cancel, sleep, yield_now};

const SOON: Option<Duration> = Some(Duration::from_secs(10));

#[test]
fn the_thread_has_the_name_and_the_loop() {
    let side = LoopThread::spawn("side").unwrap();
    let id = side.handle().id();
    let seen = run_coroutine_threadsafe(side.handle(), || async {
        let name = std::thread::current().name().map(str::to_owned);
        (
            name,
            get_running_loop().unwrap().id(),
            get_event_loop().unwrap().id(),
        )
    });
    let seen = seen.unwrap().result(SOON).unwrap();
    assert_eq!(seen, (Some("side".to_string()), id, id));
    assert!(format!("{side:?}").starts_with("LoopThread(<LoopHandle "));
    let handle = side.handle().clone();
    side.stop_and_join().unwrap();
    assert!(handle.is_closed());
}

#[test]
fn what_is_left_is_cancelled_and_may_clean_up() {
    for twice in [false, true] {
        let side = LoopThread::spawn("side").unwrap();
        let (tell, told) = mpsc::channel();
        let (started, wait) = mpsc::channel();
        let left = run_coroutine_threadsafe(side.handle(), move || async move {
            started.send(()).unwrap();
            let caught = catch_cancel(sleep(Duration::from_secs(3600))).await;
            if twice {
                // One stop ends the run; another one must not end the winding up.
                get_running_loop().unwrap().stop();
            }
            for _ in 0..5 {
                yield_now().await;
            }
            tell.send("cleaned up").unwrap();
            caught.unwrap_err().resume().await
        })
        .unwrap();
        wait.recv().unwrap();
        side.stop_and_join().unwrap();
        assert_eq!(told.try_recv(), Ok("cleaned up"));
        let outcome: Result<(), _> = left.result(Some(Duration::ZERO));
        assert!(matches!(outcome, Err(ConcurrentError::Cancelled)));
    }
}

#[test]
fn dropping_it_stops_it_too() {
    let side = LoopThread::spawn("side").unwrap();
    let handle = side.handle().clone();
    drop(side);
    assert!(handle.is_closed());
    assert!(run_coroutine_threadsafe(&handle, || async {}).is_err());
}

#[test]
fn its_own_thread_cannot_wait_for_it() {
    let side = LoopThread::spawn("side").unwrap();
    let handle = side.handle().clone();
    let (send, receive) = mpsc::channel();
    handle
        .call_soon_threadsafe(move || send.send(side.stop_and_join()).unwrap())
        .unwrap();
    let refused = receive.recv_timeout(SOON.unwrap()).unwrap();
    assert_eq!(refused, Err(WouldDeadlock::on_loop_thread()));
    while !handle.is_closed() {
        std::thread::yield_now();
    }
}

#[test]
fn a_loop_that_gets_stuck_says_so_and_resolves_what_it_owes() {
    let unbound = EventLoop::builder()
        .virtual_clock()
        .build_unbound()
        .unwrap();
    let stuck = run_coroutine_threadsafe(&unbound.handle(), std::future::pending::<()>);
    let side = LoopThread::spawn_loop("side", unbound).unwrap();
    let stuck = stuck.unwrap().result(SOON);
    assert!(matches!(stuck, Err(ConcurrentError::LoopGone)), "{stuck:?}");
    side.stop_and_join().unwrap();
}
