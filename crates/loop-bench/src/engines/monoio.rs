//! monoio, with its epoll driver (`monoio`) and with io_uring (`monoio-uring`).

use std::future::Future;
use std::net::TcpListener;
use std::time::Duration;

use local_sync::{mpsc::unbounded, oneshot};
use monoio::blocking::DefaultThreadPool;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt, IntoPollIo};
use monoio::task::JoinHandle;
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};
use monoio_compat::hyper::MonoioIo;

use super::smol::Handle;
use crate::engine::{Engine, Feature, LocalReceiver, LocalSender, OneSender};
use crate::expect::Expect;
use crate::measure::processors;
use crate::workloads::{buffer, serve_connection};

#[derive(Clone)]
pub(crate) struct Monoio<const URING: bool>;

impl<T> LocalSender<T> for unbounded::Tx<T> {
    fn send(&self, value: T) {
        let _ = unbounded::Tx::send(self, value);
    }
}

impl<T> LocalReceiver<T> for unbounded::Rx<T> {
    async fn recv(&mut self) -> T {
        unbounded::Rx::recv(self).await.expect("the sender is held")
    }
}

impl<T> OneSender<T> for oneshot::Sender<T> {
    fn send(self, value: T) {
        let _ = oneshot::Sender::send(self, value);
    }
}

impl<const URING: bool> Engine for Monoio<URING> {
    const NAME: &'static str = if URING { "monoio-uring" } else { "monoio" };
    type Task<T: 'static> = JoinHandle<T>;
    type Remote = Handle;

    fn missing() -> Option<String> {
        (URING && !monoio::utils::detect_uring()).then(|| "the kernel has no io_uring".to_owned())
    }

    fn supports(_: Feature) -> bool {
        true
    }

    fn run<F>(main: impl FnOnce(Self) -> F + 'static) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        let main = async { monoio::spawn(main(Monoio)).await };
        let pool = Box::new(DefaultThreadPool::new(processors()));
        if URING {
            RuntimeBuilder::<IoUringDriver>::new()
                .enable_all()
                .attach_thread_pool(pool)
                .build()
                .expect("the system gives a ring")
                .block_on(main)
        } else {
            RuntimeBuilder::<LegacyDriver>::new()
                .enable_all()
                .attach_thread_pool(pool)
                .build()
                .expect("the system gives a poller")
                .block_on(main)
        }
    }

    #[inline]
    fn spawn<F: Future<Output: 'static> + 'static>(&self, future: F) -> JoinHandle<F::Output> {
        monoio::spawn(future)
    }

    #[inline]
    fn join<T: 'static>(task: JoinHandle<T>) -> impl Future<Output = T> + Unpin + 'static {
        task
    }

    #[inline]
    fn spawn_detached<F: Future<Output = ()> + 'static>(&self, future: F) {
        drop(monoio::spawn(future));
    }

    fn queue<T: 'static>(
        &self,
    ) -> (
        impl LocalSender<T> + 'static,
        impl LocalReceiver<T> + 'static,
    ) {
        unbounded::channel()
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
        monoio::time::sleep(delay)
    }

    async fn timeout<F: Future>(&self, delay: Duration, future: F) -> Option<F::Output> {
        monoio::time::timeout(delay, future).await.ok()
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
        Expect(monoio::spawn_blocking(function))
    }

    fn serve(
        &self,
        listener: TcpListener,
        connections: usize,
    ) -> impl Future<Output = ()> + 'static {
        async move {
            listener.set_nonblocking(!URING).expect("a socket can");
            let listener = monoio::net::TcpListener::from_std(listener).expect("it is registered");
            let mut tasks = Vec::new();
            for _ in 0..connections {
                let (mut stream, _) = listener.accept().await.expect("a client connects");
                stream.set_nodelay(true).expect("a socket can");
                tasks.push(monoio::spawn(async move {
                    let mut buffer = buffer();
                    loop {
                        let (read, full) = stream.read(buffer).await;
                        buffer = full;
                        let Ok(n @ 1..) = read else { return };
                        let slice = monoio::buf::IoBuf::slice(buffer, ..n);
                        let (written, slice) = stream.write_all(slice).await;
                        written.expect("it is read");
                        buffer = slice.into_inner();
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
        async move {
            listener.set_nonblocking(!URING).expect("a socket can");
            let listener = monoio::net::TcpListener::from_std(listener).expect("it is registered");
            let mut tasks = Vec::new();
            for _ in 0..connections {
                let (stream, _) = listener.accept().await.expect("a client connects");
                stream.set_nodelay(true).expect("a socket can");
                let stream = stream.into_poll_io().expect("it is registered");
                tasks.push(monoio::spawn(serve_connection(MonoioIo::new(stream))));
            }
            for task in tasks {
                task.await;
            }
        }
    }
}
