//! Functions that another process can run: declared once, found by name.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::remote_panic;
use super::travel::{ArgsCome, Comes, Leaves};
use super::wire::{self, EncodeError, Failure};
use crate::JobError;
use crate::job::contain;

/// A function that another process can run.
///
/// [`process_fn!`](crate::process_fn) declares and registers it. Its arguments and its result
/// travel by value, so that what cannot travel (a loop, a handle, a reference) does not compile.
///
/// # Examples
/// See [`process_fn!`](crate::process_fn).
pub trait ProcessFn: Send + 'static {
    /// The argument; a tuple of them, if there are several or none.
    type Args: Serialize + DeserializeOwned + Send + 'static;

    /// The result.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// What it is called between the processes: its path.
    const NAME: &'static str;

    /// Calls it.
    ///
    /// # Examples
    /// See [`process_fn!`](crate::process_fn).
    fn call(args: Self::Args) -> Self::Output;

    /// Writes the arguments, each by itself if there are several.
    #[doc(hidden)]
    fn write_args<S: Serializer>(args: &Self::Args, serializer: S) -> Result<S::Ok, S::Error> {
        Leaves(args).serialize(serializer)
    }

    /// Reads what [`write_args`](ProcessFn::write_args) has written.
    #[doc(hidden)]
    fn read_args<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self::Args, D::Error> {
        Comes::deserialize(deserializer).map(|Comes(args)| args)
    }
}

