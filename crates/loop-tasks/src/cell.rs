//! The one allocation behind a loop future or a task, and counted references to it.
//!
//! A cell is a [`Header`], the outcome of type `T`, and what its kind adds: nothing for a plain future, the children
//! of a gather, the bookkeeping and the coroutine of a task. References are counted without atomics: a cell never
//! leaves its thread.
//!
//! | part | touched by | when |
//! | --- | --- | --- |
//! | `Header` | anybody who holds a reference | always; its fields are `Cell`s and `RefCell`s |
//! | `outcome` | the typed references; the poll of the task | always; a `RefCell` |
//! | `kind` (gather) | the fan-out of a cancellation | always; `Cell`s and `RefCell`s |
//! | `kind.core` (task) | this crate, through [`AnyFuture::task`] | always; `Cell`s and `RefCell`s |
//! | `kind.future` (task) | `poll` and `drop_future` of its vtable alone | while `core.has_future`; never re-entered, since `poll` is called with `core.running` set and by the step alone |

#![expect(
    unsafe_code,
    reason = "one allocation of several parts, reached through one thin pointer"
)]

use std::any::TypeId;
use std::cell::{Cell as StdCell, RefCell, UnsafeCell};
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, offset_of};
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use loop_core::LoopRef;

use crate::callbacks::Callbacks;
use crate::error::TaskError;
use crate::outcome::{Errors, Outcome, report_unretrieved};
use crate::recycle;
use crate::state::State;
use crate::task_core::TaskCore;

/// The part of a cell that does not depend on its type.
pub(crate) struct Header {
    refs: StdCell<usize>,
    vtable: &'static VTable,
    pub(crate) owner: LoopRef,
    pub(crate) state: StdCell<State>,
    pub(crate) callbacks: RefCell<Callbacks>,
    /// The place in the program that made it.
    pub(crate) place: &'static Location<'static>,
}

struct VTable {
    /// Drops the value in the cell and frees it.
    destroy: unsafe fn(NonNull<Header>),
    cancel: fn(&AnyFuture) -> bool,
    disband: fn(&AnyFuture),
    settles_itself: bool,
    outcome_type: fn() -> TypeId,
    was_cancelled: unsafe fn(NonNull<Header>) -> bool,
    /// Where the `TaskCore` stands, if the cell is a task's.
    task: Option<usize>,
    /// Polls the coroutine; when it is ready, keeps its output and says whether that is an error.
    poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Poll<bool>,
    drop_future: unsafe fn(NonNull<Header>),
    /// Takes a failure as the outcome.
    fail: unsafe fn(NonNull<Header>, TaskError),
    /// What the failure says, if the outcome is one.
    failure: unsafe fn(NonNull<Header>) -> Option<String>,
}

/// What the kinds of cells add.
pub(crate) trait Kind: Sized + 'static {
    /// The cancel hook: whether the request was accepted.
    fn cancel(&self, this: &AnyFuture) -> bool;

    /// Whether it has an outcome of its own, which nobody may set.
    const SETTLES_ITSELF: bool = false;

    /// Lets go of what refers back to this cell: its loop is closed.
    fn disband(&self, _: &AnyFuture) {}
}

#[repr(C)]
struct Cell<T, K> {
    header: Header,
    outcome: RefCell<Outcome<T>>,
    errors: StdCell<Option<Errors<T>>>,
    kind: K,
}

#[repr(C)]
struct TaskKind<F> {
    core: TaskCore,
    future: UnsafeCell<ManuallyDrop<F>>,
}

impl<F: 'static> Kind for TaskKind<F> {
    fn cancel(&self, this: &AnyFuture) -> bool {
        crate::cancel::request(this, &self.core)
    }
}

struct Functions<T, K>(PhantomData<(T, K)>);

impl<T: 'static, K: Kind> Functions<T, K> {
    const PLAIN: VTable = VTable {
        destroy: destroy::<T, K>,
        cancel: cancel::<T, K>,
        disband: disband::<T, K>,
        settles_itself: K::SETTLES_ITSELF,
        outcome_type: TypeId::of::<T>,
        was_cancelled: was_cancelled::<T>,
        task: None,
        poll: |_, _| Poll::Pending,
        drop_future: |_| {},
        fail: fail::<T>,
        failure: failure::<T>,
    };
}

