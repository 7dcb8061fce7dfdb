//! calloop: the one peer that is a loop of callbacks; its executor is one of its sources.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use calloop::channel::{self, Event, Sender};
use calloop::futures::{Scheduler, executor};
use calloop::timer::TimeoutFuture;
use calloop::{EventLoop, LoopHandle, LoopSignal};
use futures::future::{FutureExt, RemoteHandle};

use crate::engine::{Absent, Engine, Feature, LocalReceiver, LocalSender, OneSender, Remote};

#[derive(Clone)]
pub(crate) struct Calloop {
    handle: LoopHandle<'static, ()>,
    tasks: Rc<Scheduler<()>>,
    /// Whether an idle callback waits: the loop does not look for those before it sleeps.
    idle: Rc<Cell<bool>>,
}

struct MainWaker {
    woken: AtomicBool,
    signal: LoopSignal,
}

impl Wake for MainWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.signal.wakeup();
        }
    }
}

type Function = Box<dyn FnOnce() + Send>;

#[derive(Clone)]
pub(crate) struct Handle(Sender<Function>);

impl Remote for Handle {
    fn post(&self, function: impl FnOnce() + Send + 'static) {
        let _ = self.0.send(Box::new(function));
    }
}

impl Engine for Calloop {
    const NAME: &'static str = "calloop";
    type Task<T: 'static> = RemoteHandle<T>;
    type Remote = Handle;

    fn supports(feature: Feature) -> bool {
        !matches!(
            feature,
            Feature::Channels | Feature::Blocking | Feature::Net | Feature::Http
        )
    }

    fn run<F>(main: impl FnOnce(Self) -> F + 'static) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        let mut event_loop = EventLoop::<()>::try_new().expect("the system gives a poller");
        let handle = event_loop.handle();
        let (source, tasks) = executor().expect("the system gives a ping");
        let inserted = handle.insert_source(source, |(), (), ()| {});
        inserted.expect("it is registered");
        let engine = Calloop {
            handle,
            tasks: Rc::new(tasks),
            idle: Rc::default(),
        };
        let waker = Arc::new(MainWaker {
            woken: AtomicBool::new(true),
            signal: event_loop.get_signal(),
        });
        let mut main = pin!(main(engine.clone()));
        let as_waker = Waker::from(Arc::clone(&waker));
        loop {
            if waker.woken.swap(false, Ordering::AcqRel)
                && let Poll::Ready(output) = main.as_mut().poll(&mut Context::from_waker(&as_waker))
            {
                return output;
            }
            let wait = engine.idle.take().then_some(Duration::ZERO);
            event_loop.dispatch(wait, &mut ()).expect("it can poll");
        }
    }

    #[inline]
    fn call_soon(&self, callback: impl FnOnce() + 'static) {
        self.idle.set(true);
        self.handle.insert_idle(move |()| callback());
    }

    #[inline]
    fn spawn<F: Future<Output: 'static> + 'static>(&self, future: F) -> RemoteHandle<F::Output> {
        let (task, handle) = future.remote_handle();
        self.spawn_detached(task);
        handle
    }

    #[inline]
    fn join<T: 'static>(task: RemoteHandle<T>) -> impl Future<Output = T> + Unpin + 'static {
        task
    }

    #[inline]
    fn spawn_detached<F: Future<Output = ()> + 'static>(&self, future: F) {
        self.tasks.schedule(future).expect("the executor is there");
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
        (Absent, std::future::pending())
    }

    fn sleep(&self, delay: Duration) -> impl Future<Output = ()> + 'static {
        let handle = self.handle.clone();
        async move { TimeoutFuture::from_duration(&handle, delay).await }
    }

    async fn timeout<F: Future>(&self, delay: Duration, future: F) -> Option<F::Output> {
        let deadline = async {
            TimeoutFuture::from_duration(&self.handle, delay).await;
            None
        };
        futures_lite::future::or(async { Some(future.await) }, deadline).await
    }

    fn remote(&self) -> Handle {
        let (sender, receiver) = channel::channel::<Function>();
        let inserted = self.handle.insert_source(receiver, |event, (), ()| {
            if let Event::Msg(function) = event {
                function();
            }
        });
        inserted.expect("it is registered");
        Handle(sender)
    }
}
