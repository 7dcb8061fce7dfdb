//! Many calls of one function, and the chunks in which they travel.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::content::Content;
use super::function;
use super::travel::{ArgsLeave, Comes};
use super::wire::{self, EncodeError, Failure};
use crate::{JobError, ProcessFn};

/// Many calls of a function, for [`ProcessPoolExecutor::map`](crate::ProcessPoolExecutor::map).
///
/// # Examples
/// See [`ProcessPoolExecutor::map`](crate::ProcessPoolExecutor::map).
#[must_use = "calls do nothing until they are submitted"]
pub struct Calls<F, I> {
    pub(crate) items: I,
    pub(crate) chunk_size: usize,
    pub(crate) timeout: Option<Duration>,
    function: PhantomData<fn() -> F>,
}

impl<F, I> Calls<F, I> {
    #[doc(hidden)]
    pub fn new(items: I) -> Self {
        Calls {
            items,
            chunk_size: 1,
            timeout: None,
            function: PhantomData,
        }
    }

    /// Sets how many calls travel together.
    ///
    /// The larger the chunks, the less a call costs; but what a worker takes along when it dies is
    /// a chunk.
    ///
    /// By default, 1.
    ///
    /// # Examples
    /// See [`ProcessPoolExecutor::map`](crate::ProcessPoolExecutor::map).
    pub fn chunk_size(mut self, chunk_size: usize) -> Self {
        self.chunk_size = chunk_size;
        self
    }

    /// Lets each chunk run for no longer than `timeout`. If it does, its worker is killed.
    ///
    /// By default, it may run for as long as it likes.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use loop_executor::{JobError, ProcessPoolExecutor, process_fn};
    ///
    /// process_fn! {
    ///     fn wait_for(answers: bool) { while !answers { std::thread::park() } }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     loop_executor::worker_main();
    ///     let pool = ProcessPoolExecutor::new(1)?;
    ///     let waits = wait_for::jobs([true, false, true]).timeout(Duration::from_millis(50));
    ///     let outcomes: Vec<_> = pool.map(waits)?.collect();
    ///     assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    ///     let error = outcomes[1].as_ref().unwrap_err();
    ///     assert!(matches!(JobError::of(error), Some(JobError::TimedOut { .. })));
    ///     Ok(())
    /// }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl<F, I> fmt::Debug for Calls<F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Calls in chunks of {}>", self.chunk_size)
    }
}

/// A chunk of calls. Each has its own outcome.
pub(crate) struct Chunk<F: ProcessFn>(pub(crate) Vec<F::Args>);

impl<F: ProcessFn> Content for Chunk<F> {
    type Output = Vec<Result<F::Output, JobError>>;
    const NAME: &'static str = F::NAME;
    const MANY: bool = true;

    fn encode(&self, buffer: &mut Vec<u8>, limit: usize) -> Result<(), EncodeError> {
        self.0
            .iter()
            .try_for_each(|args| wire::encode_item(buffer, limit, &ArgsLeave::<F>(args)))
    }

    fn decode(result: &[u8]) -> Result<Self::Output, String> {
        let mut outcomes = Vec::new();
        let mut rest = result;
        while let Some((failed, items)) = rest.split_first() {
            rest = items;
            let item = wire::split_item(&mut rest).ok_or("the chunk is cut off")?;
            outcomes.push(if *failed == 0 {
                decode_output::<F>(item)
            } else {
                let failure: Failure = wire::decode(item)?;
                Err(function::explain(failure, F::NAME, usize::MAX))
            });
        }
        Ok(outcomes)
    }
}

fn decode_output<F: ProcessFn>(item: &[u8]) -> Result<F::Output, JobError> {
    match wire::decode(item) {
        Ok(Comes(output)) => Ok(output),
        Err(message) => Err(JobError::DecodeResult {
            function: F::NAME.to_owned(),
            message,
        }),
    }
}
