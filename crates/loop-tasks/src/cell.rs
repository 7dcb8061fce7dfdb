//! The one allocation behind a loop future or a task, and counted references to it.
//!
//! A cell is a [`Header`], the outcome of type `T`, and what its kind adds: nothing for a plain future, the children
//! of a gather, the bookkeeping and the coroutine of a task. References are counted without atomics: a cell never
//! leaves its thread.
//!
//! | part | touched by | when |
//! | --- | --- | --- |
//! | `Header` | anybody who holds a reference | always; its fields are `Cell`s and `RefCell`s |
//! | `body` | the typed references; the poll of the task | always; a `RefCell` and a `Cell` |
//! | `kind` (of a gather) | the fan-out of a cancellation | always; `Cell`s and `RefCell`s |
//! | `core` (of a task) | this crate, through [`TaskRef::core`] | always; `Cell`s and `RefCell`s |
//! | `future` (of a task) | `poll` and `drop_future` of its vtable alone | while its core has [`Flags::FUTURE`]; never re-entered, since `poll` is called with [`Flags::RUNNING`] set and by the step alone |

#![expect(
    unsafe_code,
    reason = "one allocation of several parts, reached through one thin pointer"
)]

use std::any::TypeId;
use std::cell::{Cell as StdCell, RefCell, UnsafeCell};
use std::fmt;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, offset_of};
use std::ops::Deref;
use std::panic::Location;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use loop_core::{LoopRef, WakeKey};

use crate::callbacks::Callbacks;
use crate::error::TaskError;
use crate::outcome::{Errors, Outcome, report_unretrieved};
use crate::recycle;
use crate::request;
use crate::seldom::Seldom;
use crate::state::State;
use crate::task_core::{Flags, TaskCore};
use crate::vtable::{Functions, Kind, TaskFunctions, VTable};

/// The part of a cell that does not depend on its type. What is looked at together stands together.
#[repr(C)]
pub(crate) struct Header {
    vtable: &'static VTable,
    pub(crate) owner: LoopRef,
    pub(crate) callbacks: Seldom<RefCell<Callbacks>>,
    pub(crate) state: StdCell<State>,
    refs: StdCell<u32>,
    /// The place in the program that made it.
    pub(crate) place: &'static Location<'static>,
}

impl Header {
    #[inline(always)]
    fn new(
        refs: u32,
        state: State,
        owner: LoopRef,
        vtable: &'static VTable,
        place: &'static Location<'static>,
    ) -> Header {
        Header {
            refs: StdCell::new(refs),
            vtable,
            owner,
            callbacks: Seldom::default(),
            place,
            state: StdCell::new(state),
        }
    }

    #[inline]
    pub(crate) fn vtable(&self) -> &'static VTable {
        self.vtable
    }
}

/// What depends on the type of the outcome.
pub(crate) struct Body<T> {
    pub(crate) outcome: RefCell<Outcome<T>>,
    pub(crate) errors: StdCell<Option<Errors<T>>>,
}

impl<T> Body<T> {
    #[inline(always)]
    fn new(errors: Option<Errors<T>>) -> Body<T> {
        Body {
            outcome: RefCell::new(Outcome::Pending),
            errors: StdCell::new(errors),
        }
    }
}

/// What is no task.
#[repr(C)]
pub(crate) struct Cell<T, K> {
    header: Header,
    pub(crate) body: Body<T>,
    pub(crate) kind: K,
}

/// A task. Its core stands where it does in every task, whatever the type: before the header, where the pointers to a
/// cell lead. Behind the header stands the body, as in what is no task.
#[repr(C)]
pub(crate) struct TaskCell<F: Future> {
    front: TaskFront,
    pub(crate) body: Body<F::Output>,
    pub(crate) future: UnsafeCell<ManuallyDrop<F>>,
}

/// The part of every [`TaskCell`] that does not depend on its type.
#[repr(C)]
pub(crate) struct TaskFront {
    core: TaskCore,
    header: Header,
}

