//! W9: an echo server, and clients in another thread that say nothing about any engine.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::{Scale, Workload, listener, on};
use crate::engine::{Engine, Feature};
use crate::measure::{Metric, Stopwatch, thread_cpu};

const NEEDS: &[Feature] = &[Feature::Net];

pub(super) fn workloads<E: Engine>() -> Vec<Workload> {
    fn workload(name: &'static str, run: fn(Scale) -> Vec<Metric>) -> Workload {
        Workload {
            name,
            about: "TCP echo: connections x bytes, wall and server's processor time a request",
            needs: NEEDS,
            run,
        }
    }
    vec![
        workload("w9.1x64", |scale| echo::<E>("w9.1x64", scale, 1, 64)),
        workload("w9.64x64", |scale| echo::<E>("w9.64x64", scale, 64, 64)),
        workload("w9.1000x64", |scale| {
            echo::<E>("w9.1000x64", scale, 1_000, 64)
        }),
        workload("w9.1x4096", |scale| echo::<E>("w9.1x4096", scale, 1, 4096)),
        workload("w9.64x4096", |scale| {
            echo::<E>("w9.64x4096", scale, 64, 4096)
        }),
        workload("w9.1000x4096", |scale| {
            echo::<E>("w9.1000x4096", scale, 1_000, 4096)
        }),
    ]
}

fn echo<E: Engine>(name: &str, scale: Scale, connections: usize, bytes: usize) -> Vec<Metric> {
    let requests = scale.count(200_000).max(connections);
    let (wall, cpu) = on(scale, move |engine: E| async move {
        let listener = listener();
        let address = listener.local_addr().expect("it is bound");
        let server = engine.serve(listener, connections);
        let clients = std::thread::spawn(move || clients(address, connections, requests, bytes));
        let before = thread_cpu();
        server.await;
        let cpu = thread_cpu() - before;
        (clients.join().expect("every answer was right"), cpu)
    });
    vec![
        Metric::each(format!("{name}.wall"), wall, requests),
        Metric::each(format!("{name}.cpu"), cpu, requests),
    ]
}

struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    received: usize,
}

impl Client {
    fn connect(address: SocketAddr, number: usize, bytes: usize) -> Client {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_nodelay(true).expect("a socket can");
        stream.set_nonblocking(true).expect("a socket can");
        Client {
            stream,
            request: vec![number as u8; bytes],
            received: 0,
        }
    }

    fn ask(&mut self) {
        self.received = 0;
        self.stream
            .write_all(&self.request)
            .expect("there is room for one request");
    }

    /// Reads what there is and says whether the answer is whole.
    fn hear(&mut self, buffer: &mut [u8]) -> bool {
        match self.stream.read(buffer) {
            Ok(n) => {
                let expected = &self.request[self.received..self.received + n];
                assert_eq!(&buffer[..n], expected, "an echo is what was said");
                self.received += n;
                assert!(n > 0, "the server does not hang up first");
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        self.received == self.request.len()
    }
}

/// Sends so many requests over so many connections, one at a time on each, and says how long that took.
fn clients(address: SocketAddr, connections: usize, requests: usize, bytes: usize) -> Duration {
    let poller = epoll::create(CreateFlags::CLOEXEC).expect("the system gives a poller");
    let mut clients: Vec<Client> = (0..connections)
        .map(|number| Client::connect(address, number, bytes))
        .collect();
    for (number, client) in clients.iter().enumerate() {
        let data = EventData::new_u64(number as u64);
        epoll::add(&poller, &client.stream, data, EventFlags::IN).expect("a socket can be polled");
    }
    let watch = Stopwatch::start();
    clients.iter_mut().for_each(Client::ask);
    let (mut asked, mut answered) = (connections, 0);
    let mut buffer = vec![0; bytes];
    let mut events = Vec::with_capacity(1024);
    while answered < requests {
        events.clear();
        epoll::wait(&poller, rustix::buffer::spare_capacity(&mut events), None)
            .expect("it can wait");
        for event in &events {
            let client = &mut clients[event.data.u64() as usize];
            if client.hear(&mut buffer) {
                answered += 1;
                if asked < requests {
                    asked += 1;
                    client.ask();
                } else {
                    client.received = 0; // Nothing more is expected of this one.
                }
            }
        }
    }
    watch.elapsed()
}