/// Declares functions that another process can run.
///
/// Each stays a function like any other. Besides, the type of the same name makes jobs of it:
/// `name::job(arguments)` for [`submit`](crate::ExecutorExt::submit), and `name::jobs(items)` for
/// [`map`](crate::ProcessPoolExecutor::map).
///
/// The arguments and the result must be `Serialize + DeserializeOwned + Send + 'static`. An argument
/// or a result that is a `Vec<u8>` travels as the bytes that it is; within another type, bytes that
/// are many want the `serde_bytes` crate. There is one nothing, as in JSON: `Some(())` and
/// `Some(None)` would arrive as `None`, and are refused ([`JobError::Encode`], [`JobError::EncodeResult`]).
///
/// A function is an item, so it captures nothing. Generic and `async` functions cannot be declared.
///
/// # Examples
/// ```
/// use loop_executor::{ExecutorExt, ProcessPoolExecutor, process_fn};
///
/// process_fn! {
///     /// Counts words.
///     pub fn words(text: String) -> usize {
///         text.split_whitespace().count()
///     }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     loop_executor::worker_main();
///
///     assert_eq!(words("called here".to_owned()), 2);
///     let pool = ProcessPoolExecutor::new(1)?;
///     let there = pool.submit(words::job("called over there".to_owned()))?;
///     assert_eq!(there.result(None)?, 3);
///     pool.shutdown(true, false)?;
///     Ok(())
/// }
/// ```
///
/// What cannot travel does not compile, neither as an argument nor as a result: a loop, a handle of
/// one, a task.
/// ```compile_fail,E0277
/// loop_executor::process_fn! {
///     fn run(event_loop: loop_core::LoopHandle) {}
/// }
/// ```
/// ```compile_fail,E0277
/// loop_executor::process_fn! {
///     fn make() -> loop_core::UnboundLoop { loop_core::UnboundLoop::new().unwrap() }
/// }
/// ```
/// ```compile_fail,E0277
/// loop_executor::process_fn! {
///     fn await_it(name: String, task: loop_tasks::Task<u32>) {}
/// }
/// ```
/// Nor does a function that captures:
/// ```compile_fail,E0434
/// fn submit(number: u32) {
///     loop_executor::process_fn! {
///         fn next() -> u32 { number + 1 }
///     }
/// }
/// ```
/// Nor do closures, whatever they capture, on a pool of processes:
/// ```compile_fail,E0271
/// # use loop_executor::{ExecutorExt, ProcessPoolExecutor};
/// fn submit(pool: &ProcessPoolExecutor, number: u32) {
///     pool.submit(move || number + 1);
/// }
/// ```
#[macro_export]
macro_rules! process_fn {
    ($(
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $output:ty)? $body:block
    )+) => {$(
        $(#[$attribute])*
        $visibility fn $name($($argument: $type),*) $(-> $output)? $body

        #[doc = concat!("Makes jobs of the function [`", stringify!($name), "`](fn@", stringify!($name), ").")]
        #[allow(non_camel_case_types, reason = "it is called as the function is")]
        $visibility enum $name {}

        #[allow(dead_code, reason = "not every function is used in both ways")]
        impl $name {
            /// A call of the function, to be submitted.
            $visibility fn job($($argument: $type),*) -> $crate::Call<$name> {
                $crate::Call::new($crate::process_fn!(@tuple $($argument),*))
            }

            /// Many calls of the function, for `ProcessPoolExecutor::map`.
            $visibility fn jobs<I>(items: I) -> $crate::Calls<$name, I::IntoIter>
            where
                I: ::std::iter::IntoIterator<Item = <$name as $crate::ProcessFn>::Args>,
            {
                $crate::Calls::new(::std::iter::IntoIterator::into_iter(items))
            }
        }

        impl $crate::ProcessFn for $name {
            type Args = $crate::process_fn!(@types $($type),*);
            type Output = $crate::process_fn!(@output $($output)?);
            const NAME: &'static str = concat!(module_path!(), "::", stringify!($name));

            fn call($crate::process_fn!(@tuple $($argument),*): Self::Args) -> Self::Output {
                $name($($argument),*)
            }

            fn write_args<S: $crate::__private::Serializer>(
                args: &Self::Args,
                serializer: S,
            ) -> ::std::result::Result<S::Ok, S::Error> {
                let $crate::process_fn!(@tuple $($argument),*) = args;
                let args = $crate::process_fn!(@leave $($argument),*);
                $crate::__private::Serialize::serialize(&args, serializer)
            }

            fn read_args<'de, D: $crate::__private::Deserializer<'de>>(
                deserializer: D,
            ) -> ::std::result::Result<Self::Args, D::Error> {
                let $crate::process_fn!(@come $($argument),*): $crate::process_fn!(@comes $($type),*) =
                    $crate::__private::Deserialize::deserialize(deserializer)?;
                ::std::result::Result::Ok($crate::process_fn!(@tuple $($argument),*))
            }
        }

        $crate::__private::inventory::submit! {
            $crate::__private::Registered::of::<$name>()
        }
    )+};
    (@tuple $one:ident) => { $one };
    (@tuple $($many:ident),*) => { ($($many),*) };
    (@leave $one:ident) => { $crate::__private::Leaves($one) };
    (@leave $($many:ident),*) => { ($($crate::__private::Leaves($many)),*) };
    (@come $one:ident) => { $crate::__private::Comes($one) };
    (@come $($many:ident),*) => { ($($crate::__private::Comes($many)),*) };
    (@comes $one:ty) => { $crate::__private::Comes<$one> };
    (@comes $($many:ty),*) => { ($($crate::__private::Comes<$many>),*) };
    (@types $one:ty) => { $one };
    (@types $($many:ty),*) => { ($($many),*) };
    (@output) => { () };
    (@output $output:ty) => { $output };
}

/// A function in the list of those that this program knows.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registered {
    name: &'static str,
    one: Runner,
    many: Runner,
}

/// Runs the arguments in a payload, and writes what comes of it behind what is in the buffer.
type Runner = fn(&[u8], &mut Vec<u8>, usize) -> Result<(), Failure>;

inventory::collect!(Registered);

impl Registered {
    #[doc(hidden)]
    #[must_use]
    pub const fn of<F: ProcessFn>() -> Self {
        Registered {
            name: F::NAME,
            one: run_one::<F>,
            many: run_many::<F>,
        }
    }
}

/// Calls a function that was declared with [`process_fn!`](crate::process_fn) by its name, in this
/// process: what the far end of somebody else's [`Executor`](crate::Executor) does.
///
/// The arguments are what [`Call::encode`](crate::Call::encode) made of them, and the result is
/// for [`CallJob::complete`](crate::CallJob::complete).
///
/// # Errors
/// [`JobError`], as a worker would send it.
///
/// # Examples
/// ```
/// use loop_executor::{call_registered, process_fn};
///
/// process_fn! {
///     fn double(n: u32) -> u32 { 2 * n }
/// }
///
/// let job = double::job(21);
/// let result = call_registered(job.name(), &job.encode()?)?;
/// assert_eq!(result, [42]);
/// # Ok::<(), loop_executor::JobError>(())
/// ```
pub fn call_registered(name: &str, arguments: &[u8]) -> Result<Vec<u8>, JobError> {
    let mut result = Vec::new();
    run(name, false, arguments, &mut result, usize::MAX)
        .map_err(|failure| explain(failure, name, usize::MAX))?;
    Ok(result)
}