struct TaskFunctions<F>(PhantomData<F>);

impl<F: Future<Output: 'static> + 'static> TaskFunctions<F> {
    const TASK: VTable = VTable {
        destroy: destroy::<F::Output, TaskKind<F>>,
        cancel: cancel::<F::Output, TaskKind<F>>,
        disband: |_| {},
        settles_itself: true,
        outcome_type: TypeId::of::<F::Output>,
        was_cancelled: was_cancelled::<F::Output>,
        task: Some(offset_of!(Cell<F::Output, TaskKind<F>>, kind) + offset_of!(TaskKind<F>, core)),
        poll: poll::<F>,
        drop_future: drop_future::<F>,
        fail: fail::<F::Output>,
        failure: failure::<F::Output>,
    };
}

/// # Safety
/// `header` must be the first field of a live `Cell<T, K>`, and the reference must not outlive it.
unsafe fn cell<'a, T, K>(header: NonNull<Header>) -> &'a Cell<T, K> {
    // SAFETY: the caller's promise; Header is the first field of a repr(C) struct, and the pointer was made from
    // the whole allocation.
    unsafe { header.cast::<Cell<T, K>>().as_ref() }
}

/// # Safety
/// As [`cell`], and nobody uses the cell afterwards.
unsafe fn destroy<T, K>(header: NonNull<Header>) {
    let cell = header.cast::<Cell<T, K>>();
    /// Gives the memory back, also when the drop of what was in it panics.
    struct Give<C>(NonNull<C>);
    impl<C> Drop for Give<C> {
        fn drop(&mut self) {
            // SAFETY: `allocate` took it, its value is dropped (or being unwound from), and nobody uses it.
            unsafe { recycle::give(self.0) }
        }
    }
    let _give = Give(cell);
    // SAFETY: the caller gives the cell up.
    unsafe { cell.drop_in_place() }
}

fn cancel<T: 'static, K: Kind>(this: &AnyFuture) -> bool {
    // SAFETY: this function stands only in the vtables of cells of this type, and `this` keeps it alive.
    unsafe { cell::<T, K>(this.0) }.kind.cancel(this)
}

fn disband<T: 'static, K: Kind>(this: &AnyFuture) {
    // SAFETY: as in `cancel`.
    unsafe { cell::<T, K>(this.0) }.kind.disband(this);
}

/// # Safety
/// As [`cell`].
unsafe fn was_cancelled<T>(header: NonNull<Header>) -> bool {
    // SAFETY: the outcome's offset does not depend on the kind (repr(C), and the kind comes last), so any will do.
    let cell = unsafe { cell::<T, ()>(header) };
    matches!(
        &*cell.outcome.borrow(),
        Outcome::Done(Err(TaskError::Cancelled(_)))
    )
}

/// # Safety
/// As [`cell`].
unsafe fn fail<T>(header: NonNull<Header>, error: TaskError) {
    // SAFETY: as in `was_cancelled`.
    let old = unsafe { cell::<T, ()>(header) }
        .outcome
        .replace(Outcome::Done(Err(error)));
    drop(old);
}

/// # Safety
/// As [`cell`].
unsafe fn failure<T>(header: NonNull<Header>) -> Option<String> {
    // SAFETY: as in `was_cancelled`.
    let cell = unsafe { cell::<T, ()>(header) };
    match &*cell.outcome.borrow() {
        Outcome::Done(Err(error)) => Some(error.to_string()),
        Outcome::Done(Ok(value)) => (cell.errors.get()?().text)(value),
        Outcome::Pending | Outcome::Taken => None,
    }
}

