//! Many results in one future.

use std::panic::Location;

use loop_core::EventLoop;

use crate::any_future::AnyLoopFuture;
use crate::ensure::{EnsureFuture, Share};
use crate::error::TaskError;
use crate::future::LoopFuture;
use crate::gathering::{Collect, start};
use crate::outcome::Outcome;

/// Waits for all of them and gives every outcome, in the order given.
///
/// Coroutines become tasks. Nothing is awaited yet when this returns: the result is a future like any other, which can
/// be awaited, cancelled and shared. Cancelling it cancels every child, and it then fails with
/// [`TaskError::Cancelled`] when all are done; that a child is cancelled is only that child's outcome.
///
/// The value of a coroutine is moved out of its task when all are done, and so is that of a task or future that is
/// given by value; given by reference (`gather(&tasks)`) it is cloned, and stays in its task. The same one may be given
/// more than once: by reference each place has a clone; by value the first place has the value, and the others are
/// [`TaskError::Taken`].
///
/// # Panics
/// If no loop is running in this thread and none is current.
///
/// # Ordering
/// It hears of a child through its done callback, so a child's own callbacks, which were added earlier, run first.
/// Children that are done already are counted at once. One that another loop would have to settle makes it
/// [`TaskError::WrongLoop`] at once.
///
/// # asyncio
/// `asyncio.gather(*aws, return_exceptions=True)`. For the other form see [`try_gather`]; for mixed types,
/// [`gather!`](macro@crate::gather).
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, gather, sleep_result};
/// let event_loop = EventLoop::builder().virtual_clock().build()?;
/// let results = event_loop.run_until_complete(async {
///     gather([3, 1, 2].map(|n| sleep_result(Duration::from_secs(n), n))).await
/// })?;
/// let values: Vec<u64> = results?.into_iter().map(Result::unwrap).collect();
/// assert_eq!(values, [3, 1, 2]);
///
/// let files = event_loop.run_until_complete(async {
///     gather(["Cargo.toml", "no/such/file"].map(|path| async move { std::fs::File::open(path) })).await
/// })??;
/// let opened = files.into_iter().filter(|file| matches!(file, Ok(Ok(_)))).count();
/// assert_eq!(opened, 1);
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn gather<A>(
    awaitables: impl IntoIterator<Item = A>,
) -> LoopFuture<Vec<Result<A::Output, TaskError>>>
where
    A: EnsureFuture,
{
    let (event_loop, children) = ensure_all(awaitables);
    let any = children.futures.iter().map(|child| child.any().clone());
    start(
        &event_loop,
        any.collect(),
        Outcomes(children),
        Location::caller(),
    )
}

/// Waits for all of them and gives their values in the order given, or the first error as soon as there is one.
///
/// After an error the other children go on, and keep their values. A child that is cancelled or panics makes the gather
/// fail with that, and so does one whose value somebody else has taken. For the rest see [`gather`](fn@gather).
///
/// # Panics
/// As [`gather`](fn@gather).
///
/// # asyncio
/// `asyncio.gather(*aws)`.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, try_gather};
/// let event_loop = EventLoop::new()?;
/// let result = event_loop.run_until_complete(async {
///     try_gather(["1", "2", "x"].map(|s| async move { s.parse::<i32>() })).await
/// })?;
/// assert!(result?.is_err());
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn try_gather<A, V, E>(awaitables: impl IntoIterator<Item = A>) -> LoopFuture<Result<Vec<V>, E>>
where
    A: EnsureFuture<Output = Result<V, E>>,
    V: 'static,
    E: 'static,
{
    let (event_loop, children) = ensure_all(awaitables);
    let any = children.futures.iter().map(|child| child.any().clone());
    start(
        &event_loop,
        any.collect(),
        Values(children),
        Location::caller(),
    )
}

