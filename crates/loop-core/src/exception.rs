//! What nobody else could be told: the exception handler and what it is given.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;

use crate::EventLoop;
use crate::core::Core;

/// What went wrong, for the [exception handler](EventLoop::set_exception_handler).
///
/// # asyncio
/// The `context` dictionary; the keys are fields here.
///
/// # Examples
/// ```
/// use loop_core::{EventLoop, ExceptionContext};
/// # use std::{cell::RefCell, rc::Rc};
/// let event_loop = EventLoop::new()?;
/// let seen = Rc::new(RefCell::new(String::new()));
/// let note = Rc::clone(&seen);
/// event_loop.set_exception_handler(move |_, context| *note.borrow_mut() = context.to_string());
/// event_loop.call_exception_handler(&ExceptionContext::new("the socket broke").exception("reset"));
/// assert_eq!(*seen.borrow(), "the socket broke: reset");
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ExceptionContext {
    /// What happened.
    pub message: String,
    /// The text of the panic or the error.
    pub exception: Option<String>,
    /// The callback, as it describes itself.
    pub callback: Option<String>,
    /// The task or the future, as it describes itself.
    pub task: Option<String>,
    /// The transport, as it describes itself.
    pub transport: Option<String>,
    /// The place in the program that made it: always known for tasks and transports, in debug mode for callbacks.
    pub place: Option<&'static Location<'static>>,
}

impl ExceptionContext {
    /// Starts one with what happened.
    ///
    /// # Examples
    /// ```
    /// let context = loop_core::ExceptionContext::new("a child was lost").task("<Task-7>");
    /// assert_eq!(context.to_string(), "a child was lost\ntask: <Task-7>");
    /// ```
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        ExceptionContext {
            message: message.into(),
            ..Self::default()
        }
    }

    /// Adds the text of the panic or error.
    ///
    /// # Examples
    /// ```
    /// let context = loop_core::ExceptionContext::new("it broke").exception("text");
    /// assert_eq!(context.exception.as_deref(), Some("text"));
    /// ```
    #[must_use]
    pub fn exception(mut self, text: impl Into<String>) -> Self {
        self.exception = Some(text.into());
        self
    }

    /// Adds the callback that it happened in.
    ///
    /// # Examples
    /// ```
    /// let context = loop_core::ExceptionContext::new("it broke").callback("text");
    /// assert_eq!(context.callback.as_deref(), Some("text"));
    /// ```
    #[must_use]
    pub fn callback(mut self, text: impl Into<String>) -> Self {
        self.callback = Some(text.into());
        self
    }

    /// Adds the task that it happened to.
    ///
    /// # Examples
    /// ```
    /// let context = loop_core::ExceptionContext::new("it broke").task("text");
    /// assert_eq!(context.task.as_deref(), Some("text"));
    /// ```
    #[must_use]
    pub fn task(mut self, text: impl Into<String>) -> Self {
        self.task = Some(text.into());
        self
    }

    /// Adds the transport that it happened to.
    ///
    /// # Examples
    /// ```
    /// let context = loop_core::ExceptionContext::new("it broke").transport("text");
    /// assert_eq!(context.transport.as_deref(), Some("text"));
    /// ```
    #[must_use]
    pub fn transport(mut self, text: impl Into<String>) -> Self {
        self.transport = Some(text.into());
        self
    }

    /// Adds the place that made the task or the transport, or scheduled the callback.
    ///
    /// # Examples
    /// ```
    /// let here = std::panic::Location::caller();
    /// let context = loop_core::ExceptionContext::new("it broke").place(Some(here));
    /// assert!(context.to_string().starts_with("it broke\nmade at "));
    /// ```
    #[must_use]
    pub fn place(mut self, place: Option<&'static Location<'static>>) -> Self {
        self.place = place;
        self
    }
}

impl fmt::Display for ExceptionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(exception) = &self.exception {
            write!(f, ": {exception}")?;
        }
        if let Some(callback) = &self.callback {
            write!(f, "\ncallback: {callback}")?;
        }
        if let Some(task) = &self.task {
            write!(f, "\ntask: {task}")?;
        }
        if let Some(transport) = &self.transport {
            write!(f, "\ntransport: {transport}")?;
        }
        if let Some(place) = self.place {
            write!(f, "\nmade at {place}")?;
        }
        Ok(())
    }
}

/// The text of a panic: what `panic!` was given, if that was text.
///
/// # Examples
/// ```
/// let panic = std::panic::catch_unwind(|| panic!("no {}", "luck")).unwrap_err();
/// assert_eq!(loop_core::panic_message(&*panic), "no luck");
/// ```
#[must_use]
pub fn panic_message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a panic whose payload is not text"
    }
}

/// An exception handler, as [`EventLoop::get_exception_handler`] gives it.
pub type ExceptionHandler = Rc<dyn Fn(&EventLoop, &ExceptionContext)>;

