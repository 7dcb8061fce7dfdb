//! Every interleaving of the threads that a coroutine or a wrapped future ties together, within
//! loom's bounds.
//!
//! The future and its promise are the real ones. The loop is a small one that keeps its contract
//! (what it accepts it hears before it has closed, what it refuses comes back), since a whole loop
//! lives in thread-locals that loom's threads would share; its own mailbox has models in
//! `loop-core`. The `mutant_` tests break one rule each and must fail.
#![cfg(loom)]
#![expect(
    clippy::unwrap_used,
    reason = "all of it is tests, which the lint cannot see here"
)]

use std::collections::VecDeque;
use std::sync::Arc;

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use loop_bridge::{ConcurrentError, ConcurrentFuture, Promise, concurrent_future};

#[derive(Clone, Copy, PartialEq)]
enum Mistake {
    None,
    /// M1: a poster looks whether the loop is closed under one lock and posts under the next.
    CheckThenPost,
    /// The hook for a cancellation is only registered if there was none yet.
    CheckThenHook,
    /// The value of a source is fetched where it becomes done, wanted or not.
    FetchTooEarly,
}

enum Message {
    /// A coroutine whose outcome the loop owes from here on.
    Start(Promise<u32>),
    /// Somebody cancelled what runs here, or what is awaited here is done.
    Signal,
}

/// What other threads see of a loop.
struct MiniLoop {
    mailbox: Mutex<(VecDeque<Message>, bool)>,
    mistake: Mistake,
}

impl MiniLoop {
    fn new(mistake: Mistake) -> Arc<Self> {
        Arc::new(MiniLoop {
            mailbox: Mutex::new((VecDeque::new(), false)),
            mistake,
        })
    }

    fn post(&self, message: Message) -> Result<(), Message> {
        let mut mailbox = self.mailbox.lock().unwrap();
        if mailbox.1 {
            return Err(message);
        }
        if self.mistake == Mistake::CheckThenPost {
            drop(mailbox);
            mailbox = self.mailbox.lock().unwrap();
        }
        mailbox.0.push_back(message);
        Ok(())
    }

    fn take(&self) -> VecDeque<Message> {
        std::mem::take(&mut self.mailbox.lock().unwrap().0)
    }

    /// Refuses every later message and gives the accepted ones.
    fn close(&self) -> VecDeque<Message> {
        let mut mailbox = self.mailbox.lock().unwrap();
        mailbox.1 = true;
        std::mem::take(&mut mailbox.0)
    }
}

/// What a loop does with the outcomes it owes when it has no time left.
fn owe_nothing(messages: VecDeque<Message>) {
    for message in messages {
        if let Message::Start(promise) = message {
            // Refused if it was cancelled: that is an outcome too.
            let _ = promise.set_error(ConcurrentError::LoopGone);
        }
    }
}

/// B5: a thread submits while the loop closes; it gets an answer or its coroutine back.
fn submit_or_close(mistake: Mistake) {
    let mini = MiniLoop::new(mistake);
    let submitter = {
        let mini = Arc::clone(&mini);
        thread::spawn(move || {
            let (promise, future) = concurrent_future();
            match mini.post(Message::Start(promise)) {
                Ok(()) => {
                    let gone = future.result(None).unwrap_err();
                    assert!(matches!(gone, ConcurrentError::LoopGone));
                }
                Err(Message::Start(promise)) => assert!(!promise.is_cancelled()),
                Err(Message::Signal) => unreachable!("it was a coroutine"),
            }
        })
    };
    owe_nothing(mini.take());
    owe_nothing(mini.close());
    submitter.join().unwrap();
}

/// How a coroutine ends on its loop.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Done,
    Closed,
}

