//! What carries packets, and those that wait for it.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use crate::{Direction, UdpSocket};

/// What a packet counts beside its bytes: empty ones must not wait without limit.
const HEAD: usize = 8;

/// A socket of packets.
pub(super) trait Carrier: fmt::Debug {
    /// Sends without waiting.
    fn try_send(&self, data: &[u8], to: Option<SocketAddr>) -> io::Result<()>;

    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        data: &[u8],
        to: Option<SocketAddr>,
    ) -> Poll<io::Result<()>>;

    /// Receives a packet, and says how long it is and from whom.
    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>>;

    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// A UDP socket, and whom it is connected to if it is.
pub(super) struct Udp {
    pub(super) socket: UdpSocket,
    pub(super) peer: Option<SocketAddr>,
}

fn send(socket: &std::net::UdpSocket, data: &[u8], to: Option<SocketAddr>) -> io::Result<()> {
    let sent = match to {
        None => socket.send(data),
        Some(to) => socket.send_to(data, to),
    };
    sent.map(drop)
}

impl Carrier for Udp {
    fn try_send(&self, data: &[u8], to: Option<SocketAddr>) -> io::Result<()> {
        let socket = self.socket.async_fd();
        socket.try_io(Direction::Write, |socket| send(socket, data, to))
    }

    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        data: &[u8],
        to: Option<SocketAddr>,
    ) -> Poll<io::Result<()>> {
        let socket = self.socket.async_fd();
        socket.poll_write_with(cx, |socket| send(socket, data, to))
    }

    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let socket = self.socket.async_fd();
        socket.poll_read_with(cx, |socket| match self.peer {
            Some(peer) => socket.recv(into).map(|length| (length, peer)),
            None => socket.recv_from(into),
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

impl fmt::Debug for Udp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

/// A packet that waits to be sent.
pub(super) struct Packet {
    pub(super) data: Vec<u8>,
    pub(super) to: Option<SocketAddr>,
}

impl Packet {
    fn size(&self) -> usize {
        self.data.len() + HEAD
    }
}

/// The packets that wait, in their order.
#[derive(Default)]
pub(super) struct Queue {
    packets: VecDeque<Packet>,
    /// How much all of them are, with the one that is lent.
    size: usize,
}

impl Queue {
    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.size
    }

    pub(super) fn push(&mut self, packet: Packet) {
        self.size += packet.size();
        self.packets.push_back(packet);
    }

    /// The next one, which counts until it is [done](Self::done) with, or comes [back](Self::give_back).
    pub(super) fn lend(&mut self) -> Option<Packet> {
        self.packets.pop_front()
    }

    pub(super) fn give_back(&mut self, packet: Packet) {
        self.packets.push_front(packet);
    }

    pub(super) fn done(&mut self, packet: &Packet) {
        self.size -= packet.size();
    }
}

#[cfg(test)]
mod tests {
    use super::{Packet, Queue};

    #[test]
    fn a_packet_counts_until_it_is_done_with() {
        let packet = |data: &[u8]| Packet {
            data: data.to_vec(),
            to: None,
        };
        let mut queue = Queue::default();
        queue.push(packet(b"one"));
        queue.push(packet(b""));
        assert_eq!(queue.waiting(), 3 + 8 + 8);
        let first = queue.lend().unwrap();
        assert_eq!((&first.data[..], queue.waiting()), (&b"one"[..], 19));
        queue.give_back(first);
        let first = queue.lend().unwrap();
        assert_eq!(first.data, b"one");
        queue.done(&first);
        assert_eq!(queue.waiting(), 8);
        let second = queue.lend().unwrap();
        queue.done(&second);
        assert!(queue.lend().is_none() && queue.waiting() == 0);
    }
}
