//! smol, taken apart: `async-executor`'s local executor and `async-io`.

use std::future::Future;
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_executor::{LocalExecutor, Task};
use async_io::{Async, Timer};
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use smol_hyper::rt::FuturesIo;

use crate::engine::{Engine, Feature, LocalReceiver, LocalSender, OneSender, Remote};
use crate::workloads::{buffer, serve_connection};

#[derive(Clone)]
pub(crate) struct Smol(Rc<LocalExecutor<'static>>);

impl<T> LocalSender<T> for Sender<T> {
    fn send(&self, value: T) {
        let _ = self.try_send(value);
    }
}

impl<T> LocalReceiver<T> for Receiver<T> {
    async fn recv(&mut self) -> T {
        Receiver::recv(self).await.expect("the sender is held")
    }
}

impl<T> OneSender<T> for Sender<T> {
    fn send(self, value: T) {
        let _ = self.try_send(value);
    }
}

type Function = Box<dyn FnOnce() + Send>;

#[derive(Clone)]
pub(crate) struct Handle(Sender<Function>);

impl Handle {
    /// A channel from other threads, and the task that reads it: for every engine that has none of its own.
    pub(crate) fn pair() -> (Handle, impl Future<Output = ()> + 'static) {
        let (sender, receiver) = async_channel::unbounded::<Function>();
        let reader = async move {
            while let Ok(function) = receiver.recv().await {
                function();
            }
        };
        (Handle(sender), reader)
    }
}

impl Remote for Handle {
    fn post(&self, function: impl FnOnce() + Send + 'static) {
        let _ = self.0.try_send(Box::new(function));
    }
}

impl Engine for Smol {
    const NAME: &'static str = "smol";
    type Task<T: 'static> = Task<T>;
    type Remote = Handle;

    fn supports(_: Feature) -> bool {
        true
    }

    fn run<F>(main: impl FnOnce(Self) -> F + 'static) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        let executor = Rc::new(LocalExecutor::new());
        let engine = Smol(Rc::clone(&executor));
        let task = executor.spawn(async move { main(engine).await });
        async_io::block_on(executor.run(task))
    }

    #[inline]
    fn spawn<F: Future<Output: 'static> + 'static>(&self, future: F) -> Task<F::Output> {
        self.0.spawn(future)
    }

    #[inline]
    fn join<T: 'static>(task: Task<T>) -> impl Future<Output = T> + Unpin + 'static {
        task
    }

    #[inline]
    fn spawn_detached<F: Future<Output = ()> + 'static>(&self, future: F) {
        self.0.spawn(future).detach();
    }

    fn yield_now() -> impl Future<Output = ()> + 'static {
        future::yield_now()
    }

    fn queue<T: 'static>(
        &self,
    ) -> (
        impl LocalSender<T> + 'static,
        impl LocalReceiver<T> + 'static,
    ) {
        async_channel::unbounded()
    }

    fn oneshot<T: 'static>(
        &self,
    ) -> (
        impl OneSender<T> + 'static,
        impl Future<Output = T> + 'static,
    ) {
        let (sender, receiver) = async_channel::bounded(1);
        (sender, async move {
            receiver.recv().await.expect("the sender sends")
        })
    }

    fn sleep(&self, delay: Duration) -> impl Future<Output = ()> + 'static {
        async move {
            Timer::after(delay).await;
        }
    }

    fn timeout<F: Future>(
        &self,
        delay: Duration,
        inner: F,
    ) -> impl Future<Output = Option<F::Output>> {
        future::or(async { Some(inner.await) }, async move {
            Timer::after(delay).await;
            None
        })
    }

    fn remote(&self) -> Handle {
        let (handle, reader) = Handle::pair();
        self.spawn_detached(reader);
        handle
    }

    fn blocking<T: Send + 'static>(
        &self,
        function: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + 'static {
        blocking::unblock(function)
    }

    fn serve(
        &self,
        listener: TcpListener,
        connections: usize,
    ) -> impl Future<Output = ()> + 'static {
        let executor = Rc::clone(&self.0);
        async move {
            let listener = Async::new(listener).expect("it is registered");
            let mut tasks = Vec::new();
            for _ in 0..connections {
                let (mut stream, _): (Async<TcpStream>, _) =
                    listener.accept().await.expect("a client connects");
                stream.get_ref().set_nodelay(true).expect("a socket can");
                tasks.push(executor.spawn(async move {
                    let mut buffer = buffer();
                    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                        stream.write_all(&buffer[..n]).await.expect("it is read");
                    }
                }));
            }
            for task in tasks {
                task.await;
            }
        }
    }

    fn serve_http(
        &self,
        listener: TcpListener,
        connections: usize,
    ) -> impl Future<Output = ()> + 'static {
        let executor = Rc::clone(&self.0);
        async move {
            let listener = Async::new(listener).expect("it is registered");
            let mut tasks = Vec::new();
            for _ in 0..connections {
                let (stream, _): (Async<TcpStream>, _) =
                    listener.accept().await.expect("a client connects");
                stream.get_ref().set_nodelay(true).expect("a socket can");
                tasks.push(executor.spawn(serve_connection(FuturesIo::new(stream))));
            }
            for task in tasks {
                task.await;
            }
        }
    }
}
