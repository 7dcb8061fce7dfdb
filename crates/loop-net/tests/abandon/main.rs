//! Operations that are dropped at every point where they can wait: nothing leaks, nothing is watched any more, and the
//! loop goes on.
//!
//! Alone in its process: what is counted are the process's descriptors.

#[cfg(feature = "tls")]
#[path = "../common/certificates.rs"]
mod certificates;
mod sockets;
mod streams;
#[cfg(feature = "tls")]
mod tls;

use std::cell::{Cell, RefCell};
use std::fs;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use loop_core::EventLoop;
use loop_net::UnixStream;
use loop_tasks::{LoopExt, Task, create_task, sleep, timeout, yield_now};

/// No operation here waits more often than this.
const MOST: usize = 3000;

/// Lets an operation be polled so many times, and drops it.
#[derive(Clone)]
struct Limit {
    polls: usize,
    finished: Rc<Cell<bool>>,
}

impl Limit {
    /// What comes out, if the operation finishes in time.
    async fn hold<T>(&self, operation: impl IntoFuture<Output = T>) -> Option<T> {
        let mut left = self.polls;
        let mut operation = pin!(operation.into_future());
        let output = poll_fn(|cx| {
            if left == 0 {
                return Poll::Ready(None);
            }
            left -= 1;
            match operation.as_mut().poll(cx) {
                Poll::Pending if left == 0 => Poll::Ready(None),
                polled => polled.map(Some),
            }
        })
        .await;
        self.finished.set(output.is_some());
        output
    }
}

/// Somebody at the other end, who goes away with the scenario.
struct Peer(Task<()>);

impl Peer {
    fn new(peer: impl Future<Output = ()> + 'static) -> Peer {
        Peer(create_task(peer))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The process's descriptors.
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// How many descriptors the pollers of this process watch, the wakers of the loops among them.
fn watched() -> usize {
    let entries = fs::read_dir("/proc/self/fdinfo").unwrap();
    entries
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path()).ok())
        .map(|text| text.lines().filter(|line| line.starts_with("tfd:")).count())
        .sum()
}

/// Runs a scenario again and again, with one poll more each time, until its operation finishes.
fn at_every_point<F: Future<Output = ()> + 'static>(scenario: impl Fn(Limit) -> F) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    if !fs::exists("/proc/self/fdinfo").unwrap() {
        return eprintln!("skipped: this system does not tell which descriptors are open");
    }
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // Whatever is opened once for all is opened now.
    once(&scenario, 1);
    for polls in 0..MOST {
        let before = descriptors();
        let finished = once(&scenario, polls);
        assert_eq!(descriptors(), before, "after {polls} polls");
        if finished {
            return;
        }
    }
    panic!("it does not finish in {MOST} polls");
}

fn once<F: Future<Output = ()> + 'static>(scenario: &impl Fn(Limit) -> F, polls: usize) -> bool {
    let event_loop = EventLoop::new().unwrap();
    let reports = Rc::new(RefCell::new(Vec::new()));
    event_loop.set_exception_handler({
        let reports = Rc::clone(&reports);
        move |_, context| reports.borrow_mut().push(context.to_string())
    });
    let limit = Limit {
        polls,
        finished: Rc::default(),
    };
    let scenario = scenario(limit.clone());
    let main = timeout(Duration::from_secs(60), async move {
        scenario.await;
        // What goes on in the background ends by itself: closing what was flushed, cancelled peers. The waker stays.
        let mut pauses = 0;
        while watched() > 1 {
            yield_now().await;
            pauses += 1;
            if pauses > 100 {
                sleep(Duration::from_millis(1)).await;
            }
        }
        // The loop goes on as if nothing had been.
        let (near, far) = UnixStream::pair().unwrap();
        let answer = create_task(async move {
            let mut bytes = [0; 4];
            far.read_exact(&mut bytes).await.unwrap();
            bytes
        });
        // The count sees what is watched.
        while watched() < 2 {
            yield_now().await;
        }
        near.write_all(b"ping").await.unwrap();
        assert_eq!(answer.await.unwrap(), *b"ping");
    });
    let ended = event_loop.run_until_complete(main).unwrap();
    ended.unwrap_or_else(|_| panic!("after {polls} polls something is watched still, or hangs"));
    event_loop.close().unwrap();
    assert_eq!(*reports.borrow(), [""; 0], "after {polls} polls");
    limit.finished.get()
}
