//! The clients of a server: one thread, a plain epoll, and nothing of any engine.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::measure::Stopwatch;

/// What is asked of a server: so many requests over so many connections, one at a time on each.
pub(super) struct Load {
    pub(super) address: SocketAddr,
    pub(super) connections: usize,
    pub(super) requests: usize,
    /// What the connection of this number sends.
    pub(super) request: Box<dyn Fn(usize) -> Vec<u8> + Send>,
    /// Whether what has come so far is the whole answer to a request; panics if it is a wrong one.
    pub(super) is_whole: fn(request: &[u8], answer: &[u8]) -> bool,
}

struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr, request: Vec<u8>) -> Client {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_nodelay(true).expect("a socket can");
        stream.set_nonblocking(true).expect("a socket can");
        Client {
            stream,
            request,
            answer: Vec::new(),
        }
    }

    fn ask(&mut self) {
        self.answer.clear();
        self.stream
            .write_all(&self.request)
            .expect("there is room for one request");
    }

    /// Reads what there is.
    fn hear(&mut self, buffer: &mut [u8]) {
        match self.stream.read(buffer) {
            Ok(n) => {
                assert!(n > 0, "the server does not hang up first");
                self.answer.extend_from_slice(&buffer[..n]);
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
}

impl Load {
    /// Asks for all of it, and says how long that took.
    pub(super) fn run(self) -> Duration {
        let poller = epoll::create(CreateFlags::CLOEXEC).expect("the system gives a poller");
        let mut clients: Vec<Client> = (0..self.connections)
            .map(|number| Client::connect(self.address, (self.request)(number)))
            .collect();
        for (number, client) in clients.iter().enumerate() {
            let data = EventData::new_u64(number as u64);
            epoll::add(&poller, &client.stream, data, EventFlags::IN)
                .expect("a socket can be polled");
        }
        let watch = Stopwatch::start();
        clients.iter_mut().for_each(Client::ask);
        let (mut asked, mut answered) = (self.connections, 0);
        let mut buffer = vec![0; 8 * 1024];
        let mut events = Vec::with_capacity(1024);
        while answered < self.requests {
            events.clear();
            epoll::wait(&poller, rustix::buffer::spare_capacity(&mut events), None)
                .expect("it can wait");
            for event in &events {
                let client = &mut clients[event.data.u64() as usize];
                client.hear(&mut buffer);
                if (self.is_whole)(&client.request, &client.answer) {
                    answered += 1;
                    if asked < self.requests {
                        asked += 1;
                        client.ask();
                    } else {
                        client.answer.clear(); // Nothing more is expected of this one.
                    }
                }
            }
        }
        watch.elapsed()
    }
}
