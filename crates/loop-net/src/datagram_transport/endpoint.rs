//! A socket of packets, those that wait to be sent, and the protocol that hears of it: all that goes when it is closed.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use loop_core::{LoopRef, get_running_loop};

use super::DatagramTransport;
use super::packets::{Carrier, Packet, Queue};
use crate::DatagramProtocol;
use crate::driver::{DriverHandle, drive};
use crate::marks::{Mark, Marks};
use crate::telling::{Place, Telling};

/// The longest packet that there is.
const LONGEST: usize = 64 * 1024;

pub(super) struct Endpoint {
    owner: LoopRef,
    place: Place,
    /// `None`: it is closed.
    life: RefCell<Option<Life>>,
}

struct Life {
    socket: Rc<dyn Carrier>,
    protocol: Rc<dyn DatagramProtocol>,
    queue: Queue,
    marks: Marks,
    /// It closes when everything is sent, and hears no more.
    is_closing: bool,
    /// Sends what waits, if anything does.
    sender: Option<DriverHandle>,
    /// Who receives.
    receiver: Option<Waker>,
}

impl Endpoint {
    pub(super) fn new(
        socket: impl Carrier + 'static,
        protocol: Rc<dyn DatagramProtocol>,
        place: Place,
    ) -> io::Result<Rc<Endpoint>> {
        Ok(Rc::new(Endpoint {
            owner: get_running_loop().map_err(io::Error::other)?.loop_ref(),
            place,
            life: RefCell::new(Some(Life {
                socket: Rc::new(socket),
                protocol,
                queue: Queue::default(),
                marks: Marks::default(),
                is_closing: false,
                sender: None,
                receiver: None,
            })),
        }))
    }

    /// Has a driver tell the protocol of everything, from the next iteration on.
    pub(super) fn begin(self: &Rc<Self>, transport: DatagramTransport) {
        let end = EndWithDriver(Rc::clone(self));
        drive(&self.owner, async move {
            end.0.tell("connection_made", |protocol| {
                protocol.connection_made(transport);
            });
            end.0.receive().await;
            drop(end);
        });
    }

    /// Looks at what there is while the socket is open, or changes it. `what` calls nobody, and drops nothing of others'.
    fn alive<T>(&self, what: impl FnOnce(&mut Life) -> T) -> Option<T> {
        self.life.borrow_mut().as_mut().map(what)
    }

    pub(super) fn send(self: &Rc<Self>, data: &[u8], to: Option<SocketAddr>) {
        let looked = self.alive(|life| {
            let is_next = life.queue.waiting() == 0;
            (!life.is_closing).then(|| (is_next, Rc::clone(&life.socket)))
        });
        let Some(Some((is_next, socket))) = looked else {
            return;
        };
        if is_next {
            match socket.try_send(data, to) {
                Ok(()) => return,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return self.failed(&error),
            }
        }
        let data = data.to_vec();
        let has_sender = self.alive(|life| {
            life.queue.push(Packet { data, to });
            life.sender.is_some()
        });
        if has_sender == Some(false) {
            let ours = Rc::clone(self);
            let sender = drive(&self.owner, poll_fn(move |cx| ours.poll_send(cx)));
            self.alive(|life| life.sender = Some(sender));
        }
        self.pause_or_resume();
    }

    /// Hears no more, and ends when everything is sent.
    pub(super) fn close(&self) {
        let is_last = self.alive(|life| {
            life.is_closing = true;
            life.queue.waiting() == 0
        });
        if is_last == Some(true) {
            self.end();
        }
    }

    /// The socket is no more.
    pub(super) fn end(&self) {
        let Some(mut life) = self.life.take() else {
            return;
        };
        // What it waited for does not come any more.
        if let Some(sender) = &life.sender {
            sender.stop();
        }
        if let Some(receiver) = life.receiver.take() {
            receiver.wake();
        }
        let protocol = Rc::clone(&life.protocol);
        let telling = self.telling("connection_lost", &*protocol);
        telling.call_soon(move || protocol.connection_lost(None));
        drop(life);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.alive(|life| life.is_closing).unwrap_or(true)
    }