/// Runs a call, or many, of the function of that name.
pub(crate) fn run(
    name: &str,
    many: bool,
    arguments: &[u8],
    buffer: &mut Vec<u8>,
    limit: usize,
) -> Result<(), Failure> {
    static BY_NAME: OnceLock<HashMap<&str, &Registered>> = OnceLock::new();
    let by_name = BY_NAME.get_or_init(|| {
        let all = inventory::iter::<Registered>.into_iter();
        all.map(|function| (function.name, function)).collect()
    });
    let function = by_name.get(name).ok_or(Failure::UnknownFunction)?;
    let runner = if many { function.many } else { function.one };
    runner(arguments, buffer, limit)
}

/// What a failure in a worker is to the one who wants the result.
pub(crate) fn explain(failure: Failure, function: &str, limit: usize) -> JobError {
    let function = function.to_owned();
    match failure {
        Failure::UnknownFunction => JobError::UnknownJob { function },
        Failure::DecodeArguments(message) => JobError::DecodeArg { function, message },
        Failure::Panicked {
            message,
            place,
            backtrace,
        } => JobError::Panicked(crate::RemotePanic::new(message, place, backtrace)),
        Failure::EncodeResult(message) => JobError::EncodeResult { function, message },
        Failure::ResultTooLarge(len) => JobError::FrameTooLarge {
            function,
            len,
            limit: limit as u64,
        },
    }
}

fn run_one<F: ProcessFn>(
    arguments: &[u8],
    buffer: &mut Vec<u8>,
    limit: usize,
) -> Result<(), Failure> {
    let output = call::<F>(arguments)?;
    write(output, |output| {
        wire::encode(buffer, limit, &Leaves(output))
    })
}

/// Writes an item for each: what came of it, and before that a 0 for a result, a 1 for a failure.
fn run_many<F: ProcessFn>(
    arguments: &[u8],
    buffer: &mut Vec<u8>,
    limit: usize,
) -> Result<(), Failure> {
    let mut rest = arguments;
    while let Some(arguments) = wire::split_item(&mut rest) {
        let start = buffer.len();
        let done = call::<F>(arguments).and_then(|output| {
            buffer.push(0);
            write(output, |output| {
                wire::encode_item(buffer, limit, &Leaves(output))
            })
        });
        if let Err(failure) = done {
            buffer.truncate(start);
            buffer.push(1);
            wire::encode_item(buffer, limit, &failure).map_err(|error| match error {
                EncodeError::TooLarge(len) => Failure::ResultTooLarge(len),
                EncodeError::Serde(message) => Failure::EncodeResult(message),
            })?;
        }
    }
    Ok(())
}

fn call<F: ProcessFn>(arguments: &[u8]) -> Result<F::Output, Failure> {
    let ArgsCome(arguments) =
        catch_unwind(AssertUnwindSafe(|| wire::decode::<ArgsCome<F>>(arguments)))
            .unwrap_or_else(|payload| Err(format!("panicked: {}", remote_panic::text(payload))))
            .map_err(Failure::DecodeArguments)?;
    catch_unwind(AssertUnwindSafe(|| F::call(arguments))).map_err(remote_panic::describe)
}

fn write<V>(value: V, write: impl FnOnce(&V) -> Result<(), EncodeError>) -> Result<(), Failure> {
    let written = catch_unwind(AssertUnwindSafe(|| write(&value)));
    contain(|| drop(value));
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(EncodeError::TooLarge(len))) => Err(Failure::ResultTooLarge(len)),
        Ok(Err(EncodeError::Serde(message))) => Err(Failure::EncodeResult(message)),
        Err(payload) => {
            let text = remote_panic::text(payload);
            Err(Failure::EncodeResult(format!("panicked: {text}")))
        }
    }
}
