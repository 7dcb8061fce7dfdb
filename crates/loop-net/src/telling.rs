//! Calling a protocol, which is the program's: reports of the loop name its method, and a panic in it harms nobody else.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

use loop_core::{ExceptionContext, LoopRef, drop_quietly, panic_message};
use loop_tasks::Context;

/// The call that made a transport, or the server of it.
pub(crate) type Place = &'static Location<'static>;

/// A call of a protocol's method.
pub(crate) struct Telling<'a> {
    pub(crate) owner: &'a LoopRef,
    pub(crate) place: Place,
    pub(crate) method: &'static str,
    /// That of the protocol.
    pub(crate) type_name: &'static str,
    /// Which of all those that were made at the place, if that can be said.
    pub(crate) transport: Option<&'a dyn fmt::Debug>,
}

impl Telling<'_> {
    /// Calls it. A panic in it is reported in asyncio's words, and is the error that ends the transport.
    #[inline]
    pub(crate) fn call<R>(&self, call: impl FnOnce() -> R) -> io::Result<R> {
        self.attempt(call).map_err(|panic| {
            let what = format!("protocol.{}() call failed", self.method);
            let error = io::Error::other(format!("{what}: {}", panic_message(&*panic)));
            self.report(format!("Fatal error: {what}"), panic);
            error
        })
    }

    /// As [`call`](Self::call), where a panic changes nothing for the transport.
    pub(crate) fn call_quietly(&self, call: impl FnOnce()) {
        if let Err(panic) = self.attempt(call) {
            self.report(format!("protocol.{}() failed", self.method), panic);
        }
    }

    /// As [`call_quietly`](Self::call_quietly), in a callback of its own, with the context variables of now: whoever
    /// calls may be in the middle of something.
    pub(crate) fn call_soon(&self, call: impl FnOnce() + 'static) {
        let &Telling {
            place,
            method,
            type_name,
            ..
        } = self;
        let owner = self.owner.clone();
        let call = Context::current().wrap(move || {
            let telling = Telling {
                owner: &owner,
                place,
                method,
                type_name,
                transport: None,
            };
            telling.call_quietly(call);
        });
        // A closed loop tells nobody.
        let _ = self.owner.event_loop().call_soon(call);
    }

    #[inline]
    fn attempt<R>(&self, call: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
        let call = || catch_unwind(AssertUnwindSafe(call));
        self.owner.call_as(self, Some(self.place), call)
    }

    #[cold]
    fn report(&self, message: String, panic: Box<dyn Any + Send>) {
        let mut context = ExceptionContext::new(message)
            .exception(panic_message(&*panic))
            .callback(self.to_string())
            .place(Some(self.place));
        if let Some(transport) = self.transport {
            // A connection of the program's describes itself.
            match catch_unwind(AssertUnwindSafe(|| format!("{transport:?}"))) {
                Ok(text) => context = context.transport(text),
                Err(another) => drop_quietly(another),
            }
        }
        self.owner.event_loop().call_exception_handler(&context);
        drop_quietly(panic);
    }
}

impl fmt::Display for Telling<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.method, self.type_name)
    }
}
