//! Context variables: values that a task inherits from whoever makes it.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::current;

thread_local! {
    /// The context outside of tasks.
    static BASE: RefCell<Context> = const { RefCell::new(Context(None)) };
}

type Values = Vec<(usize, Arc<dyn Any + Send + Sync>)>;

/// The values of all context variables at one moment: an immutable snapshot that is cheap to clone and to send.
///
/// A task gets that of its maker, and what it sets changes only its own. Callbacks that are not tasks have the
/// context of their thread, unless they are [wrapped](Context::wrap) in one.
///
/// # asyncio
/// `contextvars.Context`. There, callbacks capture one by themselves.
///
/// # Examples
/// ```
/// use loop_tasks::{Context, ContextVar};
/// static REQUEST: ContextVar<u32> = ContextVar::new();
/// let token = REQUEST.set(7);
/// let context = Context::current();
/// REQUEST.reset(token);
/// assert_eq!(REQUEST.get(), None);
/// let seen = std::thread::spawn(move || context.run(|| REQUEST.get())).join().unwrap();
/// assert_eq!(seen, Some(7));
/// ```
#[derive(Clone, Default)]
pub struct Context(Option<Arc<Values>>);

impl Context {
    /// The context of the running task, or of the thread.
    ///
    /// # asyncio
    /// `contextvars.copy_context()`.
    ///
    /// # Examples
    /// See [`Context`].
    #[must_use]
    pub fn current() -> Context {
        with(|context| context.clone())
    }

    /// Whether the context of the running task is empty, as far as can be told without looking.
    #[inline]
    pub(crate) fn is_plain() -> bool {
        current::with_current(|task| task.core().is_plain()) == Some(true)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Calls `f` with this as the context, outside of any task's; what `f` sets is gone afterwards.
    ///
    /// # asyncio
    /// `Context.run(f)`, which keeps what `f` sets.
    ///
    /// # Examples
    /// See [`Context`].
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        /// Puts the former context back, also after a panic.
        struct Restore(Option<Context>);
        impl Drop for Restore {
            fn drop(&mut self) {
                if let Some(context) = self.0.take() {
                    let ours = replace(context);
                    drop(ours);
                }
            }
        }
        let _restore = Restore(Some(replace(self.clone())));
        f()
    }

    /// Makes a callback that runs with this as the context.
    ///
    /// # asyncio
    /// `loop.call_soon(f, context=context)`.
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{Context, ContextVar, LoopExt};
    /// static REQUEST: ContextVar<u32> = ContextVar::new();
    /// let event_loop = EventLoop::new()?;
    /// let me = event_loop.clone();
    /// event_loop.run_until_complete(async move {
    ///     REQUEST.set(7);
    ///     me.call_soon(Context::current().wrap(|| assert_eq!(REQUEST.get(), Some(7)))).unwrap();
    ///     me.call_soon(|| assert_eq!(REQUEST.get(), None)).unwrap();
    ///     loop_tasks::yield_now().await;
    /// })?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "it only makes a callback"]
    pub fn wrap<R>(self, f: impl FnOnce() -> R) -> impl FnOnce() -> R {
        move || self.run(f)
    }

    fn find(&self, key: usize) -> Option<&Arc<dyn Any + Send + Sync>> {
        self.0
            .as_ref()?
            .iter()
            .find(|(other, _)| *other == key)
            .map(|(_, value)| value)
    }

    fn put(&mut self, key: usize, value: Option<Arc<dyn Any + Send + Sync>>) {
        let values = Arc::make_mut(self.0.get_or_insert_default());
        values.retain(|(other, _)| *other != key);
        values.extend(value.map(|value| (key, value)));
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "<Context of {} variables>",
            self.0.as_ref().map_or(0, |values| values.len())
        )
    }
}

/// Calls `f` with the context that counts here.
#[inline]
fn with<R>(f: impl FnOnce(&mut Context) -> R) -> R {
    let mut f = Some(f);
    let mut call = |context: &mut Context| f.take().map(|f| f(context));
    current::with_current(|task| task.core().with_context(&mut call))
        .flatten()
        .or_else(|| {
            let base = BASE.try_with(|base| call(&mut base.borrow_mut()));
            base.ok().flatten()
        })
        // The thread is ending, and what it had set is gone.
        .or_else(|| call(&mut Context::default()))
        .expect("the last of the three is always there")
}

fn replace(context: Context) -> Context {
    with(|current| std::mem::replace(current, context))
}

/// A variable whose value a task inherits from whoever makes it, and changes for itself and its own tasks alone.
///
/// It is a `static`, and its address is its name.
///
/// # asyncio
/// `contextvars.ContextVar`.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_tasks::{ContextVar, LoopExt, create_task};
/// static USER: ContextVar<&str> = ContextVar::new();
/// let event_loop = EventLoop::new()?;
/// event_loop.run_until_complete(async {
///     USER.set("ada");
///     let child = create_task(async {
///         let inherited = USER.get();
///         USER.set("grace");
///         inherited
///     });
///     assert_eq!(child.await.unwrap(), Some("ada"));
///     assert_eq!(USER.get(), Some("ada"));
/// })?;
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ContextVar<T> {
    /// Not empty, so that no two variables have the same address.
    _address: u8,
    value: PhantomData<fn() -> T>,
}

impl<T: Clone + Send + Sync + 'static> ContextVar<T> {
    /// Makes a variable without a value, for a `static`.
    ///
    /// # Examples
    /// See [`ContextVar`].
    #[must_use]
    pub const fn new() -> ContextVar<T> {
        ContextVar {
            _address: 0,
            value: PhantomData,
        }
    }

    fn key(&'static self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The value in this context, if one was set in it or inherited.
    ///
    /// # asyncio
    /// `var.get(None)`.
    ///
    /// # Examples
    /// See [`ContextVar`].
    #[must_use]
    pub fn get(&'static self) -> Option<T> {
        // Cloned when nothing is borrowed: a clone is user code.
        let value = with(|context| context.find(self.key()).cloned())?;
        value.downcast_ref::<T>().cloned()
    }

    /// Sets the value in this context and gives a token for [`reset`](ContextVar::reset).
    ///
    /// # asyncio
    /// `var.set(value)`.
    ///
    /// # Examples
    /// See [`Context`].
    pub fn set(&'static self, value: T) -> ContextToken<T> {
        let key = self.key();
        // The former values are dropped when nothing is borrowed: a drop is user code.
        let (old, before) = with(|context| {
            let (old, before) = (context.find(key).cloned(), context.clone());
            context.put(key, Some(Arc::new(value)));
            (old, before)
        });
        drop(before);
        ContextToken {
            old,
            value: PhantomData,
        }
    }

    /// Sets the value back to what it was before [`set`](ContextVar::set).
    ///
    /// # asyncio
    /// `var.reset(token)`.
    ///
    /// # Examples
    /// See [`Context`].
    pub fn reset(&'static self, token: ContextToken<T>) {
        let key = self.key();
        let before = with(|context| {
            let before = context.clone();
            context.put(key, token.old);
            before
        });
        drop(before);
    }
}

impl<T: Clone + Send + Sync + 'static> Default for ContextVar<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for ContextVar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<ContextVar>")
    }
}

/// What a [`ContextVar`] was before it was set.
pub struct ContextToken<T> {
    old: Option<Arc<dyn Any + Send + Sync>>,
    value: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for ContextToken<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<ContextToken>")
    }
}
