//! What can go wrong in a group.

use std::cell::{Ref, RefCell};
use std::error::Error;
use std::fmt;
use std::io;
use std::rc::Rc;

use crate::error::Panicked;
use crate::future::LoopFuture;
use crate::outcome::Outcome;

/// The group takes no more tasks: the coroutine was dropped, and has not begun.
///
/// With `?` it becomes whatever an application calls its error; a coroutine in it, which is hardly ever `Send`, would
/// be in the way. Who wants to keep a coroutine asks [`is_closed`](crate::TaskGroup::is_closed) first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupClosed;

impl fmt::Display for GroupClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskGroup is shutting down or finished: it takes no more tasks")
    }
}

impl Error for GroupClosed {}

impl From<GroupClosed> for io::Error {
    fn from(error: GroupClosed) -> io::Error {
        io::Error::other(error)
    }
}

/// What failed in a [`TaskGroup`](crate::TaskGroup).
///
/// It prints asyncio's words, and behind them what failed. The errors stay in their tasks, so it stays on its thread.
/// To get them out:
/// - [`into_failures`](GroupError::into_failures) gives them one by one;
/// - `?` makes an [`io::Error`] of [`io::Error`]s, of the kind of the first;
/// - `.map_err(GroupError::into_errors)?` is for boxed errors and their like that are `Send`, as that of `anyhow`.
///
/// # asyncio
/// `ExceptionGroup('unhandled errors in a TaskGroup', errors)`.
///
/// # Examples
/// ```
/// use std::io;
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, TaskGroup};
/// async fn fetch_all() -> io::Result<()> {
///     TaskGroup::scope(async |group| {
///         group.create_task(async { Err::<(), _>(io::Error::from(io::ErrorKind::NotFound)) })?;
///         Ok(())
///     })
///     .await?;
///     Ok(())
/// }
/// let event_loop = EventLoop::new()?;
/// let error = event_loop.run_until_complete(fetch_all())?.unwrap_err();
/// assert_eq!(error.kind(), io::ErrorKind::NotFound);
/// let text = "unhandled errors in a TaskGroup (1 sub-exception): entity not found";
/// assert_eq!(error.to_string(), text);
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct GroupError<E> {
    failures: Vec<GroupFailure<E>>,
}

impl<E> GroupError<E> {
    pub(crate) fn new(failures: Vec<GroupFailure<E>>) -> GroupError<E> {
        GroupError { failures }
    }

    /// The failures: of the tasks in the order in which they failed, then of the body.
    ///
    /// # Examples
    /// See [`TaskGroup`](crate::TaskGroup).
    #[must_use]
    pub fn failures(&self) -> &[GroupFailure<E>] {
        &self.failures
    }

    /// Whether nothing failed: the group was ended by [`TaskGroup::cancel`](crate::TaskGroup::cancel) before its body
    /// had a value.
    ///
    /// # Examples
    /// See [`TaskGroup::cancel`](crate::TaskGroup::cancel).
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.failures.is_empty()
    }

    /// The failures themselves.
    ///
    /// # Examples
    /// See [`GroupFailure::into_error`].
    #[must_use]
    pub fn into_failures(self) -> Vec<GroupFailure<E>> {
        self.failures
    }

    /// The errors, moved out of their tasks, as one error that can go wherever they can: with `?` into a
    /// `Box<dyn Error + Send + Sync>`, or an error of `anyhow` or the like.
    ///
    /// # Examples
    /// ```
    /// use std::error::Error;
    /// use loop_core::EventLoop;
    /// use loop_tasks::{GroupError, LoopExt, TaskGroup};
    /// async fn parse_all() -> Result<(), Box<dyn Error + Send + Sync>> {
    ///     TaskGroup::scope(async |group| {
    ///         group.create_task(async { "x".parse::<u32>() }).unwrap();
    ///         Ok(())
    ///     })
    ///     .await
    ///     .map_err(GroupError::into_errors)?;
    ///     Ok(())
    /// }
    /// let event_loop = EventLoop::new()?;
    /// let error = event_loop.run_until_complete(parse_all())?.unwrap_err();
    /// let text = "unhandled errors in a TaskGroup (1 sub-exception): invalid digit found in string";
    /// assert_eq!(error.to_string(), text);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn into_errors(self) -> GroupErrors<E>
    where
        E: fmt::Display,
    {
        let text = self.text(|error| format!("{error:#}"));
        let failures = self.failures.into_iter();
        GroupErrors {
            text,
            errors: failures.filter_map(GroupFailure::into_error).collect(),
        }
    }

    /// asyncio's words, then what failed, in the words of `print`.
    fn text(&self, print: impl Fn(&E) -> String) -> String {
        let n = self.failures.len();
        if n == 0 {
            return String::from("TaskGroup was cancelled before its body had ended");
        }
        let s = if n == 1 { "" } else { "s" };
        let failures = self.failures.iter().map(|failure| failure.text(&print));
        let failures = failures.collect::<Vec<_>>().join("; ");
        format!("unhandled errors in a TaskGroup ({n} sub-exception{s}): {failures}")
    }
}

impl<E: fmt::Debug> fmt::Display for GroupError<E> {
    /// The errors as their `Debug` prints them, since not every error can do more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(|error| format!("{error:?}")))
    }
}

impl<E: fmt::Debug> Error for GroupError<E> {}