    pub(super) fn socket(&self) -> Option<Rc<dyn Carrier>> {
        self.alive(|life| Rc::clone(&life.socket))
    }

    /// How many bytes wait to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.alive(|life| life.queue.waiting()).unwrap_or(0)
    }

    pub(super) fn set_marks(&self, low: usize, high: usize) {
        self.alive(|life| life.marks.set(low, high));
        self.pause_or_resume();
    }

    fn pause_or_resume(&self) {
        let passed = self.alive(|life| life.marks.passed(life.queue.waiting()));
        match passed.flatten() {
            Some(Mark::High) => self.tell("pause_writing", |protocol| protocol.pause_writing()),
            Some(Mark::Low) => self.tell("resume_writing", |protocol| protocol.resume_writing()),
            None => {}
        }
    }

    fn telling<'a>(&'a self, method: &'static str, protocol: &dyn DatagramProtocol) -> Telling<'a> {
        Telling {
            owner: &self.owner,
            place: self.place,
            method,
            type_name: protocol.type_name(),
            transport: Some(self),
        }
    }

    fn tell(&self, method: &'static str, what: impl FnOnce(&dyn DatagramProtocol)) {
        if let Some(protocol) = self.alive(|life| Rc::clone(&life.protocol)) {
            let telling = self.telling(method, &*protocol);
            telling.call_quietly(|| what(&*protocol));
        }
    }

    fn failed(&self, error: &io::Error) {
        self.tell("error_received", |protocol| protocol.error_received(error));
    }

    /// Receives and tells until it closes.
    async fn receive(&self) {
        let mut buffer = vec![0; LONGEST];
        loop {
            match poll_fn(|cx| self.poll_receive(cx, &mut buffer)).await {
                None => return,
                Some(Ok((length, from))) => self.tell("datagram_received", |protocol| {
                    protocol.datagram_received(&buffer[..length], from);
                }),
                Some(Err(error)) => self.failed(&error),
            }
        }
    }

    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Option<io::Result<(usize, SocketAddr)>>> {
        let Some(socket) = self.socket().filter(|_| !self.is_closing()) else {
            return Poll::Ready(None);
        };
        let polled = socket.poll_receive(cx, buffer);
        if polled.is_pending() {
            let waker = cx.waker().clone();
            let old = self.alive(|life| life.receiver.replace(waker));
            drop(old);
        }
        polled.map(Some)
    }

    /// Sends what waits.
    fn poll_send(&self, cx: &mut Context<'_>) -> Poll<()> {
        let next = || self.alive(|life| Some((Rc::clone(&life.socket), life.queue.lend()?)));
        while let Some((socket, packet)) = next().flatten() {
            let Poll::Ready(sent) = socket.poll_send(cx, &packet.data, packet.to) else {
                self.alive(|life| life.queue.give_back(packet));
                return Poll::Pending;
            };
            self.alive(|life| life.queue.done(&packet));
            if let Err(error) = sent {
                self.failed(&error);
            }
            self.pause_or_resume();
        }
        let is_closing = self.alive(|life| {
            life.sender = None;
            life.is_closing
        });
        if is_closing == Some(true) {
            self.end();
        }
        Poll::Ready(())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.socket() {
            Some(socket) => write!(f, "<DatagramTransport {socket:?}>"),
            None => f.write_str("<DatagramTransport closed>"),
        }
    }
}

/// The driver's end is the socket's: when the loop closes, since protocol and transport hold each other.
struct EndWithDriver(Rc<Endpoint>);

impl Drop for EndWithDriver {
    fn drop(&mut self) {
        // One that closes has to send what waits first.
        if !self.0.is_closing() || self.0.owner.is_closed() {
            self.0.end();
        }
    }
}
