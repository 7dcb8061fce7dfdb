//! Which types may leave their thread, and which may not. That this compiles is the test.

mod common;

use std::error::Error;
use std::fmt::{Debug, Display};
use std::pin::Pin;

use loop_tasks::{
    AnyLoopFuture, AnyTask, AsCompleted, CallbackToken, Cancelled, CatchCancel, Context,
    ContextToken, ContextVar, Elapsed, EmptySet, GroupClosed, GroupError, GroupFailure,
    InvalidState, Join, LoopFuture, NotActive, NotReady, Panicked, ReturnWhen, RunError, Sleep,
    Task, TaskBuilder, TaskError, TaskGroup, Timeout, TimeoutRun, Waited, YieldNow,
};

/// Fails to compile if the type is `Send` or `Sync`: then the call could mean either of two implementations.
macro_rules! stays_in_its_thread {
    ($($type:ty),+ $(,)?) => {
        $({
            trait Ambiguous<A> {
                fn check() {}
            }
            struct IfSend;
            struct IfSync;
            impl<T: ?Sized> Ambiguous<()> for T {}
            impl<T: ?Sized + Send> Ambiguous<IfSend> for T {}
            impl<T: ?Sized + Sync> Ambiguous<IfSync> for T {}
            <$type as Ambiguous<_>>::check();
        })+
    };
}

fn may_travel<T: Send + Sync + 'static>() {}

fn is_an_error<T: Error + Debug + Display + Send + Sync + 'static>() {}

fn is_unpin<T: Unpin>() {}

fn can_be_printed<T: Debug>() {}

type NotSend = std::rc::Rc<()>;
type Never = std::future::Pending<()>;

/// RUSTSEC-2023-0005 and its like: a handle that could be sent would count without atomics in two threads.
#[test]
fn what_belongs_to_a_loop_stays_in_its_thread() {
    stays_in_its_thread!(
        LoopFuture<()>,
        Task<()>,
        Join<()>,
        AnyTask,
        AnyLoopFuture,
        TaskGroup<()>,
        Timeout,
        TimeoutRun<Never>,
        AsCompleted<Task<()>>,
        Waited<Task<()>>,
        GroupError<()>,
        GroupFailure<()>,
        Sleep,
    );
}

#[test]
fn what_belongs_to_no_loop_may_travel() {
    may_travel::<Cancelled>();
    may_travel::<CallbackToken>();
    may_travel::<Context>();
    may_travel::<ContextToken<NotSend>>();
    may_travel::<ContextVar<NotSend>>();
    may_travel::<ReturnWhen>();
    may_travel::<YieldNow>();
    may_travel::<CatchCancel<Never>>();
}

/// Errors go through `?` into boxed errors, `anyhow`, and other threads.
#[test]
fn errors_are_errors_everywhere() {
    is_an_error::<TaskError>();
    is_an_error::<Panicked>();
    is_an_error::<Cancelled>();
    is_an_error::<RunError>();
    is_an_error::<NotReady>();
    is_an_error::<NotActive>();
    is_an_error::<EmptySet>();
    is_an_error::<Elapsed>();
    is_an_error::<InvalidState<String>>();
    is_an_error::<GroupClosed>();
    fn of_a_group<E: Debug>() -> impl Fn(GroupError<E>) -> String {
        |error| (&error as &dyn Error).to_string()
    }
    let _ = of_a_group::<()>();
}

/// Awaits can be moved and polled in place, so that `select` and the like need no pinning.
#[test]
fn awaits_are_unpin() {
    is_unpin::<Join<std::marker::PhantomPinned>>();
    is_unpin::<Sleep>();
    is_unpin::<YieldNow>();
    is_unpin::<Task<std::marker::PhantomPinned>>();
    is_unpin::<CatchCancel<Pin<Box<Never>>>>();
    is_unpin::<TimeoutRun<Pin<Box<Never>>>>();
}

/// Also where the result cannot be.
#[test]
fn everything_can_be_printed() {
    struct Mute;
    can_be_printed::<LoopFuture<Mute>>();
    can_be_printed::<Task<Mute>>();
    can_be_printed::<Join<Mute>>();
    can_be_printed::<AnyTask>();
    can_be_printed::<AnyLoopFuture>();
    can_be_printed::<AsCompleted<Task<Mute>>>();
    can_be_printed::<Waited<Task<Mute>>>();
    can_be_printed::<InvalidState<Mute>>();
    can_be_printed::<GroupClosed>();
    can_be_printed::<TimeoutRun<Mute>>();
    can_be_printed::<TaskBuilder>();
    can_be_printed::<Timeout>();
    can_be_printed::<TaskGroup<Mute>>();
    can_be_printed::<Sleep>();
    can_be_printed::<YieldNow>();
    can_be_printed::<Context>();
    can_be_printed::<ContextVar<Mute>>();
    can_be_printed::<ContextToken<Mute>>();
}