/// The general form: waits for futures of any types, and asks `collect` what came of them.
///
/// `collect` is called with `Some(index)` whenever a child is done, in the order in which that becomes known, and
/// may settle the gather early; when all are done and it has not, it is called with `None` and must. If it does not,
/// or panics, that is the outcome: [`TaskError::Panicked`].
///
/// # Panics
/// If no loop is running in this thread and none is current.
///
/// # Ordering
/// As [`gather`](fn@gather).
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, create_task, gather_with};
/// let event_loop = EventLoop::new()?;
/// let sum = event_loop.run_until_complete(async {
///     let (a, b) = (create_task(async { 1 }), create_task(async { "2".to_owned() }));
///     let children = [a.erase_future(), b.erase_future()];
///     gather_with(children, move |heard| match heard {
///         Some(_) => None,
///         None => {
///             let b = b.result().unwrap().unwrap();
///             Some(Ok(a.result().unwrap().unwrap() + b.parse::<i32>().unwrap()))
///         }
///     })
///     .await
/// })?;
/// assert_eq!(sum?, 3);
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn gather_with<R: 'static>(
    children: impl IntoIterator<Item = AnyLoopFuture>,
    collect: impl Fn(Option<usize>) -> Option<Result<R, TaskError>> + 'static,
) -> LoopFuture<R> {
    let children = children.into_iter().map(|child| child.0).collect();
    start(
        &gathering_loop(),
        children,
        With(collect),
        Location::caller(),
    )
}

/// As [`gather_with`], for an outcome that is a `Result`: an `Err` counts as a failure of the gather, as with
/// [`try_gather`].
///
/// # Panics
/// As [`gather_with`].
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, create_task, try_gather_with};
/// let event_loop = EventLoop::new()?;
/// let failed = event_loop.run_until_complete(async {
///     let number = create_task(async { "x".parse::<i32>() });
///     let gather = try_gather_with([number.erase_future()], move |_| number.result().ok());
///     let _ = (&gather).await;
///     gather.failed()
/// })?;
/// assert!(failed);
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn try_gather_with<V: 'static, E: 'static>(
    children: impl IntoIterator<Item = AnyLoopFuture>,
    collect: impl Fn(Option<usize>) -> Option<Result<Result<V, E>, TaskError>> + 'static,
) -> LoopFuture<Result<V, E>> {
    let children = children.into_iter().map(|child| child.0).collect();
    start(
        &gathering_loop(),
        children,
        TryWith(collect),
        Location::caller(),
    )
}

/// Waits for awaitables of different types and gives a tuple of their outcomes, each a `Result<_, TaskError>`.
///
/// Otherwise as [`gather`](fn@gather).
///
/// # asyncio
/// `asyncio.gather(a, b, c, return_exceptions=True)`.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, gather};
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     let (number, text) = gather!(async { 1 }, async { "two".to_owned() }).await.unwrap();
///     assert_eq!((number.unwrap(), text.unwrap().as_str()), (1, "two"));
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[macro_export]
macro_rules! gather {
    ($($awaitable:expr),+ $(,)?) => {
        $crate::GatherTuple::gather(($($awaitable,)+))
    };
}

/// A tuple of awaitables: what [`gather!`](macro@crate::gather) takes.
pub trait GatherTuple {
    /// The tuple of their outcomes.
    type Outcomes: 'static;

    /// Waits for all of them.
    ///
    /// # Examples
    /// See [`gather!`](macro@crate::gather).
    fn gather(self) -> LoopFuture<Self::Outcomes>;
}

macro_rules! gather_tuple {
    ($($name:ident $index:tt),+) => {
        impl<$($name: EnsureFuture),+> GatherTuple for ($($name,)+) {
            type Outcomes = ($(Result<$name::Output, TaskError>,)+);

            #[track_caller]
            fn gather(self) -> LoopFuture<Self::Outcomes> {
                let event_loop = gathering_loop();
                let handles = ($(self.$index.ensure_future(&event_loop).as_ref().clone(),)+);
                let children = vec![$(handles.$index.any().clone()),+];
                let collect = With(move |heard: Option<usize>| match heard {
                    Some(_) => None,
                    None => Some(Ok(($(handles.$index.extract($name::share()),)+))),
                });
                start(&event_loop, children, collect, Location::caller())
            }
        }
    };
}

