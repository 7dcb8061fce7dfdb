//! What may be sent where: `Send` and `Sync` of every public type, whether they are meant to have it or not.

use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::rc::Rc;

use loop_core::{
    EventLoop, ExceptionContext, External, Handle, InvalidDelay, LoopBuilder, LoopClosed,
    LoopError, LoopHandle, LoopRef, NoCurrentLoop, NoRunningLoop, Stuck, TimerHandle, UnboundLoop,
    WakeKey, WeakLoop,
};

/// Does not compile if the type has the trait: then the name means two things.
macro_rules! lacks {
    ($type:ty: $($bound:ident),+) => {$({
        trait Ambiguous<A> {
            fn lacks() {}
        }
        impl<T: ?Sized> Ambiguous<()> for T {}
        struct Has;
        impl<T: ?Sized + $bound> Ambiguous<Has> for T {}
        <$type as Ambiguous<_>>::lacks();
    })+};
}

fn can_be_sent_and_shared<T: Send + Sync + 'static>() {}
fn can_be_sent<T: Send + 'static>() {}
fn is_an_error<T: std::error::Error + Debug + Display>() {}

#[test]
fn other_threads_may_hold_handles() {
    can_be_sent_and_shared::<LoopHandle>();
    can_be_sent_and_shared::<External>();
    can_be_sent_and_shared::<WakeKey>();
    can_be_sent_and_shared::<LoopBuilder>();
    can_be_sent::<UnboundLoop>();
}

#[test]
fn a_bound_loop_stays_on_its_thread() {
    lacks!(EventLoop: Send, Sync);
    lacks!(LoopRef: Send, Sync);
    lacks!(WeakLoop: Send, Sync);
    lacks!(Handle: Send, Sync);
    lacks!(TimerHandle: Send, Sync);
}

#[test]
fn errors_go_everywhere() {
    can_be_sent_and_shared::<LoopError>();
    can_be_sent_and_shared::<Stuck>();
    can_be_sent_and_shared::<NoRunningLoop>();
    can_be_sent_and_shared::<NoCurrentLoop>();
    can_be_sent_and_shared::<InvalidDelay>();
    can_be_sent_and_shared::<LoopClosed<fn()>>();
    can_be_sent_and_shared::<ExceptionContext>();
    is_an_error::<LoopError>();
    is_an_error::<NoRunningLoop>();
    is_an_error::<NoCurrentLoop>();
    is_an_error::<InvalidDelay>();
    is_an_error::<LoopClosed<fn()>>();
}

#[test]
fn a_refused_closure_is_what_it_was() {
    lacks!(LoopClosed<Rc<()>>: Send, Sync);
}

#[test]
fn handles_are_keys() {
    fn key<T: Eq + Hash + Clone>() {}
    key::<LoopHandle>();
    key::<WakeKey>();
    lacks!(Handle: Clone);
    lacks!(TimerHandle: Clone);
}
