//! `LocalPool` of `futures`: no timers and no sockets, and little else.

use std::future::Future;

use futures::channel::{mpsc, oneshot};
use futures::executor::{LocalPool as Pool, LocalSpawner, ThreadPool};
use futures::future::RemoteHandle;
use futures::stream::StreamExt;
use futures::task::{LocalSpawnExt, SpawnExt};

use super::smol::Handle;
use crate::engine::{Engine, Feature, LocalReceiver, LocalSender, OneSender};
use crate::expect::Expect;

#[derive(Clone)]
pub(crate) struct LocalPool {
    spawner: LocalSpawner,
    threads: ThreadPool,
}

impl<T> LocalSender<T> for mpsc::UnboundedSender<T> {
    fn send(&self, value: T) {
        let _ = self.unbounded_send(value);
    }
}

impl<T> LocalReceiver<T> for mpsc::UnboundedReceiver<T> {
    async fn recv(&mut self) -> T {
        self.next().await.expect("the sender is held")
    }
}

impl<T> OneSender<T> for oneshot::Sender<T> {
    fn send(self, value: T) {
        let _ = oneshot::Sender::send(self, value);
    }
}

impl Engine for LocalPool {
    const NAME: &'static str = "local-pool";
    type Task<T: 'static> = RemoteHandle<T>;
    type Remote = Handle;

    fn supports(feature: Feature) -> bool {
        !matches!(feature, Feature::Timers | Feature::Net | Feature::Http)
    }

    fn run<F>(main: impl FnOnce(Self) -> F + 'static) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        let mut pool = Pool::new();
        let engine = LocalPool {
            spawner: pool.spawner(),
            threads: ThreadPool::new().expect("the system gives threads"),
        };
        let main = engine.spawn(main(engine.clone()));
        pool.run_until(main)
    }

    #[inline]
    fn spawn<F: Future<Output: 'static> + 'static>(&self, future: F) -> RemoteHandle<F::Output> {
        self.spawner
            .spawn_local_with_handle(future)
            .expect("the pool is there")
    }

    #[inline]
    fn join<T: 'static>(task: RemoteHandle<T>) -> impl Future<Output = T> + Unpin + 'static {
        task
    }

    #[inline]
    fn spawn_detached<F: Future<Output = ()> + 'static>(&self, future: F) {
        self.spawner.spawn_local(future).expect("the pool is there");
    }

    fn queue<T: 'static>(
        &self,
    ) -> (
        impl LocalSender<T> + 'static,
        impl LocalReceiver<T> + 'static,
    ) {
        mpsc::unbounded()
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

    fn remote(&self) -> Handle {
        let (handle, reader) = Handle::pair();
        self.spawn_detached(reader);
        handle
    }

    fn blocking<T: Send + 'static>(
        &self,
        function: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + 'static {
        self.threads
            .spawn_with_handle(async { function() })
            .expect("the pool is there")
    }
}
