//! What several test files need: the books of a test's jobs, a dog that bites, and the process's
//! own threads.
#![allow(clippy::unwrap_used, reason = "all of it is tests")]
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod deeds;
#[cfg(all(unix, feature = "process"))]
pub(crate) mod workers;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use loop_bridge::{ConcurrentError, ConcurrentFuture};

/// Runs a test, and aborts the process if that takes so long that it must hang.
pub(crate) fn watched<R>(test: impl FnOnce() -> R) -> R {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let (done, wait) = mpsc::channel::<()>();
    let dog = std::thread::spawn(move || {
        if let Err(mpsc::RecvTimeoutError::Timeout) = wait.recv_timeout(Duration::from_secs(60)) {
            eprintln!("{name} hangs");
            std::process::abort();
        }
    });
    let result = test();
    drop(done);
    dog.join().unwrap();
    result
}

/// The books of a test's jobs: what was submitted, what became of it, what is still alive.
#[derive(Clone, Default)]
pub(crate) struct Books(Arc<Counts>);

#[derive(Default)]
struct Counts {
    submitted: AtomicUsize,
    refused: AtomicUsize,
    ran: AtomicUsize,
    ok: AtomicUsize,
    panicked: AtomicUsize,
    cancelled: AtomicUsize,
    failed: AtomicUsize,
    callbacks: AtomicUsize,
    alive: AtomicUsize,
}

/// Something that a job holds; it is counted until it is dropped.
pub(crate) struct Held(Books);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Books {
    /// What a job or a result is to hold.
    pub(crate) fn hold(&self) -> Held {
        self.0.alive.fetch_add(1, Ordering::SeqCst);
        Held(self.clone())
    }

    /// Notes that the body of a job runs.
    pub(crate) fn runs(&self) {
        self.0.ran.fetch_add(1, Ordering::SeqCst);
    }

    /// Enters what `submit` answered, and notes the outcome when it comes.
    pub(crate) fn enter<T: 'static, E>(
        &self,
        submitted: Result<ConcurrentFuture<T>, E>,
    ) -> Option<ConcurrentFuture<T>> {
        self.0.submitted.fetch_add(1, Ordering::SeqCst);
        let Ok(future) = submitted else {
            self.0.refused.fetch_add(1, Ordering::SeqCst);
            return None;
        };
        let books = self.clone();
        future.add_done_callback(move |future| {
            let counts = &books.0;
            counts.callbacks.fetch_add(1, Ordering::SeqCst);
            let outcome = match future.exception(Some(Duration::ZERO)) {
                Ok(None) => &counts.ok,
                Ok(Some(ConcurrentError::Panicked(_))) => &counts.panicked,
                Ok(Some(ConcurrentError::Failed(_))) => &counts.failed,
                Err(ConcurrentError::Cancelled) => &counts.cancelled,
                other => unreachable!("{other:?}"),
            };
            outcome.fetch_add(1, Ordering::SeqCst);
        });
        Some(future)
    }

    pub(crate) fn ok(&self) -> usize {
        self.0.ok.load(Ordering::SeqCst)
    }
    pub(crate) fn panicked(&self) -> usize {
        self.0.panicked.load(Ordering::SeqCst)
    }
    pub(crate) fn cancelled(&self) -> usize {
        self.0.cancelled.load(Ordering::SeqCst)
    }
    pub(crate) fn failed(&self) -> usize {
        self.0.failed.load(Ordering::SeqCst)
    }
    pub(crate) fn refused(&self) -> usize {
        self.0.refused.load(Ordering::SeqCst)
    }
    pub(crate) fn alive(&self) -> usize {
        self.0.alive.load(Ordering::SeqCst)
    }

    /// Every job that was submitted has one outcome, of which one callback told; the bodies that
    /// ran are those with a value or a panic; and nothing that a job held is left.
    pub(crate) fn assert_balanced(&self) {
        let load = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        let counts = &self.0;
        let ended = load(&counts.ok)
            + load(&counts.panicked)
            + load(&counts.cancelled)
            + load(&counts.failed);
        assert_eq!(
            load(&counts.submitted),
            ended + load(&counts.refused),
            "submitted"
        );
        assert_eq!(load(&counts.callbacks), ended, "callbacks");
        assert_eq!(
            load(&counts.ran),
            load(&counts.ok) + load(&counts.panicked),
            "ran"
        );
        assert_eq!(load(&counts.alive), 0, "alive");
    }
}

/// Names of the threads of this process, as the system knows them.
pub(crate) fn thread_names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .map(|name| name.trim_end().to_owned())
        .collect();
    names.sort();
    names
}

/// How many descriptors this process has open.
pub(crate) fn open_descriptors() -> usize {
    // The one that looks is not counted, before or after.
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The state of a process as the system tells it in a letter, and its parent; `None` if it is gone.
pub(crate) fn process_state(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program stands in parentheses, and may hold anything.
    let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
    let state = rest.next()?.chars().next()?;
    Some((state, rest.next()?.parse().ok()?))
}

/// The children of this process, with their states.
pub(crate) fn children() -> Vec<(u32, char)> {
    let mut children = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        if let Some((state, parent)) = process_state(pid)
            && parent == std::process::id()
        {
            children.push((pid, state));
        }
    }
    children
}

/// Sends a signal to a process of ours.
pub(crate) fn signal(pid: u32, name: &str) {
    let signal = match name {
        "KILL" => rustix::process::Signal::KILL,
        "SEGV" => rustix::process::Signal::SEGV,
        "STOP" => rustix::process::Signal::STOP,
        "CONT" => rustix::process::Signal::CONT,
        other => unreachable!("{other}"),
    };
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    // It may be gone already.
    let _ = rustix::process::kill_process(pid, signal);
}

/// Waits until something is so, which another process or thread is about to bring about.
pub(crate) fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..100_000 {
        if is() {
            return;
        }
        std::thread::park_timeout(Duration::from_micros(200));
    }
    panic!("it never came: {what}");
}

/// A small generator of numbers, so that a run that fails can be had again.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