impl EventLoop {
    /// Sets what is told of panics in callbacks, outcomes that nobody took, and tasks that were lost.
    ///
    /// By default they go to [`default_exception_handler`](Self::default_exception_handler). A handler that panics
    /// is reported there too, together with what it was told. It is given the loop: one that holds an `EventLoop`
    /// of its own keeps it open.
    ///
    /// # asyncio
    /// `loop.set_exception_handler(handler)`; `None` is [`reset_exception_handler`](Self::reset_exception_handler).
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// # use std::{cell::Cell, rc::Rc};
    /// let event_loop = EventLoop::new()?;
    /// let panics = Rc::new(Cell::new(0));
    /// let count = Rc::clone(&panics);
    /// event_loop.set_exception_handler(move |_, _| count.set(count.get() + 1));
    /// event_loop.call_soon(|| panic!("the loop goes on"))?;
    /// event_loop.run_once(None)?;
    /// assert_eq!(panics.get(), 1);
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_exception_handler(&self, handler: impl Fn(&EventLoop, &ExceptionContext) + 'static) {
        let old = self.core().handler.replace(Some(Rc::new(handler)));
        drop(old);
    }

    /// The handler that was set last: for somebody who sets one that passes on what is not for it.
    ///
    /// # asyncio
    /// `loop.get_exception_handler()`.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// assert!(event_loop.get_exception_handler().is_none());
    /// event_loop.set_exception_handler(|_, context| println!("first: {context}"));
    /// let former = event_loop.get_exception_handler();
    /// event_loop.set_exception_handler(move |event_loop, context| match &former {
    ///     Some(former) if context.message.contains("socket") => former(event_loop, context),
    ///     _ => event_loop.default_exception_handler(context),
    /// });
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get_exception_handler(&self) -> Option<ExceptionHandler> {
        self.core().handler.borrow().clone()
    }

    /// Goes back to the default handler.
    ///
    /// # Examples
    /// ```
    /// let event_loop = loop_core::EventLoop::new()?;
    /// event_loop.set_exception_handler(|_, _| {});
    /// event_loop.reset_exception_handler();
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reset_exception_handler(&self) {
        let old = self.core().handler.take();
        drop(old);
    }

    /// Tells the exception handler.
    ///
    /// # Panics
    /// Never: a panic of the handler goes to the default handler.
    ///
    /// # Examples
    /// See [`ExceptionContext`].
    pub fn call_exception_handler(&self, context: &ExceptionContext) {
        let handler = self.core().handler.borrow().clone();
        let Some(handler) = handler else {
            return self.default_exception_handler(context);
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| handler(self, context))) {
            let text = panic_message(&*panic).to_owned();
            self.default_exception_handler(
                &ExceptionContext::new("Unhandled error in exception handler").exception(text),
            );
            self.default_exception_handler(context);
            drop_quietly(panic);
        }
    }

    /// Reports through `tracing` at level `ERROR`, or on standard error if nobody subscribed to that.
    ///
    /// # Examples
    /// ```
    /// use loop_core::{EventLoop, ExceptionContext};
    /// let event_loop = EventLoop::new()?;
    /// event_loop.default_exception_handler(&ExceptionContext::new("something broke"));
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn default_exception_handler(&self, context: &ExceptionContext) {
        report(tracing::Level::ERROR, self.core(), &context.to_string());
    }
}

/// Says something to whoever reads this program's log.
pub(crate) fn report(level: tracing::Level, core: &Core, text: &str) {
    report_of(level, core.shared.id, text);
}

/// As [`report`], where only the number of the loop is at hand.
///
/// A subscriber that panics, or a standard error that nobody reads any more, must not take the loop with it.
pub(crate) fn report_of(level: tracing::Level, loop_id: u64, text: &str) {
    let said = catch_unwind(|| {
        let unheard = tracing::dispatcher::get_default(|subscriber| {
            subscriber.is::<tracing::subscriber::NoSubscriber>()
        });
        if unheard {
            eprintln!("{text}");
        } else if level == tracing::Level::ERROR {
            tracing::error!(loop_id, "{text}");
        } else {
            tracing::warn!(loop_id, "{text}");
        }
    });
    if let Err(panic) = said {
        drop_quietly(panic);
    }
}

/// Drops something of a user's whose destructor may panic, and lets no panic out.
///
/// What it panicked with is dropped in the same way. If those go on to panic when they are dropped, the eighth is
/// leaked: there may be no end to it.
///
/// # Examples
/// ```
/// struct Bomb;
/// impl Drop for Bomb {
///     fn drop(&mut self) {
///         std::panic::panic_any("no luck");
///     }
/// }
/// loop_core::drop_quietly(Bomb);
/// ```
pub fn drop_quietly<T>(value: T) {
    let mut panicked = catch_unwind(AssertUnwindSafe(|| drop(value)));
    for _ in 0..7 {
        let Err(payload) = panicked else { return };
        panicked = catch_unwind(AssertUnwindSafe(|| drop(payload)));
    }
    if let Err(payload) = panicked {
        std::mem::forget(payload);
    }
}
