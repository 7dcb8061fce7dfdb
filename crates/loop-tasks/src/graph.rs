//! Who awaits whom.
//!
//! Nothing is kept for this: whoever waits for a future is among its callbacks, and a combinator knows which future or
//! which task it works for. So a graph is what is so at the moment at which somebody asks.

use std::collections::{HashMap, HashSet};
use std::fmt;

use loop_core::{EventLoop, LoopRef, WakeKey};

use crate::any_future::AnyLoopFuture;
use crate::callbacks::Callback;
use crate::cell::AnyFuture;
use crate::current::with_current;
use crate::table::Tasks;

/// Deeper lines are indented like those of this depth: a chain of 100,000 tasks can be printed.
const DEEPEST: usize = 32;

impl AnyLoopFuture {
    /// The tasks that await this future, and the futures, such as that of a [`gather`](fn@crate::gather), that hear of
    /// it; the oldest first. Nobody awaits what is done.
    ///
    /// An await through a waker of somebody else's (`join_all` and the like) is not seen.
    ///
    /// # asyncio
    /// `FutureCallGraph.awaited_by` (3.14).
    ///
    /// # Examples
    /// ```
    /// use loop_core::EventLoop;
    /// use loop_tasks::{LoopExt, LoopFuture, create_task, yield_now};
    /// let event_loop = EventLoop::new()?;
    /// let future: LoopFuture<u32> = event_loop.create_future();
    /// event_loop.run_until_complete(async move {
    ///     let waited = future.clone();
    ///     let task = create_task(async move { waited.await });
    ///     yield_now().await;
    ///     let any = future.erase_future();
    ///     assert_eq!(any.awaited_by(), [task.erase_future()]);
    ///     future.set_result(7).unwrap();
    ///     assert!(any.awaited_by().is_empty(), "it is done");
    ///     assert_eq!(task.await.unwrap().unwrap(), 7);
    /// })?;
    /// # event_loop.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn awaited_by(&self) -> Vec<AnyLoopFuture> {
        awaiters(&self.0).into_iter().map(AnyLoopFuture).collect()
    }
}

/// Who awaits a future, each once.
fn awaiters(future: &AnyFuture) -> Vec<AnyFuture> {
    if future.is_settled() {
        return Vec::new();
    }
    let Ok(callbacks) = future.header().callbacks.try_borrow() else {
        return Vec::new(); // Somebody's waker asks, which is being looked at.
    };
    let mut awaiters: Vec<AnyFuture> = Vec::new();
    for callback in callbacks.iter() {
        let awaiter = match callback {
            Callback::Step(task) => Some(AnyFuture::clone(task)),
            Callback::Tell(listener, _) => listener.awaiter(future),
            Callback::Waited(waiting) => waiting.awaiter(future),
            Callback::Wake(_) | Callback::Call(_) => None,
        };
        if let Some(awaiter) = awaiter
            && !awaiters.iter().any(|other| other.is(&awaiter))
        {
            awaiters.push(awaiter);
        }
    }
    awaiters
}

/// One line of a [`CallGraph`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallGraphEntry {
    /// The task or future.
    pub future: AnyLoopFuture,
    /// How far it is from where the graph begins.
    pub depth: usize,
    /// It stands in an earlier line too, with what belongs below it: awaited by several, or part of a circle.
    pub repeated: bool,
}

/// A picture of who awaits whom, line by line: what belongs to a line stands below it, one deeper.
///
/// # asyncio
/// `FutureCallGraph` (3.14). Printing it is `print_call_graph`.
///
/// # Examples
/// See [`capture_call_graph`].
#[derive(Clone, Debug)]
pub struct CallGraph {
    entries: Vec<CallGraphEntry>,
    word: &'static str,
}

impl CallGraph {
    /// Its lines, from top to bottom.
    ///
    /// # Examples
    /// See [`capture_call_graph`].
    #[must_use]
    pub fn entries(&self) -> &[CallGraphEntry] {
        &self.entries
    }

    /// Goes down from each of `roots` along `next`, without recursion.
    fn walk(
        &mut self,
        roots: impl IntoIterator<Item = AnyFuture>,
        seen: &mut HashSet<usize>,
        next: impl Fn(&AnyFuture) -> Vec<AnyFuture>,
    ) {
        for root in roots {
            let mut stack = vec![(root, 0)];
            while let Some((future, depth)) = stack.pop() {
                let repeated = !seen.insert(future.address());
                if !repeated {
                    let below = next(&future).into_iter().rev();
                    stack.extend(below.map(|future| (future, depth + 1)));
                }
                self.entries.push(CallGraphEntry {
                    future: AnyLoopFuture(future),
                    depth,
                    repeated,
                });
            }
        }
    }
}

impl fmt::Display for CallGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            let indent = 2 * entry.depth.min(DEEPEST);
            write!(f, "{:indent$}", "")?;
            if entry.depth > 0 {
                write!(f, "{} ", self.word)?;
            }
            write!(f, "{:?}", entry.future)?;
            f.write_str(if entry.repeated {
                " (see above)\n"
            } else {
                "\n"
            })?;
        }
        Ok(())
    }
}

