//! tokio: the current-thread runtime with a `LocalSet`.

use std::future::Future;
use std::net::TcpListener;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{self, JoinHandle, LocalSet};

use crate::engine::{Engine, Feature, LocalReceiver, LocalSender, OneSender, Remote};
use crate::expect::Expect;
use crate::workloads::{buffer, serve_connection};

#[derive(Clone)]
pub(crate) struct Tokio;

impl<T> LocalSender<T> for mpsc::UnboundedSender<T> {
    fn send(&self, value: T) {
        let _ = mpsc::UnboundedSender::send(self, value);
    }
}

impl<T> LocalReceiver<T> for mpsc::UnboundedReceiver<T> {
    async fn recv(&mut self) -> T {
        mpsc::UnboundedReceiver::recv(self)
            .await
            .expect("the sender is held")
    }
}

impl<T> OneSender<T> for oneshot::Sender<T> {
    fn send(self, value: T) {
        let _ = oneshot::Sender::send(self, value);
    }
}

type Function = Box<dyn FnOnce() + Send>;

#[derive(Clone)]
pub(crate) struct Handle(mpsc::UnboundedSender<Function>);

impl Remote for Handle {
    fn post(&self, function: impl FnOnce() + Send + 'static) {
        let _ = self.0.send(Box::new(function));
    }
}

impl Engine for Tokio {
    const NAME: &'static str = "tokio";
    type Task<T: 'static> = JoinHandle<T>;
    type Remote = Handle;

    fn supports(_: Feature) -> bool {
        true
    }

    fn run<F>(main: impl FnOnce(Self) -> F + 'static) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the system gives a poller");
        LocalSet::new().block_on(&runtime, async {
            // As a task: what runs outside of the set is polled by other rules.
            task::spawn_local(main(Tokio))
                .await
                .expect("the main task ends well")
        })
    }

    #[inline]
    fn spawn<F: Future<Output: 'static> + 'static>(&self, future: F) -> JoinHandle<F::Output> {
        task::spawn_local(future)
    }

    #[inline]
    fn join<T: 'static>(task: JoinHandle<T>) -> impl Future<Output = T> + Unpin + 'static {
        Expect(task)
    }

    #[inline]
    fn spawn_detached<F: Future<Output = ()> + 'static>(&self, future: F) {
        drop(task::spawn_local(future));
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        task::yield_now()
    }

    fn queue<T: 'static>(
        &self,
    ) -> (
        impl LocalSender<T> + 'static,
        impl LocalReceiver<T> + 'static,
    ) {
        mpsc::unbounded_channel()
    }

    fn oneshot<T: 'static>(
        &self,
    ) -> (
        impl OneSender<T> + 'static,
        impl Future<Output = T> + 'static,
    ) {
        let (sender, receiver) = oneshot::channel();
        (sender, Expect(receiver))
    }

    fn sleep(&self, delay: Duration) -> impl Future<Output = ()> + 'static {
        tokio::time::sleep(delay)
    }

    async fn timeout<F: Future>(&self, delay: Duration, future: F) -> Option<F::Output> {
        tokio::time::timeout(delay, future).await.ok()
    }

    fn remote(&self) -> Handle {
        let (sender, mut receiver) = mpsc::unbounded_channel::<Function>();
        self.spawn_detached(async move {
            while let Some(function) = mpsc::UnboundedReceiver::recv(&mut receiver).await {
                function();
            }
        });
        Handle(sender)
    }

    fn blocking<T: Send + 'static>(
        &self,
        function: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + 'static {
        Expect(task::spawn_blocking(function))
    }

    fn serve(
        &self,
        listener: TcpListener,
        connections: usize,
    ) -> impl Future<Output = ()> + 'static {
        async move {
            listener.set_nonblocking(true).expect("a socket can");
            let listener = tokio::net::TcpListener::from_std(listener).expect("it is registered");
            let mut tasks = Vec::new();
            for _ in 0..connections {
                let (mut stream, _) = listener.accept().await.expect("a client connects");
                stream.set_nodelay(true).expect("a socket can");
                tasks.push(task::spawn_local(async move {
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
            listener.set_nonblocking(true).expect("a socket can");
            let listener = tokio::net::TcpListener::from_std(listener).expect("it is registered");
            let mut tasks = Vec::new();
            for _ in 0..connections {
                let (stream, _) = listener.accept().await.expect("a client connects");
                stream.set_nodelay(true).expect("a socket can");
                tasks.push(task::spawn_local(serve_connection(TokioIo::new(stream))));
            }
            for task in tasks {
                task.await.expect("it ends well");
            }
        }
    }
}