gather_tuple!(A 0);
gather_tuple!(A 0, B 1);
gather_tuple!(A 0, B 1, C 2);
gather_tuple!(A 0, B 1, C 2, D 3);
gather_tuple!(A 0, B 1, C 2, D 3, E 4);
gather_tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
gather_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
gather_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

#[track_caller]
fn gathering_loop() -> EventLoop {
    match loop_core::get_event_loop() {
        Ok(event_loop) => event_loop,
        Err(error) => panic!("{error} gather needs a loop that is running or current"),
    }
}

/// Children of one type.
struct Children<T> {
    futures: Vec<LoopFuture<T>>,
    share: Option<Share<T>>,
}

impl<T> Children<T> {
    fn outcomes(&self) -> impl Iterator<Item = Result<T, TaskError>> {
        self.futures.iter().map(|child| child.extract(self.share))
    }
}

#[track_caller]
fn ensure_all<A: EnsureFuture>(
    awaitables: impl IntoIterator<Item = A>,
) -> (EventLoop, Children<A::Output>) {
    let event_loop = gathering_loop();
    // A loop and not a closure: the place that made a task is that of the caller.
    let mut futures = Vec::new();
    for awaitable in awaitables {
        futures.push(awaitable.ensure_future(&event_loop).as_ref().clone());
    }
    let share = A::share();
    (event_loop, Children { futures, share })
}

struct Outcomes<T>(Children<T>);

impl<T: 'static> Collect<Vec<Result<T, TaskError>>> for Outcomes<T> {
    fn child(&self, _: usize) -> Option<Result<Vec<Result<T, TaskError>>, TaskError>> {
        None
    }

    fn all(&self) -> Result<Vec<Result<T, TaskError>>, TaskError> {
        Ok(self.0.outcomes().collect())
    }
}

struct Values<V, E>(Children<Result<V, E>>);

impl<V: 'static, E: 'static> Collect<Result<Vec<V>, E>> for Values<V, E> {
    fn child(&self, index: usize) -> Option<Result<Result<Vec<V>, E>, TaskError>> {
        let child = &self.0.futures[index];
        // A value stays where it is until all have one.
        let has_value = matches!(&*child.typed().outcome().borrow(), Outcome::Value(Ok(_)));
        if has_value {
            return None;
        }
        let outcome = child.extract(self.0.share);
        Some(outcome.map(|result| result.map(|_| Vec::new())))
    }

    fn all(&self) -> Result<Result<Vec<V>, E>, TaskError> {
        let mut values = Vec::with_capacity(self.0.futures.len());
        for outcome in self.0.outcomes() {
            match outcome? {
                Ok(value) => values.push(value),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(values))
    }

    fn failed(&self, outcome: &Result<Result<Vec<V>, E>, TaskError>) -> bool {
        !matches!(outcome, Ok(Ok(_)))
    }
}

struct TryWith<C>(C);

impl<V, E, C> Collect<Result<V, E>> for TryWith<C>
where
    C: Fn(Option<usize>) -> Option<Result<Result<V, E>, TaskError>> + 'static,
{
    fn child(&self, index: usize) -> Option<Result<Result<V, E>, TaskError>> {
        (self.0)(Some(index))
    }

    fn all(&self) -> Result<Result<V, E>, TaskError> {
        (self.0)(None).expect(ALL_ARE_DONE)
    }

    fn failed(&self, outcome: &Result<Result<V, E>, TaskError>) -> bool {
        !matches!(outcome, Ok(Ok(_)))
    }
}

const ALL_ARE_DONE: &str = "when all children are done, a gather has to come to something";

struct With<C>(C);

impl<R, C: Fn(Option<usize>) -> Option<Result<R, TaskError>> + 'static> Collect<R> for With<C> {
    fn child(&self, index: usize) -> Option<Result<R, TaskError>> {
        (self.0)(Some(index))
    }

    fn all(&self) -> Result<R, TaskError> {
        (self.0)(None).expect(ALL_ARE_DONE)
    }
}
