//! Who awaits whom: through awaits, combinators and groups, in circles, and in chains of any length.

#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

use std::future::pending;
use std::time::Duration;

use loop_core::EventLoop;
use loop_tasks::{
    AnyLoopFuture, CallGraph, LoopExt, LoopFuture, ReturnWhen, Task, TaskBuilder, TaskGroup,
    as_completed, await_tree, capture_call_graph, gather, shield, wait, wait_for,
};

struct Program(EventLoop);

impl Program {
    fn new() -> Program {
        Program(EventLoop::builder().virtual_clock().build().unwrap())
    }

    fn spawn<T: 'static>(
        &self,
        name: &'static str,
        coroutine: impl Future<Output = T> + 'static,
    ) -> Task<T> {
        let builder = TaskBuilder::new().name(name);
        builder.spawn_on(&self.0, coroutine).unwrap()
    }

    /// Lets every task come to where it waits.
    fn settle(&self) {
        for _ in 0..8 {
            self.0.run_once(Some(Duration::ZERO)).unwrap();
        }
    }

    /// Leaves what is still waiting.
    fn end(self) {
        self.0.set_exception_handler(|_, _| {});
        self.0.close().unwrap();
    }
}

/// What a line is called: its task's name, or "future".
fn name(future: &AnyLoopFuture) -> String {
    let text = format!("{future:?}");
    match text.strip_prefix("<Task '") {
        Some(rest) => rest.split('\'').next().unwrap().to_owned(),
        None => "future".to_owned(),
    }
}

/// The lines of a graph: depth, name, and a star for one that stands above already.
fn lines(graph: &CallGraph) -> Vec<String> {
    let line = |entry: &loop_tasks::CallGraphEntry| {
        let star = if entry.repeated { "*" } else { "" };
        format!("{} {}{star}", entry.depth, name(&entry.future))
    };
    graph.entries().iter().map(line).collect()
}

fn graph_of<T>(future: &LoopFuture<T>) -> Vec<String> {
    lines(&capture_call_graph(&future.erase_future()))
}

#[test]
fn an_await_is_seen_from_both_ends() {
    let program = Program::new();
    let leaf: LoopFuture<()> = program.0.create_future();
    let waited = leaf.clone();
    let inner = program.spawn("inner", async move { waited.await.is_ok() });
    let waited = inner.clone();
    let outer = program.spawn("outer", async move { waited.await.is_ok() });
    assert_eq!(graph_of(&leaf), ["0 future"], "nobody has begun to wait");
    program.settle();
    assert_eq!(graph_of(&leaf), ["0 future", "1 inner", "2 outer"]);
    assert_eq!(lines(&await_tree(&program.0)), ["0 outer", "1 inner"]);
    leaf.set_result(()).unwrap();
    assert_eq!(
        graph_of(&leaf),
        ["0 future"],
        "nobody waits for what is done"
    );
    assert!(program.0.run_until_complete(outer).unwrap());
    assert!(await_tree(&program.0).entries().is_empty());
    drop(inner);
    program.end();
}

#[test]
fn an_await_that_is_given_up_is_not_seen() {
    let program = Program::new();
    let leaf: LoopFuture<()> = program.0.create_future();
    let waited = leaf.clone();
    let task = program.spawn("task", async move { waited.await.is_ok() });
    program.settle();
    assert_eq!(graph_of(&leaf), ["0 future", "1 task"]);
    task.cancel();
    program.settle();
    assert!(task.cancelled());
    assert_eq!(graph_of(&leaf), ["0 future"]);
    program.end();
}

