//! The bare limit: what the machine allows somebody who writes only what one workload needs.
//!
//! A queue of boxed callbacks, a list behind a lock for other threads, an eventfd that wakes an epoll; no tasks, no
//! timers, no order beyond first in, first out.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, Pending};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};

use crate::engine::{Engine, Feature, Remote, absent};
use crate::workloads::{PAGE, buffer};

type Callback = Box<dyn FnOnce()>;
type Function = Box<dyn FnOnce() + Send>;

#[derive(Clone)]
pub(crate) struct Bare {
    ready: Rc<RefCell<VecDeque<Callback>>>,
    shared: Arc<Shared>,
}

struct Shared {
    functions: Mutex<Vec<Function>>,
    /// Whether somebody posted, or woke the main future, since the loop last looked.
    notified: AtomicBool,
    event: OwnedFd,
}

impl Shared {
    fn notify(&self) {
        if !self.notified.swap(true, Ordering::AcqRel) {
            rustix::io::write(&self.event, &1_u64.to_ne_bytes()).expect("an eventfd counts");
        }
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.notify();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.notify();
    }
}

#[derive(Clone)]
pub(crate) struct Handle(Arc<Shared>);

impl Remote for Handle {
    fn post(&self, function: impl FnOnce() + Send + 'static) {
        let mut functions = self.0.functions.lock().expect("nobody panics");
        functions.push(Box::new(function));
        drop(functions);
        self.0.notify();
    }
}

impl Bare {
    /// Runs all that is there, and polls `main` when something may have changed for it.
    fn turn(&self) {
        if self.shared.notified.swap(false, Ordering::AcqRel) {
            let functions =
                std::mem::take(&mut *self.shared.functions.lock().expect("nobody panics"));
            for function in functions {
                function();
            }
        }
        let ready = self.ready.borrow().len();
        for _ in 0..ready {
            let callback = self.ready.borrow_mut().pop_front();
            callback.expect("nobody else pops")();
        }
    }
}

impl Engine for Bare {
    const NAME: &'static str = "bare";
    type Task<T: 'static> = T;
    type Remote = Handle;

    fn supports(feature: Feature) -> bool {
        matches!(
            feature,
            Feature::Callbacks | Feature::Remote | Feature::Net | Feature::Http
        )
    }

    fn run<F>(main: impl FnOnce(Self) -> F + 'static) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let shared = Arc::new(Shared {
            functions: Mutex::default(),
            notified: AtomicBool::new(true),
            event: event.expect("the system gives an eventfd"),
        });
        let poller = epoll::create(CreateFlags::CLOEXEC).expect("the system gives a poller");
        epoll::add(
            &poller,
            &shared.event,
            EventData::new_u64(0),
            EventFlags::IN,
        )
        .expect("an eventfd can be polled");
        let engine = Bare {
            ready: Rc::default(),
            shared: Arc::clone(&shared),
        };
        let waker = Waker::from(Arc::clone(&shared));
        let mut main = pin!(main(engine.clone()));
        let mut events = Vec::with_capacity(8);
        loop {
            let woken = shared.notified.load(Ordering::Acquire);
            engine.turn();
            if (woken || shared.notified.load(Ordering::Acquire))
                && let Poll::Ready(output) = main.as_mut().poll(&mut Context::from_waker(&waker))
            {
                return output;
            }
            if engine.ready.borrow().is_empty() && !shared.notified.load(Ordering::Acquire) {
                events.clear();
                epoll::wait(&poller, rustix::buffer::spare_capacity(&mut events), None)
                    .expect("it can wait");
                let _ = rustix::io::read(&shared.event, &mut [0; 8]);
            }
        }
    }

    #[inline]
    fn call_soon(&self, callback: impl FnOnce() + 'static) {
        self.ready.borrow_mut().push_back(Box::new(callback));
    }

    fn spawn<F: Future<Output: 'static> + 'static>(&self, _: F) -> F::Output {
        absent()
    }

    fn join<T: 'static>(_: T) -> impl Future<Output = T> + Unpin + 'static {
        absent::<Pending<T>>()
    }

    fn spawn_detached<F: Future<Output = ()> + 'static>(&self, _: F) {
        absent()
    }

    fn remote(&self) -> Handle {
        Handle(Arc::clone(&self.shared))
    }

    /// A server of its own, with its own epoll: it blocks the loop, which has nothing else to do.
    fn serve(
        &self,
        listener: TcpListener,
        connections: usize,
    ) -> impl Future<Output = ()> + 'static {
        async move { answer(&listener, connections, None) }
    }

    /// As [`serve`](Engine::serve), without a look at what is asked.
    fn serve_http(
        &self,
        listener: TcpListener,
        connections: usize,
    ) -> impl Future<Output = ()> + 'static {
        async move {
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n";
            let page = format!("{head}{PAGE}");
            answer(&listener, connections, Some(page.as_bytes()));
        }
    }
}

/// Answers everything with `page`, or else with itself.
fn answer(listener: &TcpListener, connections: usize, page: Option<&[u8]>) {
    let poller = epoll::create(CreateFlags::CLOEXEC).expect("the system gives a poller");
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    for number in 0..connections {
        let (stream, _) = listener.accept().expect("a client connects");
        stream.set_nodelay(true).expect("a socket can");
        stream.set_nonblocking(true).expect("a socket can");
        epoll::add(
            &poller,
            &stream,
            EventData::new_u64(number as u64),
            EventFlags::IN | EventFlags::ET,
        )
        .expect("a socket can be polled");
        streams.push(Some(stream));
    }
    let (mut buffer, mut open) = (buffer(), connections);
    let mut events = Vec::with_capacity(1024);
    while open > 0 {
        events.clear();
        epoll::wait(&poller, rustix::buffer::spare_capacity(&mut events), None)
            .expect("it can wait");
        for event in &events {
            let slot = &mut streams[event.data.u64() as usize];
            let Some(stream) = slot else { continue };
            loop {
                match stream.read(&mut buffer) {
                    Ok(n @ 1..) => {
                        stream
                            .write_all(page.unwrap_or(&buffer[..n]))
                            .expect("it is read");
                        if n < buffer.len() {
                            break; // There was no more: what comes now is another event.
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Ok(_) | Err(_) => {
                        *slot = None;
                        open -= 1;
                        break;
                    }
                }
            }
        }
    }
}
