//! glommio: io_uring only.

use std::future::Future;
use std::net::TcpListener;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::channels::local_channel::{self, LocalReceiver as Rx, LocalSender as Tx};
use glommio::{LocalExecutorBuilder, Placement, Task};

use super::smol::Handle;
use crate::engine::{Engine, Feature, LocalReceiver, LocalSender, OneSender};
use crate::workloads::buffer;

#[derive(Clone)]
pub(crate) struct Glommio;

impl<T> LocalSender<T> for Tx<T> {
    fn send(&self, value: T) {
        let _ = self.try_send(value);
    }
}

impl<T> LocalReceiver<T> for Rx<T> {
    async fn recv(&mut self) -> T {
        Rx::recv(self).await.expect("the sender is held")
    }
}

impl<T> OneSender<T> for Tx<T> {
    fn send(self, value: T) {
        let _ = self.try_send(value);
    }
}

impl Engine for Glommio {
    const NAME: &'static str = "glommio";
    type Task<T: 'static> = Task<T>;
    type Remote = Handle;

    fn missing() -> Option<String> {
        // It panics where the kernel or a limit is not to its taste.
        let quiet = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let made = std::panic::catch_unwind(|| {
            LocalExecutorBuilder::new(Placement::Unbound)
                .make()
                .map(drop)
        });
        std::panic::set_hook(quiet);
        match made {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("it panics when it starts".to_owned()),
        }
    }

    fn supports(feature: Feature) -> bool {
        // Nobody maintains an adaptor for hyper 1.
        feature != Feature::Http
    }

    fn run<F>(main: impl FnOnce(Self) -> F + 'static) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        let executor = LocalExecutorBuilder::new(Placement::Unbound).make();
        let executor = executor.expect("`missing` tried it");
        executor.run(async { glommio::spawn_local(main(Glommio)).await })
    }

    #[inline]
    fn spawn<F: Future<Output: 'static> + 'static>(&self, future: F) -> Task<F::Output> {
        glommio::spawn_local(future)
    }

    #[inline]
    fn join<T: 'static>(task: Task<T>) -> impl Future<Output = T> + Unpin + 'static {
        task
    }

    #[inline]
    fn spawn_detached<F: Future<Output = ()> + 'static>(&self, future: F) {
        drop(glommio::spawn_local(future).detach());
    }

    fn queue<T: 'static>(
        &self,
    ) -> (
        impl LocalSender<T> + 'static,
        impl LocalReceiver<T> + 'static,
    ) {
        local_channel::new_unbounded()
    }

    fn oneshot<T: 'static>(
        &self,
    ) -> (
        impl OneSender<T> + 'static,
        impl Future<Output = T> + 'static,
    ) {
        let (sender, receiver) = local_channel::new_bounded(1);
        (sender, async move {
            Rx::recv(&receiver).await.expect("the sender sends")
        })
    }

    fn sleep(&self, delay: Duration) -> impl Future<Output = ()> + 'static {
        glommio::timer::sleep(delay)
    }

    async fn timeout<F: Future>(&self, delay: Duration, future: F) -> Option<F::Output> {
        glommio::timer::timeout(delay, async { Ok(future.await) })
            .await
            .ok()
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
        async { glommio::executor().spawn_blocking(function).await }
    }

    fn serve(
        &self,
        listener: TcpListener,
        connections: usize,
    ) -> impl Future<Output = ()> + 'static {
        // It takes no listener of std's without unsafe code: it binds the same port again.
        let address = listener.local_addr().expect("it is bound");
        drop(listener);
        let listener = glommio::net::TcpListener::bind(address).expect("the port was free");
        async move {
            let mut tasks = Vec::new();
            for _ in 0..connections {
                let mut stream = listener.accept().await.expect("a client connects");
                stream.set_nodelay(true).expect("a socket can");
                tasks.push(glommio::spawn_local(async move {
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
}
