//! What the cells of each type do in a way of their own: the functions behind the thin pointer.

#![expect(
    unsafe_code,
    reason = "functions of a cell's own type, reached through a pointer that has forgotten it"
)]

use std::any::TypeId;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use crate::cell::{AnyCell, AnyFuture, Cell, Header, TaskCell, body};
use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::recycle;
use crate::task_core::Flags;

pub(crate) struct VTable {
    /// What the last reference does when it goes.
    pub(crate) destroy: unsafe fn(&AnyFuture),
    pub(crate) cancel: fn(&AnyFuture) -> bool,
    pub(crate) children: fn(&AnyFuture) -> Option<Vec<AnyFuture>>,
    pub(crate) disband: fn(&AnyFuture),
    /// Whether the cell is a `TaskCell`.
    pub(crate) is_task: bool,
    pub(crate) outcome_type: fn() -> TypeId,
    pub(crate) was_cancelled: unsafe fn(NonNull<Header>) -> bool,
    /// Polls the coroutine; when it is ready, keeps its output, drops it, and says whether the output is an error.
    pub(crate) poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Poll<bool>,
    pub(crate) drop_future: unsafe fn(NonNull<Header>),
    /// Takes a failure as the outcome.
    pub(crate) fail: unsafe fn(NonNull<Header>, TaskError),
    /// What the failure says, if the outcome is one.
    pub(crate) failure: unsafe fn(NonNull<Header>) -> Option<String>,
}

/// What the kinds of cells add that are no tasks.
pub(crate) trait Kind: Sized + 'static {
    /// The cancel hook: whether the request is accepted.
    fn cancel(&self, this: &AnyFuture) -> bool;

    /// Who is asked to cancel before this one is, which is asked only if any of them accepts.
    fn children(&self, _: &AnyFuture) -> Option<Vec<AnyFuture>> {
        None
    }

    /// Whether it has an outcome of its own, which nobody may set.
    const OWN_OUTCOME: bool = false;

    /// Lets go of what refers back to this cell: its loop is closed.
    fn disband(&self, _: &AnyFuture) {}
}

pub(crate) struct Functions<T, K>(PhantomData<(T, K)>);

impl<T: 'static, K: Kind> Functions<T, K> {
    pub(crate) const PLAIN: VTable = VTable {
        destroy: destroy::<Cell<T, K>>,
        cancel: cancel::<T, K>,
        children: children::<T, K>,
        disband: disband::<T, K>,
        is_task: false,
        outcome_type: TypeId::of::<T>,
        was_cancelled: was_cancelled::<T>,
        poll: |_, _| Poll::Pending,
        drop_future: |_| {},
        fail: fail::<T>,
        failure: failure::<T>,
    };
}

pub(crate) struct TaskFunctions<F>(PhantomData<F>);

impl<F: Future<Output: 'static> + 'static> TaskFunctions<F> {
    pub(crate) const TASK: VTable = VTable {
        destroy: destroy_task::<F>,
        cancel: |_| false, // A request goes to what it waits for.
        children: |_| None,
        disband: |_| {},
        is_task: true,
        outcome_type: TypeId::of::<F::Output>,
        was_cancelled: was_cancelled::<F::Output>,
        poll: poll::<F>,
        drop_future: drop_future::<F>,
        fail: fail::<F::Output>,
        failure: failure::<F::Output>,
    };
}

/// # Safety
/// `last` must be the last reference to a live `C`, which nobody uses afterwards.
#[inline]
unsafe fn destroy<C: AnyCell>(last: &AnyFuture) {
    if last.header().state.get().is_unretrieved_failure() {
        last.report_last();
    }
    // SAFETY: the caller's promise.
    let cell = unsafe { C::of(last.pointer()) };
    /// Gives the memory back, also when the drop of what was in it panics.
    struct Give<C>(NonNull<C>);
    impl<C> Drop for Give<C> {
        #[inline(always)]
        fn drop(&mut self) {
            // SAFETY: `recycle::take` gave it, its value is dropped (or being unwound from), and nobody uses it.
            unsafe { recycle::give(self.0) }
        }
    }
    let _give = Give(cell);
    // SAFETY: the caller gives the cell up.
    unsafe { cell.drop_in_place() }
}

