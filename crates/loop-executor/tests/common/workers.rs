//! What tests of worker processes share: a few functions, a sign that one of them has begun, and what went wrong.

use std::process;
use std::time::Duration;

use loop_bridge::{ConcurrentError, ConcurrentFuture};
use loop_executor::{
    BrokenProcessPool, ExecutorExt, JobError, ProcessPoolExecutor, WorkerDied, process_fn,
};

use super::eventually;

process_fn! {
    pub(crate) fn pid() -> u32 {
        process::id()
    }

    pub(crate) fn add(a: u32, b: u32) -> u32 {
        a + b
    }

    pub(crate) fn length(text: String) -> usize {
        text.len()
    }

    pub(crate) fn exit(code: i32) {
        process::exit(code)
    }

    /// Says that it has begun, by making a file, and never ends.
    pub(crate) fn never(begun: String) -> u32 {
        std::fs::write(begun, "").unwrap();
        loop {
            std::thread::park();
        }
    }

    /// Says that it has begun, by making a file, and ends when the file is gone.
    pub(crate) fn until_gone(begun: String) -> u32 {
        std::fs::write(&begun, "").unwrap();
        while std::path::Path::new(&begun).exists() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        process::id()
    }
}

/// A path for a file that is not there, and goes with this.
pub(crate) struct Mark(String);

impl Mark {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("loop_executor_{}_{name}", process::id());
        Mark(
            std::env::temp_dir()
                .join(name)
                .to_string_lossy()
                .into_owned(),
        )
    }

    pub(crate) fn path(&self) -> String {
        self.0.clone()
    }

    pub(crate) fn wait(&self) {
        eventually("the job has begun", || {
            std::path::Path::new(&self.0).exists()
        });
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        let _ = std::fs::remove_file(format!("{}.job", self.0));
    }
}

pub(crate) fn job_error(error: &ConcurrentError) -> &JobError {
    JobError::of(error).unwrap_or_else(|| panic!("{error:?}"))
}

pub(crate) fn died<T: Clone + std::fmt::Debug>(future: &ConcurrentFuture<T>) -> WorkerDied {
    match job_error(&future.result(None).unwrap_err()) {
        JobError::WorkerDied(died) => died.clone(),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn broken<T: Clone + std::fmt::Debug>(
    future: &ConcurrentFuture<T>,
) -> BrokenProcessPool {
    match job_error(&future.result(None).unwrap_err()) {
        JobError::Broken(broken) => broken.clone(),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn assert_works(pool: &ProcessPoolExecutor) {
    let sums: Vec<_> = (0..20)
        .map(|n| pool.submit(add::job(n, 1)).unwrap())
        .collect();
    for (n, sum) in sums.into_iter().enumerate() {
        assert_eq!(sum.result(None).unwrap(), n as u32 + 1);
    }
}