/// B5: a consumer cancels while the coroutine is made, runs, and ends; a third thread waits.
fn cancel_or_end(end: End, mistake: Mistake) {
    let mini = MiniLoop::new(mistake);
    let hooks = Arc::new(AtomicUsize::new(0));
    let callbacks = Arc::new(AtomicUsize::new(0));
    let (promise, future) = concurrent_future();
    let counter = Arc::clone(&callbacks);
    future.add_done_callback(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let canceller = {
        let future = future.clone();
        thread::spawn(move || future.cancel())
    };
    let waiter = {
        let future = future.clone();
        thread::spawn(move || future.result(None))
    };

    // The loop: the job that makes the coroutine, one step of it, and its end.
    let made = promise.set_running_cancellable();
    let mut heard = 0;
    if made {
        let hook = {
            let (mini, hooks) = (Arc::clone(&mini), Arc::clone(&hooks));
            move || {
                hooks.fetch_add(1, Ordering::SeqCst);
                let _ = mini.post(Message::Signal);
            }
        };
        if mistake != Mistake::CheckThenHook || !promise.is_cancelled() {
            promise.on_cancel(hook);
        }
        heard += mini.take().len();
        let settled = match end {
            _ if heard > 0 => promise.set_error(ConcurrentError::Cancelled).is_ok(),
            End::Done => promise.set_result(1).is_ok(),
            End::Closed => {
                heard += mini.close().len();
                promise.set_error(ConcurrentError::LoopGone).is_ok()
            }
        };
        assert!(heard == 0 || !settled, "only a cancelled one is signalled");
    } else {
        drop(promise);
    }

    let cancelled = canceller.join().unwrap();
    let outcome = waiter.join().unwrap();
    match (cancelled, end) {
        (true, _) => assert!(matches!(outcome, Err(ConcurrentError::Cancelled))),
        (false, End::Done) => assert!(matches!(outcome, Ok(1))),
        (false, End::Closed) => assert!(matches!(outcome, Err(ConcurrentError::LoopGone))),
    }
    assert!(made || cancelled);
    // A coroutine that was made hears of its cancellation, if it is still there to hear.
    assert_eq!(hooks.load(Ordering::SeqCst), usize::from(made && cancelled));
    assert_eq!(callbacks.load(Ordering::SeqCst), 1);
}

/// Whether a value was taken, and whether it is still to be had.
fn fetch(future: &ConcurrentFuture<u32>) -> bool {
    matches!(future.take_result(None), Ok(1))
}

/// B6: a worker finishes what a wrapper waits for while the wrapper is cancelled. A value that the
/// wrapper does not get stays for others.
fn source_done_or_wrapper_cancelled(mistake: Mistake) {
    let mini = MiniLoop::new(mistake);
    let (promise, source) = concurrent_future();
    let fetched_early = Arc::new(AtomicUsize::new(0));
    {
        let (mini, early) = (Arc::clone(&mini), Arc::clone(&fetched_early));
        source.add_done_callback(move |source| {
            if mistake == Mistake::FetchTooEarly {
                early.fetch_add(usize::from(fetch(source)), Ordering::SeqCst);
            }
            let _ = mini.post(Message::Signal);
        });
    }
    let worker = thread::spawn(move || {
        let ran = promise.set_running_or_notify_cancel();
        assert!(!ran || promise.set_result(1).is_ok());
        ran
    });

    // The loop hears of the result first, or cancels the wrapper.
    let mut settled = false;
    if mini.take().is_empty() {
        let refused = !source.cancel();
        let ran = worker.join().unwrap();
        assert_eq!(refused, ran, "it is cancelled or it runs");
        // The late signal finds no wrapper.
        assert_eq!(mini.close().len(), 1);
        if ran {
            assert!(fetch(&source), "nobody else wanted it");
        }
    } else {
        settled |= fetch(&source);
        assert!(settled || source.cancelled());
        assert!(worker.join().unwrap());
    }
}

#[test]
fn b5_submit_against_close() {
    loom::model(|| submit_or_close(Mistake::None));
}

#[test]
fn b5_cancel_against_the_end_of_the_task() {
    loom::model(|| cancel_or_end(End::Done, Mistake::None));
}

#[test]
fn b5_cancel_against_the_end_of_the_loop() {
    loom::model(|| cancel_or_end(End::Closed, Mistake::None));
}

#[test]
fn b6_wrapper_cancelled_against_source_done() {
    loom::model(|| source_done_or_wrapper_cancelled(Mistake::None));
}

#[test]
fn mutant_m1_checks_then_posts_on_a_closed_loop() {
    loom::model(|| submit_or_close(Mistake::CheckThenPost));
}

#[test]
fn mutant_checks_for_a_cancellation_before_it_hooks() {
    loom::model(|| cancel_or_end(End::Done, Mistake::CheckThenHook));
}

#[test]
fn mutant_fetches_what_may_not_be_wanted() {
    loom::model(|| source_done_or_wrapper_cancelled(Mistake::FetchTooEarly));
}
