//! How a pool of threads is to be.

use std::fmt;
use std::num::NonZero;
use std::thread;

use crate::{PoolError, ThreadPoolExecutor};

pub(crate) type Initializer = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The description of a [`ThreadPoolExecutor`].
///
/// # Examples
/// ```
/// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
///
/// let pool = ThreadPoolExecutor::builder()
///     .max_workers(2)
///     .thread_name_prefix("parser")
///     .initializer(|| println!("one more parser"))
///     .build()?;
/// # pool.shutdown(true, false)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
#[must_use = "a builder does nothing until it builds"]
pub struct ThreadPoolBuilder {
    max_workers: Option<usize>,
    pub(crate) thread_name_prefix: Option<String>,
    pub(crate) stack_size_bytes: Option<usize>,
    pub(crate) initializer: Option<Initializer>,
}

impl ThreadPoolBuilder {
    /// Sets how many threads there may be.
    ///
    /// By default, `min(32, cpus + 4)`: a few more than there are processors, since blocking work
    /// mostly waits, and no more than 32, however large the machine.
    ///
    /// # Examples
    /// See [`ThreadPoolBuilder`].
    pub fn max_workers(mut self, max_workers: usize) -> Self {
        self.max_workers = Some(max_workers);
        self
    }

    /// Sets the first part of the threads' names; the second is `_0`, `_1`, ...
    ///
    /// By default, `ThreadPoolExecutor-N` for the Nth pool of the process.
    ///
    /// # Examples
    /// See [`ThreadPoolBuilder`].
    pub fn thread_name_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.thread_name_prefix = Some(prefix.into());
        self
    }

    /// Sets how large the threads' stacks are.
    ///
    /// By default, what the standard library gives a thread.
    ///
    /// # Examples
    /// ```
    /// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::builder().stack_size_bytes(16 << 20).build()?;
    /// let large = pool.submit(|| std::hint::black_box([1_u8; 4 << 20]).len())?;
    /// assert_eq!(large.result(None)?, 4 << 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stack_size_bytes(mut self, size: usize) -> Self {
        self.stack_size_bytes = Some(size);
        self
    }

    /// Sets what each thread runs before its first job. If it panics, the pool is broken
    /// ([`BrokenThreadPool`](crate::BrokenThreadPool)).
    ///
    /// By default, nothing.
    ///
    /// # Examples
    /// See [`ThreadPoolBuilder`].
    pub fn initializer(self, initializer: impl Fn() + Send + Sync + 'static) -> Self {
        self.try_initializer(move || {
            initializer();
            Ok::<(), std::convert::Infallible>(())
        })
    }

    /// Sets what each thread runs before its first job. If it fails or panics, the pool is broken
    /// ([`BrokenThreadPool`](crate::BrokenThreadPool)).
    ///
    /// # Examples
    /// ```
    /// use loop_executor::{ExecutorExt, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::builder()
    ///     .try_initializer(|| std::fs::metadata("/no/such/licence").map(drop))
    ///     .build()?;
    /// let error = pool.submit(|| 1)?.result(None).unwrap_err();
    /// assert!(error.to_string().starts_with("A thread initializer failed"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_initializer<E: fmt::Display>(
        mut self,
        initializer: impl Fn() -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        self.initializer = Some(Box::new(move || {
            initializer().map_err(|error| error.to_string())
        }));
        self
    }

    /// Makes the pool. It has no threads yet.
    ///
    /// # Errors
    /// [`PoolError::InvalidWorkers`] if `max_workers` is 0.
    ///
    /// # Examples
    /// See [`ThreadPoolBuilder`].
    pub fn build(self) -> Result<ThreadPoolExecutor, PoolError> {
        let max_workers = self.max_workers.unwrap_or_else(default_workers);
        if max_workers == 0 {
            return Err(PoolError::InvalidWorkers);
        }
        Ok(ThreadPoolExecutor::start(max_workers, self))
    }
}

impl fmt::Debug for ThreadPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPoolBuilder")
            .field("max_workers", &self.max_workers)
            .field("thread_name_prefix", &self.thread_name_prefix)
            .field("stack_size_bytes", &self.stack_size_bytes)
            .field("initializer", &self.initializer.is_some())
            .finish()
    }
}

fn default_workers() -> usize {
    let cpus = thread::available_parallelism().map_or(1, NonZero::get);
    (cpus + 4).min(32)
}