#[test]
fn every_combinator_says_for_whom_it_waits() {
    let program = Program::new();
    let leaf: Task<()> = program.spawn("leaf", pending());
    let kinds: [(&'static str, usize); 6] = [
        ("gather", 2),
        ("shield", 2),
        ("wait_for", 1),
        ("wait", 1),
        ("as_completed", 1),
        ("group", 1),
    ];
    let given = leaf.clone();
    program.spawn("gather", async move { gather([&given]).await.is_ok() });
    let given = leaf.clone();
    program.spawn("shield", async move { shield(&given).await.is_ok() });
    let given = leaf.clone();
    program.spawn("wait_for", async move {
        wait_for(Duration::from_secs(9), &given).await.is_ok()
    });
    let given = leaf.clone();
    program.spawn("wait", async move {
        let waited = wait([given], None, ReturnWhen::AllCompleted);
        waited.await.is_ok()
    });
    let given = leaf.clone();
    program.spawn("as_completed", async move {
        as_completed([given], None).next().await.is_some()
    });
    program.settle();
    let graph = capture_call_graph(&leaf.erase_future());
    for (kind, depth) in kinds.iter().filter(|(kind, _)| *kind != "group") {
        let mut entries = graph.entries().iter();
        let found = entries.find(|entry| name(&entry.future) == *kind);
        assert_eq!(
            found.map(|entry| entry.depth),
            Some(*depth),
            "{kind}\n{graph}"
        );
    }
    assert_eq!(leaf.erase_future().awaited_by().len(), 5, "{graph}");

    let (send, receive) = std::sync::mpsc::channel();
    program.spawn("group", async move {
        let group = TaskGroup::<()>::scope(async |group| {
            let builder = TaskBuilder::new().name("child");
            send.send(group.spawn(builder, pending()).unwrap()).unwrap();
            Ok(())
        });
        group.await.is_ok()
    });
    program.settle();
    let child: Task<Result<(), ()>> = receive.recv().unwrap();
    assert_eq!(graph_of(&child), ["0 child", "1 group"]);
    program.end();
}

#[test]
fn what_is_awaited_by_several_is_expanded_once() {
    let program = Program::new();
    let leaf: Task<()> = program.spawn("leaf", pending());
    let middle = ["a", "b"].map(|name| {
        let leaf = leaf.clone();
        program.spawn(name, async move { leaf.await.is_ok() })
    });
    program.spawn("top", async move { gather(middle).await.is_ok() });
    program.settle();
    let expected = ["0 leaf", "1 a", "2 future", "3 top", "1 b", "2 future*"];
    assert_eq!(graph_of(&leaf), expected);
    let expected = ["0 top", "1 future", "2 a", "3 leaf", "2 b", "3 leaf*"];
    assert_eq!(lines(&await_tree(&program.0)), expected);
    program.end();
}

#[test]
fn a_circle_is_shown_and_ends() {
    let program = Program::new();
    let slot: std::rc::Rc<std::cell::RefCell<Option<Task<()>>>> = std::rc::Rc::default();
    let later = std::rc::Rc::clone(&slot);
    let first = program.spawn("first", async move {
        let second = later.borrow().clone().unwrap();
        drop(later);
        let _ = second.await;
    });
    let waited = first.clone();
    let second = program.spawn("second", async move {
        let _ = waited.await;
    });
    slot.replace(Some(second));
    program.spawn("other", pending::<()>());
    program.settle();
    slot.take();
    assert_eq!(graph_of(&first), ["0 first", "1 second", "2 first*"]);
    let expected = ["0 other", "0 first", "1 second", "2 first*"];
    assert_eq!(lines(&await_tree(&program.0)), expected);
    let text = await_tree(&program.0).to_string();
    assert!(text.ends_with(" (see above)\n"), "{text}");
    first.cancel();
    program.settle();
    assert!(first.done());
    program.end();
}

#[test]
fn a_chain_of_any_length_is_captured_and_printed() {
    const LONG: usize = 20_000;
    let program = Program::new();
    let leaf: LoopFuture<()> = program.0.create_future();
    let waited = leaf.clone();
    let mut last = program.spawn("link", async move { waited.await.is_ok() });
    for _ in 1..LONG {
        last = program.spawn("link", async move { last.await.is_ok() });
    }
    program.settle();
    let graph = capture_call_graph(&leaf.erase_future());
    assert_eq!(graph.entries().len(), LONG + 1);
    assert_eq!(graph.entries()[LONG].depth, LONG);
    assert_eq!(graph.to_string().lines().count(), LONG + 1);
    assert_eq!(await_tree(&program.0).entries().len(), LONG);
    leaf.set_result(()).unwrap();
    assert!(program.0.run_until_complete(last).unwrap());
    program.end();
}

#[test]
fn it_reads_like_a_sentence() {
    let program = Program::new();
    let leaf: Task<()> = program.spawn("leaf", pending());
    let waited = leaf.clone();
    program.spawn("main", async move { waited.await.is_ok() });
    program.settle();
    let text = capture_call_graph(&leaf.erase_future()).to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("<Task 'leaf' pending at "), "{text}");
    assert!(
        lines[1].starts_with("  awaited by <Task 'main' pending at "),
        "{text}"
    );
    assert!(lines[1].ends_with(" wait_for=<Task 'leaf'>>"), "{text}");
    let text = await_tree(&program.0).to_string();
    assert!(
        text.contains("\n  awaits <Task 'leaf' pending at "),
        "{text}"
    );
    program.end();
}
