//! What a workload asks of an engine: the peers differ in everything but this.
//!
//! All of it is monomorphised, and each engine answers with what its own documents recommend: its channels, its
//! timers, its pool. What an engine does not have it does not pretend to have: see [`Feature`].

use std::future::{Future, pending};
use std::net::TcpListener;
use std::time::Duration;

use futures::future::{join_all, select_all};

/// What an engine may lack, or what a workload needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    /// Callbacks, or tasks that stand for them.
    Callbacks,
    /// Tasks, and futures that yield.
    Tasks,
    /// Queues and one-shots between the tasks of one thread.
    Channels,
    Timers,
    /// Functions that other threads send.
    Remote,
    /// A pool for functions that block.
    Blocking,
    Net,
    /// What hyper needs: its traits for the engine's sockets.
    Http,
}

/// Sends into a queue of the loop's own thread, which is never full.
pub(crate) trait LocalSender<T> {
    fn send(&self, value: T);
}

/// Receives from such a queue.
pub(crate) trait LocalReceiver<T> {
    fn recv(&mut self) -> impl Future<Output = T>;
}

/// The sending half of a one-shot.
pub(crate) trait OneSender<T> {
    fn send(self, value: T);
}

/// What another thread holds of an engine.
pub(crate) trait Remote: Clone + Send + 'static {
    /// Runs `function` on the engine's thread, some time.
    fn post(&self, function: impl FnOnce() + Send + 'static);

    /// Runs `function` there, and waits here for what it returns.
    fn call<T: Send + 'static>(&self, function: impl FnOnce() -> T + Send + 'static) -> T {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.post(move || {
            sender
                .send(function())
                .expect("the caller waits for the answer");
        });
        receiver.recv().expect("the engine answers before it ends")
    }
}

/// An engine: a reference to one that runs in this thread.
pub(crate) trait Engine: Clone + 'static {
    const NAME: &'static str;
    type Task<T: 'static>: 'static;
    type Remote: Remote;

    /// Why it cannot run on this machine, if it cannot.
    fn missing() -> Option<String> {
        None
    }

    fn supports(feature: Feature) -> bool;

    /// Makes an engine and runs on it what `main` makes, to its end.
    fn run<F>(main: impl FnOnce(Self) -> F + 'static) -> F::Output
    where
        F: Future<Output: 'static> + 'static;

    /// Schedules a callback; where there are only tasks, a detached one.
    #[inline]
    fn call_soon(&self, callback: impl FnOnce() + 'static) {
        self.spawn_detached(async move { callback() });
    }

    fn spawn<F: Future<Output: 'static> + 'static>(&self, future: F) -> Self::Task<F::Output>;

    /// Awaits a task.
    fn join<T: 'static>(task: Self::Task<T>) -> impl Future<Output = T> + Unpin + 'static;

    fn spawn_detached<F: Future<Output = ()> + 'static>(&self, future: F);

    /// Lets the other tasks run.
    fn yield_now() -> impl Future<Output = ()> + 'static {
        crate::latch::yield_once()
    }

    fn queue<T: 'static>(
        &self,
    ) -> (
        impl LocalSender<T> + 'static,
        impl LocalReceiver<T> + 'static,
    ) {
        (Absent, Absent)
    }

    fn oneshot<T: 'static>(
        &self,
    ) -> (
        impl OneSender<T> + 'static,
        impl Future<Output = T> + 'static,
    ) {
        (Absent, pending())
    }

    fn sleep(&self, _delay: Duration) -> impl Future<Output = ()> + 'static {
        absent::<std::future::Pending<()>>()
    }

    /// The result of `future`, or `None` at the deadline.
    fn timeout<F: Future>(
        &self,
        _delay: Duration,
        _future: F,
    ) -> impl Future<Output = Option<F::Output>> {
        absent::<std::future::Pending<Option<F::Output>>>()
    }

    fn remote(&self) -> Self::Remote;

    fn blocking<T: Send + 'static>(
        &self,
        _function: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + 'static {
        absent::<std::future::Pending<T>>()
    }

    /// The results of all tasks, in order.
    fn gather<T: Clone + 'static>(
        &self,
        tasks: Vec<Self::Task<T>>,
    ) -> impl Future<Output = Vec<T>> {
        join_all(tasks.into_iter().map(Self::join))
    }

    /// The result of the first task that is done, and the others, unfinished.
    fn first<T: 'static>(
        &self,
        tasks: Vec<Self::Task<T>>,
    ) -> impl Future<Output = (T, impl Sized)> {
        async {
            let (value, _, rest) = select_all(tasks.into_iter().map(Self::join)).await;
            (value, rest)
        }
    }

    /// Accepts so many connections and echoes on each until its peer is done; returns when all are.
    fn serve(
        &self,
        _listener: TcpListener,
        _connections: usize,
    ) -> impl Future<Output = ()> + 'static {
        absent::<std::future::Pending<()>>()
    }

    /// Accepts so many connections and answers HTTP on each until its peer is done; returns when all are.
    fn serve_http(
        &self,
        _listener: TcpListener,
        _connections: usize,
    ) -> impl Future<Output = ()> + 'static {
        absent::<std::future::Pending<()>>()
    }
}

/// What stands for what an engine does not have: no workload that needs it is ever run there.
pub(crate) fn absent<T>() -> T {
    unreachable!("a workload was run on an engine that lacks what it needs")
}

/// The halves of a channel that is not there; also a remote that is not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Absent;

impl<T> LocalSender<T> for Absent {
    fn send(&self, _: T) {
        absent()
    }
}

impl<T> LocalReceiver<T> for Absent {
    async fn recv(&mut self) -> T {
        absent()
    }
}

impl<T> OneSender<T> for Absent {
    fn send(self, _: T) {
        absent()
    }
}