/// # Safety
/// As [`cell`], for a task of `F` that has its future, is marked as running, and is not being polled.
unsafe fn poll<F: Future<Output: 'static> + 'static>(
    header: NonNull<Header>,
    cx: &mut Context<'_>,
) -> Poll<bool> {
    // SAFETY: the caller's promise.
    let cell = unsafe { cell::<F::Output, TaskKind<F>>(header) };
    debug_assert!(cell.kind.core.has_future.get() && cell.kind.core.running.get());
    // SAFETY: nobody else reaches the future (table above), it never moves out of its cell, and it is dropped in
    // place; so it may be pinned.
    let future = unsafe { Pin::new_unchecked(&mut **cell.kind.future.get()) };
    let Poll::Ready(output) = future.poll(cx) else {
        return Poll::Pending;
    };
    let is_error = cell
        .errors
        .get()
        .is_some_and(|view| (view().is_error)(&output));
    *cell.outcome.borrow_mut() = Outcome::Done(Ok(output));
    Poll::Ready(is_error)
}

/// # Safety
/// As [`cell`], for a task of `F` that is not being polled.
unsafe fn drop_future<F: Future<Output: 'static> + 'static>(header: NonNull<Header>) {
    // SAFETY: the caller's promise.
    let cell = unsafe { cell::<F::Output, TaskKind<F>>(header) };
    // Cleared first: a drop that panics has happened all the same.
    if cell.kind.core.has_future.replace(false) {
        // SAFETY: the flag says that the future is there, and nobody will look at it again.
        unsafe { ManuallyDrop::drop(&mut *cell.kind.future.get()) }
    }
}

/// A new cell. What fills it is written straight into its place: a cell is a few hundred bytes, too many to make
/// elsewhere first.
#[inline(always)]
fn allocate<T, K>(
    header: Header,
    errors: Option<Errors<T>>,
    kind: impl FnOnce(*mut K),
) -> NonNull<Header> {
    let block = recycle::take::<Cell<T, K>>();
    let cell = block.as_ptr();
    // SAFETY: the block is for a cell of this type, and ours; the closures below fill the kind.
    unsafe {
        (&raw mut (*cell).header).write(header);
        (&raw mut (*cell).outcome).write(RefCell::new(Outcome::Pending));
        (&raw mut (*cell).errors).write(StdCell::new(errors));
        kind(&raw mut (*cell).kind);
    }
    block.cast()
}

#[inline(always)]
fn header(owner: LoopRef, vtable: &'static VTable, place: &'static Location<'static>) -> Header {
    Header {
        refs: StdCell::new(1),
        vtable,
        owner,
        state: StdCell::new(State::default()),
        callbacks: RefCell::default(),
        place,
    }
}

/// A counted reference to a cell of whatever type.
pub(crate) struct AnyFuture(NonNull<Header>);

impl AnyFuture {
    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: this reference keeps the cell alive.
        unsafe { self.0.as_ref() }
    }

    /// The bookkeeping of a task, if this is one.
    #[inline]
    pub(crate) fn task(&self) -> Option<&TaskCore> {
        let offset = self.header().vtable.task?;
        // SAFETY: the vtable of a task says where in its cell the core stands; the pointer was made from the whole
        // allocation, which this reference keeps alive.
        Some(unsafe { self.0.byte_add(offset).cast::<TaskCore>().as_ref() })
    }

    #[inline]
    pub(crate) fn is(&self, other: &AnyFuture) -> bool {
        self.0 == other.0
    }

    /// A number that no other living cell has.
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

    pub(crate) fn address(&self) -> usize {
        self.0.addr().get()
    }

    /// Asks for cancellation, as the kind of the future does it.
    pub(crate) fn cancel(&self) -> bool {
        (self.header().vtable.cancel)(self)
    }

    /// Polls the task's coroutine. `Ready(true)`: its output is an error.
    ///
    /// # Panics
    /// With what the coroutine panics with.
    #[inline]
    pub(crate) fn poll_task(&self, cx: &mut Context<'_>) -> Poll<bool> {
        assert!(
            self.task().is_some_and(|core| core.has_future.get()),
            "only live tasks are polled"
        );
        // SAFETY: it is a task with its future (checked); the step that calls this has set `running`, and no second
        // step begins while it is set.
        unsafe { (self.header().vtable.poll)(self.0, cx) }
    }

    #[inline]
    pub(crate) fn drop_future(&self) {
        // SAFETY: only steps and the closing of the loop call this, never from inside the poll of the same task.
        unsafe { (self.header().vtable.drop_future)(self.0) }
    }

    pub(crate) fn fail(&self, error: TaskError) {
        // SAFETY: the vtable is this cell's own.
        unsafe { (self.header().vtable.fail)(self.0, error) }
    }

    /// Whether it is a task or a gather, whose outcome nobody sets from outside.
    pub(crate) fn settles_itself(&self) -> bool {
        self.header().vtable.settles_itself
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

    #[inline]
    pub(crate) fn uncounted(&self) -> Uncounted {
        Uncounted(self.0)
    }

    fn last(&mut self) {
        let state = self.header().state.get();
        if state.is_unretrieved_failure() {
            // The handler may look at it: it lives until that is over.
            self.header().refs.set(1);
            report_unretrieved(self);
            self.header().refs.set(0);
        }
        self.drop_future();
        // SAFETY: this was the last reference.
        unsafe { (self.header().vtable.destroy)(self.0) }
    }
}