impl From<GroupError<io::Error>> for io::Error {
    fn from(error: GroupError<io::Error>) -> io::Error {
        let mut errors = error.failures.iter().filter_map(GroupFailure::error);
        let kind = errors
            .next()
            .map_or(io::ErrorKind::Other, |first| first.kind());
        io::Error::new(kind, error.text(io::Error::to_string))
    }
}

/// The errors of a [`GroupError`], out of their tasks: see [`GroupError::into_errors`].
///
/// It prints what that prints, in the errors' own words, which are those of `{:#}`: with their causes, if they tell them
/// then, as those of `anyhow` do. A panic is in the text alone.
#[derive(Debug)]
pub struct GroupErrors<E> {
    text: String,
    errors: Vec<E>,
}

impl<E> GroupErrors<E> {
    /// The errors: of the tasks in the order in which they failed, then of the body.
    ///
    /// # Examples
    /// See [`into_inner`](GroupErrors::into_inner).
    #[must_use]
    pub fn errors(&self) -> &[E] {
        &self.errors
    }

    /// The errors themselves.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{GroupError, LoopExt, TaskGroup};
    /// let event_loop = EventLoop::new()?;
    /// let scope = TaskGroup::scope(async |_| Err::<(), _>(String::from("body")));
    /// let errors = event_loop.run_until_complete(scope)?.map_err(GroupError::into_errors).unwrap_err();
    /// assert_eq!(errors.errors(), ["body"]);
    /// let from_anywhere = std::thread::spawn(move || errors.into_inner());
    /// assert_eq!(from_anywhere.join().unwrap(), ["body"]);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn into_inner(self) -> Vec<E> {
        self.errors
    }
}

impl<E> fmt::Display for GroupErrors<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<E: fmt::Debug> Error for GroupErrors<E> {}

/// One failure in a [`GroupError`]: the error of a task or of the body, or a panic.
///
/// A task's error stays in its task, so that whoever holds the task still finds it there.
pub struct GroupFailure<E>(pub(crate) Failure<E>);

pub(crate) enum Failure<E> {
    Own(RefCell<Option<E>>),
    Child(Rc<dyn Holds<E>>),
    Panicked(Panicked),
}

/// A future whose outcome is an `E`, whatever else it might have been.
pub(crate) trait Holds<E> {
    fn borrow(&self) -> Option<Ref<'_, E>>;
    fn take(&self) -> Option<E>;
}

impl<V: 'static, E: 'static> Holds<E> for LoopFuture<Result<V, E>> {
    fn borrow(&self) -> Option<Ref<'_, E>> {
        Ref::filter_map(self.typed().outcome().borrow(), |outcome| match outcome {
            Outcome::Value(Err(error)) => Some(error),
            _ => None,
        })
        .ok()
    }

    fn take(&self) -> Option<E> {
        match self.extract(None) {
            Ok(Err(error)) => Some(error),
            _ => None,
        }
    }
}

impl<E> GroupFailure<E> {
    /// The error; `None` if it was a panic, or if somebody has moved the task's result out.
    ///
    /// # Examples
    /// See [`TaskGroup`](crate::TaskGroup).
    #[must_use]
    pub fn error(&self) -> Option<Ref<'_, E>> {
        match &self.0 {
            Failure::Own(error) => Ref::filter_map(error.borrow(), Option::as_ref).ok(),
            Failure::Child(child) => child.borrow(),
            Failure::Panicked(_) => None,
        }
    }

    /// The panic, if it was one.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, TaskGroup};
    /// let event_loop = EventLoop::new()?;
    /// let error = event_loop
    ///     .run_until_complete(TaskGroup::<()>::scope(async |group| {
    ///         group.create_task(async { if true { panic!("oh") } else { Ok(()) } }).unwrap();
    ///         Ok(())
    ///     }))?
    ///     .unwrap_err();
    /// assert_eq!(error.failures()[0].panicked().unwrap().message(), "oh");
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn panicked(&self) -> Option<&Panicked> {
        match &self.0 {
            Failure::Panicked(panicked) => Some(panicked),
            Failure::Own(_) | Failure::Child(_) => None,
        }
    }

    /// Moves the error out, also out of its task. `None` as with [`error`](GroupFailure::error).
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, TaskGroup};
    /// let event_loop = EventLoop::new()?;
    /// let error = event_loop
    ///     .run_until_complete(TaskGroup::scope(async |_| Err::<(), _>(String::from("body"))))?
    ///     .unwrap_err();
    /// let errors: Vec<_> = error.into_failures().into_iter().filter_map(|f| f.into_error()).collect();
    /// assert_eq!(errors, ["body"]);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn into_error(self) -> Option<E> {
        match self.0 {
            Failure::Own(error) => error.into_inner(),
            Failure::Child(child) => child.take(),
            Failure::Panicked(_) => None,
        }
    }

    fn text(&self, print: impl Fn(&E) -> String) -> String {
        match (self.panicked(), self.error()) {
            (Some(panicked), _) => panicked.to_string(),
            (None, Some(error)) => print(&error),
            (None, None) => String::from("(moved out)"),
        }
    }
}

impl<E: fmt::Display> fmt::Display for GroupFailure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(E::to_string))
    }
}

impl<E: fmt::Debug> fmt::Debug for GroupFailure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.panicked(), self.error()) {
            (Some(panicked), _) => panicked.fmt(f),
            (None, Some(error)) => error.fmt(f),
            (None, None) => f.write_str("(moved out)"),
        }
    }
}