impl<F: Future> TaskCell<F> {
    #[inline(always)]
    pub(crate) fn core(&self) -> &TaskCore {
        &self.front.core
    }
}

/// Cells, which are named by the place of their header.
///
/// # Safety
/// `HEADER` is the offset of the header. Behind the header stands a `Body`, as near as its alignment allows.
pub(crate) unsafe trait AnyCell: Sized {
    const HEADER: usize;

    /// The cell with this header.
    ///
    /// # Safety
    /// It is the header of such a cell, and the pointer was made from the whole allocation.
    #[inline(always)]
    unsafe fn of(header: NonNull<Header>) -> NonNull<Self> {
        // SAFETY: the caller's promise; there the cell begins.
        unsafe { header.byte_sub(Self::HEADER) }.cast()
    }
}

// SAFETY: repr(C): the body is the next field.
unsafe impl<T, K> AnyCell for Cell<T, K> {
    const HEADER: usize = offset_of!(Self, header);
}

// SAFETY: repr(C), twice: the header ends where the front does, which has no alignment that the header does not have, and
// the body is the next field.
unsafe impl<F: Future> AnyCell for TaskCell<F> {
    const HEADER: usize = const {
        assert!(offset_of!(TaskFront, header) + size_of::<Header>() == size_of::<TaskFront>());
        offset_of!(TaskFront, header)
    };
}

/// The body behind a header.
///
/// # Safety
/// `header` must be that of a live cell whose outcome is a `T`, made from the whole allocation, and the reference must
/// not outlive it.
#[inline(always)]
pub(crate) unsafe fn body<'a, T>(header: NonNull<Header>) -> &'a Body<T> {
    // SAFETY: the caller's promise and that of `AnyCell`.
    unsafe {
        let mut behind = header.add(1).cast::<u8>();
        if const { align_of::<Body<T>>() > align_of::<Header>() } {
            behind = behind.add(behind.align_offset(align_of::<Body<T>>()));
        }
        behind.cast::<Body<T>>().as_ref()
    }
}

/// A counted reference to a cell of whatever type.
#[repr(transparent)]
pub struct AnyFuture(NonNull<Header>);

impl AnyFuture {
    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: this reference keeps the cell alive.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn pointer(&self) -> NonNull<Header> {
        self.0
    }

    /// The same reference as one to a task, if it is one.
    #[inline]
    pub(crate) fn as_task(&self) -> Option<&TaskRef> {
        // SAFETY: a TaskRef is an AnyFuture (repr(transparent)) whose cell is a task's, as its vtable says.
        self.header()
            .vtable
            .is_task
            .then(|| unsafe { &*std::ptr::from_ref(self).cast::<TaskRef>() })
    }

    #[inline]
    pub(crate) fn is(&self, other: &AnyFuture) -> bool {
        self.0 == other.0
    }

    /// Marks it, and says whether it was not marked before. Whoever does so unmarks it before anything else can look.
    #[inline]
    pub(crate) fn mark(&self) -> bool {
        let state = &self.header().state;
        let first = !state.get().has(State::MARKED);
        state.set(state.get() | State::MARKED);
        first
    }

    #[inline]
    pub(crate) fn unmark(&self) {
        let state = &self.header().state;
        state.set(state.get().without(State::MARKED));
    }

    /// A number that no other living cell has.
    pub(crate) fn address(&self) -> usize {
        self.0.addr().get()
    }

    /// Asks for cancellation, as the kind of the future does it.
    pub(crate) fn cancel(&self) -> bool {
        request::ask(self)
    }

    pub(crate) fn fail(&self, error: TaskError) {
        // SAFETY: the vtable is this cell's own.
        unsafe { (self.header().vtable.fail)(self.0, error) }
    }

    /// Whether it came to a cancellation: cancelled, or a gather that failed with that.
    pub(crate) fn was_cancelled(&self) -> bool {
        // SAFETY: the vtable is this cell's own.
        unsafe { (self.header().vtable.was_cancelled)(self.0) }
    }