/// A reference that is not counted: for the task whose step is on the stack.
#[derive(Clone, Copy)]
pub(crate) struct Uncounted(NonNull<Header>);

impl Uncounted {
    /// Calls `f` with a counted reference in its place.
    ///
    /// # Safety
    /// A counted reference to the same cell must outlive this call.
    #[inline]
    pub(crate) unsafe fn with<R>(self, f: impl FnOnce(&AnyFuture) -> R) -> R {
        // Not dropped: it was never counted.
        f(&ManuallyDrop::new(AnyFuture(self.0)))
    }
}

impl Clone for AnyFuture {
    #[inline]
    fn clone(&self) -> Self {
        let refs = &self.header().refs;
        refs.set(refs.get() + 1);
        AnyFuture(self.0)
    }
}

impl Drop for AnyFuture {
    #[inline]
    fn drop(&mut self) {
        let refs = self.header().refs.get() - 1;
        self.header().refs.set(refs);
        if refs == 0 {
            self.last();
        }
    }
}

/// A counted reference to a cell whose outcome is a `T`.
pub(crate) struct Typed<T> {
    any: AnyFuture,
    outcome: PhantomData<*const T>,
}

impl<T: 'static> Typed<T> {
    pub(crate) fn new<K: Kind>(owner: LoopRef, kind: K, place: &'static Location<'static>) -> Self {
        let header = header(owner, const { &Functions::<T, K>::PLAIN }, place);
        // SAFETY: the place is for a `K`, and not filled yet.
        let write = |place: *mut K| unsafe { place.write(kind) };
        let any = AnyFuture(allocate::<T, K>(header, None, write));
        Typed {
            any,
            outcome: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn new_task<F: Future<Output = T> + 'static>(
        owner: LoopRef,
        core: TaskCore,
        future: F,
        errors: Option<Errors<T>>,
        place: &'static Location<'static>,
    ) -> Self {
        let header = header(owner, const { &TaskFunctions::<F>::TASK }, place);
        let write = |kind: *mut TaskKind<F>| {
            // SAFETY: the place is for the kind of a task of `F`, and not filled yet.
            unsafe {
                (&raw mut (*kind).core).write(core);
                (&raw mut (*kind).future).write(UnsafeCell::new(ManuallyDrop::new(future)));
            }
        };
        let any = AnyFuture(allocate::<T, TaskKind<F>>(header, errors, write));
        Typed {
            any,
            outcome: PhantomData,
        }
    }
}

impl<T> Typed<T> {
    #[inline]
    pub(crate) fn any(&self) -> &AnyFuture {
        &self.any
    }

    fn cell(&self) -> &Cell<T, ()> {
        // SAFETY: a Typed<T> names a cell whose outcome is a T; the offset does not depend on the kind.
        unsafe { cell::<T, ()>(self.any.0) }
    }

    #[inline]
    pub(crate) fn outcome(&self) -> &RefCell<Outcome<T>> {
        &self.cell().outcome
    }

    pub(crate) fn set_errors(&self, errors: Errors<T>) {
        self.cell().errors.set(Some(errors));
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