/// A future, who awaits it, who awaits those, and so on.
///
/// # asyncio
/// `asyncio.capture_call_graph(future)` (3.14). The stack of a coroutine is not there: Rust's coroutines do not show
/// their frames. What is printed of a task says who made it and what it waits for.
///
/// # Examples
/// ```
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, TaskBuilder, capture_call_graph, current_task, gather};
/// let event_loop = EventLoop::new()?;
/// let main = TaskBuilder::new().name("main").spawn_on(&event_loop, async {
///     let worker = TaskBuilder::new().name("worker").spawn(async {
///         let me = current_task().unwrap().erase_future();
///         loop_tasks::yield_now().await;
///         capture_call_graph(&me)
///     });
///     gather([worker]).await.unwrap().remove(0).unwrap()
/// })?;
/// let graph = event_loop.run_until_complete(main)?;
/// // <Task 'worker' pending at src/main.rs:7:18 cb=[1]>
/// //   awaited by <LoopFuture pending cb=[1]>
/// //     awaited by <Task 'main' pending at src/main.rs:6:12 wait_for=<LoopFuture>>
/// println!("{graph}");
/// let depths: Vec<usize> = graph.entries().iter().map(|entry| entry.depth).collect();
/// assert_eq!(depths, [0, 1, 2]);
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("format_call_graph", "print_call_graph", "get_stack", "print_stack"))]
#[must_use]
pub fn capture_call_graph(future: &AnyLoopFuture) -> CallGraph {
    let mut graph = CallGraph {
        entries: Vec::new(),
        word: "awaited by",
    };
    graph.walk([future.0.clone()], &mut HashSet::new(), awaiters);
    graph
}

/// The unfinished tasks of a loop, each below those that await it: what the whole program waits for.
///
/// Tasks that await each other in a circle, which will never end, stand at the end.
///
/// # asyncio
/// `python -m asyncio pstree` (3.14), from inside.
///
/// # Examples
/// ```
/// use std::future::pending;
/// use loop_core::EventLoop;
/// use loop_tasks::{LoopExt, TaskBuilder, await_tree, yield_now};
/// let event_loop = EventLoop::new()?;
/// let inner = TaskBuilder::new().name("inner").spawn_on(&event_loop, pending::<()>())?;
/// let waited = inner.clone();
/// let outer = TaskBuilder::new().name("outer").spawn_on(&event_loop, async { waited.await })?;
/// event_loop.run_until_complete(yield_now())?;
/// let tree = await_tree(&event_loop).to_string();
/// assert!(tree.starts_with("<Task 'outer' pending"));
/// assert!(tree.contains("\n  awaits <Task 'inner' pending"));
/// # inner.cancel();
/// # let _ = event_loop.run_until_complete(outer);
/// # event_loop.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "pstree")]
#[must_use]
pub fn await_tree(event_loop: &EventLoop) -> CallGraph {
    let unfinished = Tasks::of(&event_loop.loop_ref()).unfinished();
    let tasks: Vec<AnyFuture> = unfinished.into_iter().map(AnyFuture::from).collect();
    // What each of them, and of the futures between them, awaits.
    let mut below: HashMap<usize, Vec<AnyFuture>> = HashMap::new();
    let mut found: HashSet<usize> = tasks.iter().map(AnyFuture::address).collect();
    let mut todo = tasks.clone();
    let mut next = 0;
    let mut awaited = HashSet::new();
    while let Some(future) = todo.get(next).cloned() {
        next += 1;
        for awaiter in awaiters(&future) {
            awaited.insert(future.address());
            if found.insert(awaiter.address()) {
                todo.push(awaiter.clone());
            }
            below
                .entry(awaiter.address())
                .or_default()
                .push(future.clone());
        }
    }
    let mut tree = CallGraph {
        entries: Vec::new(),
        word: "awaits",
    };
    let mut seen = HashSet::new();
    let go_down = |future: &AnyFuture| below.get(&future.address()).cloned().unwrap_or_default();
    let is_root = |future: &&AnyFuture| !awaited.contains(&future.address());
    tree.walk(todo.iter().filter(is_root).cloned(), &mut seen, go_down);
    for task in tasks {
        if !seen.contains(&task.address()) {
            tree.walk([task], &mut seen, go_down);
        }
    }
    tree
}

/// The task that a combinator works for: its name, which keeps nothing alive.
#[derive(Clone, Copy)]
pub(crate) struct Waiter(Option<WakeKey>);

impl Waiter {
    /// The task whose step is on the stack.
    pub(crate) fn current() -> Waiter {
        Waiter(with_current(|task| task.core().key))
    }

    /// The task, on the loop of what it waits for, as long as it is unfinished.
    pub(crate) fn find(self, owner: &LoopRef) -> Option<AnyFuture> {
        Tasks::of(owner).find(self.0?).map(AnyFuture::from)
    }
}