    /// Makes a gather forget its children: its loop is closed.
    pub(crate) fn disband(&self) {
        (self.header().vtable.disband)(self);
    }

    /// The same reference with the type of its outcome, if that is `T`.
    pub(crate) fn try_typed<T: 'static>(&self) -> Option<Typed<T>> {
        let same = (self.header().vtable.outcome_type)() == TypeId::of::<T>();
        same.then(|| Typed {
            any: self.clone(),
            outcome: PhantomData,
        })
    }

    /// The same reference with the type of its outcome.
    ///
    /// # Panics
    /// If the outcome is of another type.
    pub(crate) fn typed<T: 'static>(&self) -> Typed<T> {
        self.try_typed().expect("a future's type never changes")
    }

    pub(crate) fn failure(&self) -> Option<String> {
        // SAFETY: the vtable is this cell's own.
        unsafe { (self.header().vtable.failure)(self.0) }
    }

    /// Reports a failure that nobody has looked at when the last reference goes.
    #[cold]
    pub(crate) fn report_last(&self) {
        // The handler may look at it: it lives until that is over.
        self.header().refs.set(1);
        report_unretrieved(self);
        self.header().refs.set(0);
    }
}

impl Clone for AnyFuture {
    #[inline]
    fn clone(&self) -> Self {
        let refs = &self.header().refs;
        let Some(more) = refs.get().checked_add(1) else {
            std::process::abort(); // As `Rc` does it: somebody forgets references for ever.
        };
        refs.set(more);
        AnyFuture(self.0)
    }
}

impl Drop for AnyFuture {
    #[inline]
    fn drop(&mut self) {
        let refs = self.header().refs.get() - 1;
        self.header().refs.set(refs);
        if refs == 0 {
            // SAFETY: this was the last reference; the vtable is the cell's own.
            unsafe { (self.header().vtable.destroy)(self) }
        }
    }
}

/// A counted reference to the cell of a task.
#[derive(Clone)]
#[repr(transparent)]
pub(crate) struct TaskRef(AnyFuture);

impl Deref for TaskRef {
    type Target = AnyFuture;

