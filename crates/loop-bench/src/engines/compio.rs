//! compio, with io_uring (`compio`) and with its polling driver (`compio-poll`).

use std::future::Future;
use std::net::TcpListener;
use std::time::Duration;

use compio::BufResult;
use compio::driver::{DriverType, ProactorBuilder};
use compio::io::{AsyncRead, AsyncWriteExt};
use compio::runtime::{JoinHandle, RuntimeBuilder};
use local_sync::{mpsc::unbounded, oneshot};

use super::smol::Handle;
use crate::engine::{Engine, Feature, LocalReceiver, LocalSender, OneSender};
use crate::expect::Expect;
use crate::workloads::buffer;

#[derive(Clone)]
pub(crate) struct Compio<const URING: bool>;

fn build(uring: bool) -> std::io::Result<compio::runtime::Runtime> {
    let mut proactor = ProactorBuilder::new();
    proactor.driver_type(if uring {
        DriverType::IoUring
    } else {
        DriverType::Poll
    });
    RuntimeBuilder::new().with_proactor(proactor).build()
}

impl<const URING: bool> Engine for Compio<URING> {
    const NAME: &'static str = if URING { "compio" } else { "compio-poll" };
    type Task<T: 'static> = JoinHandle<T>;
    type Remote = Handle;

    fn missing() -> Option<String> {
        build(URING).err().map(|error| error.to_string())
    }

    fn supports(feature: Feature) -> bool {
        // The adaptor for hyper is one for another version.
        feature != Feature::Http
    }

    fn run<F>(main: impl FnOnce(Self) -> F + 'static) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        let runtime = build(URING).expect("the system gives a driver");
        runtime.block_on(async { Expect(compio::runtime::spawn(main(Compio))).await })
    }

    #[inline]
    fn spawn<F: Future<Output: 'static> + 'static>(&self, future: F) -> JoinHandle<F::Output> {
        compio::runtime::spawn(future)
    }

    #[inline]
    fn join<T: 'static>(task: JoinHandle<T>) -> impl Future<Output = T> + Unpin + 'static {
        Expect(task)
    }

    #[inline]
    fn spawn_detached<F: Future<Output = ()> + 'static>(&self, future: F) {
        compio::runtime::spawn(future).detach();
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
        compio::runtime::time::sleep(delay)
    }

    async fn timeout<F: Future>(&self, delay: Duration, future: F) -> Option<F::Output> {
        compio::runtime::time::timeout(delay, future).await.ok()
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
        Expect(compio::runtime::spawn_blocking(function))
    }

    fn serve(
        &self,
        listener: TcpListener,
        connections: usize,
    ) -> impl Future<Output = ()> + 'static {
        async move {
            listener.set_nonblocking(!URING).expect("a socket can");
            let listener = compio::net::TcpListener::from_std(listener).expect("it is attached");
            let mut tasks = Vec::new();
            for _ in 0..connections {
                let (mut stream, _) = listener.accept().await.expect("a client connects");
                stream.set_nodelay(true).expect("a socket can");
                tasks.push(compio::runtime::spawn(async move {
                    let mut buffer = buffer();
                    loop {
                        let BufResult(read, mut full) = stream.read(buffer).await;
                        let Ok(n @ 1..) = read else { return };
                        full.truncate(n);
                        let BufResult(written, mut full) = stream.write_all(full).await;
                        written.expect("it is read");
                        full.clear();
                        buffer = full;
                    }
                }));
            }
            for task in tasks {
                Expect(task).await;
            }
        }
    }
}