/// # Safety
/// `last` must be the last reference to a live `TaskCell<F>`, which nobody uses afterwards.
unsafe fn destroy_task<F: Future<Output: 'static> + 'static>(last: &AnyFuture) {
    // SAFETY: the caller's promise; nobody polls what nobody refers to.
    unsafe { drop_future::<F>(last.pointer()) }
    // SAFETY: the caller's promise.
    unsafe { destroy::<TaskCell<F>>(last) }
}

fn cancel<T: 'static, K: Kind>(this: &AnyFuture) -> bool {
    // SAFETY: this function stands only in the vtables of cells of this type, and `this` keeps it alive.
    let cell = unsafe { Cell::<T, K>::of(this.pointer()).as_ref() };
    cell.kind.cancel(this)
}

fn children<T: 'static, K: Kind>(this: &AnyFuture) -> Option<Vec<AnyFuture>> {
    // SAFETY: as in `cancel`.
    let cell = unsafe { Cell::<T, K>::of(this.pointer()).as_ref() };
    cell.kind.children(this)
}

fn disband<T: 'static, K: Kind>(this: &AnyFuture) {
    // SAFETY: as in `cancel`.
    let cell = unsafe { Cell::<T, K>::of(this.pointer()).as_ref() };
    cell.kind.disband(this);
}

/// # Safety
/// As [`body`].
unsafe fn was_cancelled<T>(header: NonNull<Header>) -> bool {
    // SAFETY: the caller's promise.
    let body = unsafe { body::<T>(header) };
    matches!(
        *body.outcome.borrow(),
        Outcome::Error(TaskError::Cancelled(_))
    )
}

/// # Safety
/// As [`body`].
unsafe fn fail<T>(header: NonNull<Header>, error: TaskError) {
    // SAFETY: the caller's promise.
    let old = unsafe { body::<T>(header) }
        .outcome
        .replace(Outcome::Error(error));
    drop(old);
}

/// # Safety
/// As [`body`].
unsafe fn failure<T>(header: NonNull<Header>) -> Option<String> {
    // SAFETY: the caller's promise.
    let body = unsafe { body::<T>(header) };
    match &*body.outcome.borrow() {
        Outcome::Error(error) => Some(error.to_string()),
        Outcome::Value(value) => (body.errors.get()?().text)(value),
        Outcome::Pending | Outcome::Taken => None,
    }
}

/// # Safety
/// `header` must be that of a live `TaskCell<F>` that has its future, is marked as running, and is not being
/// polled.
unsafe fn poll<F: Future<Output: 'static> + 'static>(
    header: NonNull<Header>,
    cx: &mut Context<'_>,
) -> Poll<bool> {
    // SAFETY: the caller's promise.
    let cell = unsafe { TaskCell::<F>::of(header).as_ref() };
    debug_assert!(cell.core().has(Flags::FUTURE) && cell.core().has(Flags::RUNNING));
    // SAFETY: nobody else reaches the future (table in `cell`), it never moves out of its cell, and it is dropped in
    // place; so it may be pinned.
    let future = unsafe { Pin::new_unchecked(&mut **cell.future.get()) };
    let Poll::Ready(output) = future.poll(cx) else {
        return Poll::Pending;
    };
    let errors = cell.body.errors.get();
    let is_error = errors.is_some_and(|view| (view().is_error)(&output));
    Outcome::settle(&cell.body.outcome, || Outcome::Value(output));
    // SAFETY: the caller's promise, and the poll is over.
    unsafe { drop_future::<F>(header) }
    Poll::Ready(is_error)
}

/// # Safety
/// `header` must be that of a live `TaskCell<F>` that is not being polled.
#[inline]
unsafe fn drop_future<F: Future<Output: 'static> + 'static>(header: NonNull<Header>) {
    // SAFETY: the caller's promise.
    let cell = unsafe { TaskCell::<F>::of(header).as_ref() };
    // Cleared first: a drop that panics has happened all the same.
    if cell.core().take(Flags::FUTURE) {
        // SAFETY: the flag says that the future is there, and nobody will look at it again.
        unsafe { ManuallyDrop::drop(&mut *cell.future.get()) }
    }
}
