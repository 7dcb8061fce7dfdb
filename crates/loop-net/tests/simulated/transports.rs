//! Transports, which tell protocols.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use loop_net::{BaseProtocol, BufferedProtocol, Protocol, Transport};
use loop_tasks::yield_now;

use crate::network::{End, pair};
use crate::{Random, for_each_seed, text};

/// Writes as long as it may, notes what comes, and knows which call may follow which.
struct Talks {
    random: Rc<Random>,
    transport: RefCell<Option<Transport>>,
    to_send: Vec<u8>,
    sent: Cell<usize>,
    received: RefCell<Vec<u8>>,
    is_paused: Cell<bool>,
    is_ended: Cell<bool>,
    lost: RefCell<Option<Option<io::ErrorKind>>>,
}

impl Talks {
    fn new(random: &Rc<Random>) -> Rc<Talks> {
        Rc::new(Talks {
            random: Rc::clone(random),
            transport: RefCell::default(),
            to_send: text(random, 1500),
            sent: Cell::new(0),
            received: RefCell::default(),
            is_paused: Cell::new(false),
            is_ended: Cell::new(false),
            lost: RefCell::default(),
        })
    }

    fn transport(&self) -> Transport {
        let transport = self.transport.borrow();
        transport.clone().expect("it hears of it first")
    }

    fn is_lost(&self) -> bool {
        self.lost.borrow().is_some()
    }

    /// Writes some more, if it may; the end behind all.
    fn say(&self) {
        let transport = self.transport();
        while !self.is_paused.get() && self.sent.get() < self.to_send.len() {
            let rest = &self.to_send[self.sent.get()..];
            let length = 1 + self.random.below(rest.len().min(200));
            self.sent.set(self.sent.get() + length);
            transport.write(&rest[..length]);
            if self.random.once_in(3) {
                return;
            }
        }
        if self.sent.get() == self.to_send.len() {
            transport.write_eof();
        }
    }

    fn hear(&self, data: &[u8]) {
        assert!(!data.is_empty() && !self.is_ended.get() && !self.is_lost());
        assert!(self.transport().is_reading() || self.transport().is_closing());
        self.received.borrow_mut().extend(data);
        if self.random.once_in(4) {
            self.transport().pause_reading();
        }
        if self.random.once_in(3) {
            self.say();
        }
    }

    fn hear_end(&self) -> bool {
        assert!(!self.is_ended.replace(true) && !self.is_lost());
        true // it has something to say still
    }
}

impl BaseProtocol for Talks {
    fn connection_made(&self, transport: Transport) {
        let low = self.random.below(60);
        transport.set_write_buffer_limits(low + self.random.below(100), low);
        assert!(self.transport.replace(Some(transport)).is_none());
    }

    fn pause_writing(&self) {
        assert!(!self.is_paused.replace(true) && !self.is_lost());
    }

    fn resume_writing(&self) {
        assert!(self.is_paused.replace(false) && !self.is_lost());
        if self.random.once_in(2) {
            self.say();
        }
    }

    fn connection_lost(&self, error: Option<&io::Error>) {
        let lost = self.lost.replace(Some(error.map(io::Error::kind)));
        assert!(lost.is_none());
        self.transport.take();
    }
}

impl Protocol for Talks {
    fn data_received(&self, data: &[u8]) {
        self.hear(data);
    }

    fn eof_received(&self) -> bool {
        self.hear_end()
    }
}

impl BufferedProtocol for Talks {
    fn get_buffer(&self, _: usize) -> Vec<u8> {
        Vec::with_capacity(self.random.below(100))
    }

    fn buffer_updated(&self, buffer: Vec<u8>, count: usize) {
        assert_eq!(buffer.len(), count);
        if count > 0 {
            self.hear(&buffer);
        }
    }

    fn eof_received(&self) -> bool {
        self.hear_end()
    }
}

fn begin(random: &Rc<Random>, end: End) -> Rc<Talks> {
    let talks = Talks::new(random);
    let protocol = Rc::clone(&talks);
    match random.once_in(2) {
        true => Transport::buffered(end, protocol).unwrap(),
        false => Transport::new(end, protocol).unwrap(),
    };
    talks
}

/// Whoever paused goes on at some time, and whoever has to say something says more.
fn nudge(talks: &Talks) {
    let transport = talks.transport.borrow().clone();
    if let Some(transport) = transport {
        if talks.random.once_in(2) {
            transport.resume_reading();
        }
        if !transport.is_closing() {
            talks.say();
        }
    }
}

/// No scene takes nearly as long.
const PATIENCE: usize = 100_000;

#[test]
fn protocols_hear_everything_in_its_order() {
    for_each_seed(2_000, |random| async move {
        let (near, far, _) = pair(&random, 1);
        let sides = [begin(&random, near), begin(&random, far)];
        yield_now().await;
        let is_done =
            |talks: &Rc<Talks>| talks.is_ended.get() && talks.sent.get() == talks.to_send.len();
        for _ in 0..PATIENCE {
            if sides.iter().all(is_done) {
                break;
            }
            sides.iter().for_each(|talks| nudge(talks));
            yield_now().await;
        }
        assert!(sides.iter().all(is_done), "it hangs");
        assert!(*sides[0].received.borrow() == sides[1].to_send);
        assert!(*sides[1].received.borrow() == sides[0].to_send);
        for talks in &sides {
            talks.transport().close();
        }
        while !sides.iter().all(|talks| talks.is_lost()) {
            yield_now().await;
        }
        assert!(sides.iter().all(|talks| *talks.lost.borrow() == Some(None)));
        assert!(
            sides.iter().all(|talks| Rc::strong_count(talks) == 1),
            "a circle is left"
        );
    });
}

/// A close, an abort, or a break at any time: `connection_lost` comes once, last, and what came before it was sent.
#[test]
fn protocols_hear_of_one_end() {
    for_each_seed(2_000, |random| async move {
        let (near, far, wires) = pair(&random, 1);
        let sides = [begin(&random, near), begin(&random, far)];
        let end_at = random.below(150);
        for step in 0..PATIENCE {
            yield_now().await;
            if sides.iter().all(|talks| talks.is_lost()) {
                break;
            }
            sides.iter().for_each(|talks| nudge(talks));
            // One of them ends it; the other one does at some time, if it is left.
            if step == end_at && random.once_in(3) {
                wires.reset();
            } else if step == end_at || step > 1000 {
                for talks in &sides {
                    let transport = talks.transport.borrow().clone();
                    match (transport, random.below(4)) {
                        (Some(transport), 0) => transport.close(),
                        (Some(transport), 1) => transport.abort(),
                        _ => {}
                    }
                }
            }
        }
        for (this, that) in [(0, 1), (1, 0)] {
            let received = sides[this].received.borrow();
            assert!(sides[that].to_send.starts_with(&received));
            assert!(sides[this].is_lost(), "it hangs");
            assert_eq!(Rc::strong_count(&sides[this]), 1, "a circle is left");
        }
    });
}
