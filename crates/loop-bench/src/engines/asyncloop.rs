//! This library, through its facade.

use std::future::{Future, IntoFuture};
use std::net::TcpListener;
use std::time::Duration;

use asyncloop::prelude::*;
use asyncloop::{EventLoop, LoopHandle, Queue};

use crate::engine::{Engine, Feature, LocalReceiver, LocalSender, OneSender, Remote};
use crate::expect::Expect;
use crate::workloads::{buffer, serve_connection};

#[derive(Clone)]
pub(crate) struct Asyncloop(EventLoop);

impl<T: 'static> LocalSender<T> for Queue<T> {
    #[inline]
    fn send(&self, value: T) {
        let _ = self.put_nowait(value);
    }
}

impl<T: 'static> LocalReceiver<T> for Queue<T> {
    #[inline]
    async fn recv(&mut self) -> T {
        self.get().await.expect("nobody shuts it down")
    }
}

impl<T: 'static> OneSender<T> for LoopFuture<T> {
    #[inline]
    fn send(self, value: T) {
        let _ = self.set_result(value);
    }
}

#[derive(Clone)]
pub(crate) struct Handle(LoopHandle);

impl Remote for Handle {
    fn post(&self, function: impl FnOnce() + Send + 'static) {
        let _ = self.0.call_soon_threadsafe(function);
    }

    fn call<T: Send + 'static>(&self, function: impl FnOnce() -> T + Send + 'static) -> T {
        let future = run_coroutine_threadsafe(&self.0, move || async move { function() });
        let Ok(future) = future else {
            panic!("the loop is open")
        };
        future.take_result(None).expect("the loop runs")
    }
}

impl Engine for Asyncloop {
    const NAME: &'static str = "asyncloop";
    type Task<T: 'static> = Task<T>;
    type Remote = Handle;

    fn supports(_: Feature) -> bool {
        true
    }

    fn run<F>(main: impl FnOnce(Self) -> F + 'static) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        let event_loop = EventLoop::new().expect("the system gives a loop");
        let engine = Asyncloop(event_loop.clone());
        event_loop
            .run_until_complete(async move { main(engine).await })
            .expect("the main task ends well")
    }

    #[inline]
    fn call_soon(&self, callback: impl FnOnce() + 'static) {
        let scheduled = self.0.call_soon(callback);
        assert!(scheduled.is_ok(), "the loop runs");
    }

    #[inline]
    fn spawn<F: Future<Output: 'static> + 'static>(&self, future: F) -> Task<F::Output> {
        self.0.create_task(future)
    }

    #[inline]
    fn join<T: 'static>(task: Task<T>) -> impl Future<Output = T> + Unpin + 'static {
        Expect(task.into_future())
    }

    #[inline]
    fn spawn_detached<F: Future<Output = ()> + 'static>(&self, future: F) {
        drop(self.0.create_task(future));
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        yield_now()
    }

    fn queue<T: 'static>(
        &self,
    ) -> (
        impl LocalSender<T> + 'static,
        impl LocalReceiver<T> + 'static,
    ) {
        let queue = Queue::new(0);
        (queue.clone(), queue)
    }

    #[inline]
    fn oneshot<T: 'static>(
        &self,
    ) -> (
        impl OneSender<T> + 'static,
        impl Future<Output = T> + 'static,
    ) {
        let future = self.0.create_future();
        (future.clone(), Expect(future.into_future()))
    }

    fn sleep(&self, delay: Duration) -> impl Future<Output = ()> + 'static {
        sleep(delay)
    }

    async fn timeout<F: Future>(&self, delay: Duration, future: F) -> Option<F::Output> {
        timeout(delay, future).await.ok()
    }

    fn remote(&self) -> Handle {
        Handle(self.0.handle())
    }

    fn blocking<T: Send + 'static>(
        &self,
        function: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + 'static {
        let Ok(future) = self.0.run_in_executor(None, function) else {
            panic!("the pool is open")
        };
        Expect(future.into_future())
    }

    async fn gather<T: Clone + 'static>(&self, tasks: Vec<Task<T>>) -> Vec<T> {
        let results = gather(tasks).await.expect("it is not cancelled");
        results
            .into_iter()
            .map(|result| result.expect("a task ends well"))
            .collect()
    }

    async fn first<T: 'static>(&self, tasks: Vec<Task<T>>) -> (T, impl Sized) {
        let waited = wait(tasks, None, ReturnWhen::FirstCompleted).await;
        let mut waited = waited.expect("there are tasks");
        let first = waited.done.pop().expect("one is done");
        (first.await.expect("it ends well"), waited)
    }

    fn serve(
        &self,
        listener: TcpListener,
        connections: usize,
    ) -> impl Future<Output = ()> + 'static {
        async move {
            let listener = asyncloop::net::TcpListener::from_std(listener).expect("it is a socket");
            let mut tasks = Vec::new();
            for _ in 0..connections {
                let (stream, _) = listener.accept().await.expect("a client connects");
                stream.set_nodelay(true).expect("a socket can");
                tasks.push(create_task(async move {
                    let mut buffer = buffer();
                    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                        stream.write_all(&buffer[..n]).await.expect("it is read");
                    }
                }));
            }
            for task in tasks {
                task.await.expect("it ends well");
            }
        }
    }

    fn serve_http(
        &self,
        listener: TcpListener,
        connections: usize,
    ) -> impl Future<Output = ()> + 'static {
        async move {
            let listener = asyncloop::net::TcpListener::from_std(listener).expect("it is a socket");
            let mut tasks = Vec::new();
            for _ in 0..connections {
                let (stream, _) = listener.accept().await.expect("a client connects");
                stream.set_nodelay(true).expect("a socket can");
                tasks.push(create_task(serve_connection(stream)));
            }
            for task in tasks {
                task.await.expect("it ends well");
            }
        }
    }
}
