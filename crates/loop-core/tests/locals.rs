//! Loops in thread-local storage: a thread that ends drops them in an order of its own, and that closes them.

mod common;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::OnDrop;
use loop_core::{EventLoop, LoopHandle, get_event_loop, get_running_loop, set_event_loop};

/// Ends a thread in which `f` ran, and says how many things were dropped with it.
fn in_a_thread(f: impl FnOnce(Arc<AtomicUsize>) -> LoopHandle + Send + 'static) -> usize {
    let drops = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&drops);
    let handle = std::thread::spawn(move || f(count))
        .join()
        .expect("the thread ends without a panic");
    assert!(handle.is_closed(), "the thread's end closed the loop");
    assert!(handle.call_soon_threadsafe(|| ()).is_err());
    drops.load(Ordering::Relaxed)
}

fn counted(drops: &Arc<AtomicUsize>) -> impl FnOnce() + Send + use<> {
    let drops = Arc::clone(drops);
    let on_drop = OnDrop(move || {
        drops.fetch_add(1, Ordering::Relaxed);
    });
    move || {
        let _on_drop = &on_drop;
    }
}

/// Whatever thread-local was used first, and so goes last.
#[test]
fn the_current_loop_is_closed_when_its_thread_ends() {
    let before = in_a_thread(|drops| {
        let event_loop = EventLoop::new().unwrap();
        set_event_loop(Some(&event_loop));
        event_loop
            .run_once(Some(std::time::Duration::ZERO))
            .unwrap();
        event_loop.call_soon(counted(&drops)).unwrap();
        event_loop.handle()
    });
    assert_eq!(before, 1);
    let after = in_a_thread(|drops| {
        let event_loop = EventLoop::new().unwrap();
        event_loop
            .run_once(Some(std::time::Duration::ZERO))
            .unwrap();
        set_event_loop(Some(&event_loop));
        event_loop.call_soon(counted(&drops)).unwrap();
        event_loop.handle()
    });
    assert_eq!(after, 1);
}

#[test]
fn calls_accepted_before_the_thread_ended_run_in_its_last_moments() {
    let drops = in_a_thread(|drops| {
        let event_loop = EventLoop::new().unwrap();
        set_event_loop(Some(&event_loop));
        let count = Arc::clone(&drops);
        event_loop
            .handle()
            .call_soon_threadsafe(move || {
                assert!(get_running_loop().is_ok());
                count.fetch_add(10, Ordering::Relaxed);
            })
            .unwrap();
        event_loop.handle()
    });
    assert_eq!(drops, 10);
}

/// The last reference sits in a thread-local of the program's, which may be older or younger than the loop's own.
#[test]
fn a_loop_may_be_dropped_by_any_thread_local() {
    thread_local!(static MINE: RefCell<Option<EventLoop>> = const { RefCell::new(None) });
    for touch_first in [false, true] {
        let drops = in_a_thread(move |drops| {
            if touch_first {
                MINE.set(None);
            }
            let event_loop = EventLoop::new().unwrap();
            event_loop
                .run_once(Some(std::time::Duration::ZERO))
                .unwrap();
            set_event_loop(None);
            event_loop.call_soon(counted(&drops)).unwrap();
            let handle = event_loop.handle();
            MINE.set(Some(event_loop));
            handle
        });
        assert_eq!(drops, 1);
    }
}

/// All of the API that needs no loop in hand, in the last moments of a thread.
#[test]
fn the_api_may_be_called_by_a_thread_local_destructor() {
    type Late = OnDrop<Box<dyn FnMut()>>;
    thread_local! {
        static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
    }
    for touch_first in [false, true] {
        let drops = in_a_thread(move |drops| {
            let late: Box<dyn FnMut()> = Box::new(move || {
                assert!(get_running_loop().is_err());
                let _ = get_event_loop();
                let event_loop = EventLoop::new().unwrap();
                set_event_loop(Some(&event_loop));
                let count = Arc::clone(&drops);
                event_loop
                    .call_soon(move || {
                        count.fetch_add(1, Ordering::Relaxed);
                        let running = get_running_loop().unwrap();
                        let stop = running.handle();
                        running
                            .handle()
                            .call_soon_threadsafe(move || stop.stop())
                            .unwrap();
                    })
                    .unwrap();
                event_loop.run_forever().unwrap();
                set_event_loop(None);
            });
            // The first thread-local to be used is the last to go, or the first: what the loop keeps in others may be
            // there or not.
            let mut late = Some(late);
            if touch_first {
                LATE.set(late.take().map(OnDrop));
            }
            let handle = EventLoop::new().unwrap().handle();
            set_event_loop(None);
            if let Some(late) = late {
                LATE.set(Some(OnDrop(late)));
            }
            handle
        });
        assert_eq!(drops, 1);
    }
}