    #[inline]
    fn deref(&self) -> &AnyFuture {
        &self.0
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<TaskRef> for AnyFuture {
    #[inline]
    fn from(task: TaskRef) -> AnyFuture {
        task.0
    }
}

impl TaskRef {
    /// The bookkeeping of the task.
    #[inline]
    pub(crate) fn core(&self) -> &TaskCore {
        // SAFETY: the cell is a `TaskCell`, whose header is in a `TaskFront`; the pointer was made from the whole
        // allocation, which this reference keeps alive.
        unsafe {
            let front = self.0.0.byte_sub(offset_of!(TaskFront, header));
            &front.cast::<TaskFront>().as_ref().core
        }
    }

    /// Whether this is the task's own waker, and no combinator's.
    #[inline]
    pub(crate) fn wakes(&self, waker: &Waker) -> bool {
        self.header().owner.is_waker_of(self.core().key, waker)
    }

    /// Polls the task's coroutine. `Ready(true)`: its output is an error.
    ///
    /// # Panics
    /// With what the coroutine panics with.
    #[inline]
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<bool> {
        assert!(self.core().has(Flags::FUTURE), "only live tasks are polled");
        // SAFETY: it is a task with its future (checked); the step that calls this has set `RUNNING`, and no second
        // step begins while it is set.
        unsafe { (self.header().vtable.poll)(self.0.0, cx) }
    }

    #[inline]
    pub(crate) fn drop_future(&self) {
        // SAFETY: only steps and the closing of the loop call this, never from inside the poll of the same task.
        unsafe { (self.header().vtable.drop_future)(self.0.0) }
    }

    #[inline]
    pub(crate) fn uncounted(&self) -> Uncounted {
        Uncounted(self.0.0)
    }
}

/// A reference that is not counted: for the task whose step is on the stack.
///
/// Invariant: it names the cell of a task.
#[derive(Clone, Copy)]
pub(crate) struct Uncounted(NonNull<Header>);

impl Uncounted {
    /// Calls `f` with a counted reference in its place.
    ///
    /// # Safety
    /// A counted reference to the same cell must outlive this call.
    #[inline]
    pub(crate) unsafe fn with<R>(self, f: impl FnOnce(&TaskRef) -> R) -> R {
        // Not dropped: it was never counted.
        f(&ManuallyDrop::new(TaskRef(AnyFuture(self.0))))
    }
}

/// A counted reference to a cell whose outcome is a `T`.
pub(crate) struct Typed<T> {
    any: AnyFuture,
    outcome: PhantomData<*const T>,
}

/// A cell is filled in its place: it is a few hundred bytes, too many to make elsewhere first.
impl<T: 'static> Typed<T> {
    #[inline]
    pub(crate) fn new<K: Kind>(owner: LoopRef, kind: K, place: &'static Location<'static>) -> Self {
        let vtable = const { &Functions::<T, K>::PLAIN };
        let state = match K::OWN_OUTCOME {
            true => State::OWN_OUTCOME,
            false => State::default(),
        };
        let block = recycle::take::<Cell<T, K>>();
        let cell = block.as_ptr();
        // SAFETY: the place is for such a cell, and not filled yet.
        unsafe {
            (&raw mut (*cell).header).write(Header::new(1, state, owner, vtable, place));
            (&raw mut (*cell).body).write(Body::new(None));
            (&raw mut (*cell).kind).write(kind);
        }
        let any = AnyFuture(block.cast());
        let outcome = PhantomData;
        Typed { any, outcome }
    }

    /// Makes a task, and two references to it.
    #[inline(always)]
    pub(crate) fn new_task<F: Future<Output = T> + 'static>(
        owner: LoopRef,
        key: WakeKey,
        serial: u64,
        future: F,
        errors: Option<Errors<T>>,
        place: &'static Location<'static>,
    ) -> (TaskRef, Self) {
        let vtable = const { &TaskFunctions::<F>::TASK };
        let block = recycle::take::<TaskCell<F>>();
        let cell = block.as_ptr();
        // SAFETY: the place is for such a cell, and not filled yet.
        unsafe {
            (&raw mut (*cell).front.core).write(TaskCore::new(key, serial));
            (&raw mut (*cell).front.header).write(Header::new(
                2,
                State::OWN_OUTCOME,
                owner,
                vtable,
                place,
            ));
            (&raw mut (*cell).body).write(Body::new(errors));
            (&raw mut (*cell).future).write(UnsafeCell::new(ManuallyDrop::new(future)));
        }
        // SAFETY: the header is in the place.
        let header = unsafe { block.byte_add(TaskCell::<F>::HEADER) }.cast();
        // As many as the header counts.
        let task = TaskRef(AnyFuture(header));
        let any = AnyFuture(header);
        let outcome = PhantomData;
        (task, Typed { any, outcome })
    }
}

impl<T> Typed<T> {
    #[inline]
    pub(crate) fn any(&self) -> &AnyFuture {
        &self.any
    }

    #[inline]
    fn body(&self) -> &Body<T> {
        // SAFETY: a Typed<T> names a cell whose outcome is a T, and keeps it alive.
        unsafe { body::<T>(self.any.0) }
    }

    #[inline]
    pub(crate) fn outcome(&self) -> &RefCell<Outcome<T>> {
        &self.body().outcome
    }

    pub(crate) fn set_errors(&self, errors: Errors<T>) {
        self.body().errors.set(Some(errors));
    }
}

impl<T> Clone for Typed<T> {
    #[inline]
    fn clone(&self) -> Self {
        Typed {
            any: self.any.clone(),
            outcome: PhantomData,
        }
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    /// A program may have a million of them: with what the allocator adds, a block of 208 bytes.
    #[test]
    fn a_task_that_sleeps_is_two_hundred_bytes() {
        assert!(size_of::<TaskCell<crate::Sleep>>() <= 200);
    }
}
