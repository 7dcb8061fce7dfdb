//! A program's own `Connection`, which does what sockets do not: waits with its end, and panics.

mod common;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use loop_core::{EventLoop, get_running_loop};
use loop_net::{Address, Connection, StreamReader, StreamWriter, streams_over};
use loop_tasks::{create_task, yield_now};

use common::run;

/// Where it fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Write,
    Shutdown,
    Discard,
    Drop,
}

/// Carries nothing: what is read never comes.
#[derive(Debug)]
struct Faulty {
    fault: Fault,
    closes_at_once: bool,
    /// So often it waits before it has told of its end.
    slowness: Cell<u32>,
    told: Rc<Cell<bool>>,
}

impl Faulty {
    fn new(fault: Fault) -> Faulty {
        Faulty {
            fault,
            closes_at_once: false,
            slowness: Cell::new(0),
            told: Rc::default(),
        }
    }

    fn fails_at(&self, fault: Fault) {
        assert!(self.fault != fault, "{fault:?} failed");
    }
}

impl Connection for Faulty {
    fn poll_read(&self, _: &mut Context<'_>, _: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write(&self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.fails_at(Fault::Write);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fails_at(Fault::Shutdown);
        let left = self.slowness.get();
        if left > 0 {
            self.slowness.set(left - 1);
            wake_later(cx.waker().clone());
            return Poll::Pending;
        }
        self.told.set(true);
        Poll::Ready(Ok(()))
    }

    fn closes_at_once(&self) -> bool {
        self.closes_at_once
    }

    fn discard(&self) {
        self.fails_at(Fault::Discard);
    }

    fn local_addr(&self) -> Option<Address> {
        None
    }

    fn peer_addr(&self) -> Option<Address> {
        None
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.fails_at(Fault::Drop);
    }
}

fn wake_later(waker: Waker) {
    let event_loop = get_running_loop().unwrap();
    event_loop.call_soon(move || waker.wake()).unwrap();
}

fn streams(connection: Faulty) -> (StreamReader, StreamWriter) {
    // Its panics are expected, and reported to nobody.
    get_running_loop()
        .unwrap()
        .set_exception_handler(|_: &EventLoop, _| {});
    streams_over(connection).unwrap()
}

#[test]
fn whoever_waits_for_room_hears_of_a_panic() {
    run(async {
        let (mut reader, writer) = streams(Faulty::new(Fault::Write));
        let reading = create_task(async move { reader.read(1).await.map_err(|e| e.to_string()) });
        writer.set_write_buffer_limits(0, 0);
        writer.write(b"ping");
        let error = writer.drain().await.unwrap_err();
        assert_eq!(error.to_string(), "the connection panicked: Write failed");
        let error = writer.wait_closed().await.unwrap_err();
        assert_eq!(error.to_string(), "the connection panicked: Write failed");
        assert!(reading.await.unwrap().is_err());
    });
}

#[test]
fn whoever_waits_for_the_end_hears_of_a_panic() {
    for fault in [Fault::Write, Fault::Shutdown] {
        run(async move {
            let (_reader, writer) = streams(Faulty::new(fault));
            writer.write(b"ping");
            writer.close();
            let error = writer.wait_closed().await.unwrap_err();
            let text = format!("the connection panicked: {fault:?} failed");
            assert_eq!(error.to_string(), text);
        });
    }
}

#[test]
fn whoever_waits_for_the_end_is_told_before_the_connection_is_let_go() {
    for fault in [Fault::Discard, Fault::Drop] {
        run(async move {
            let (_reader, writer) = streams(Faulty::new(fault));
            let writer = Rc::new(writer);
            let ours = Rc::clone(&writer);
            let waiting = create_task(async move { ours.wait_closed().await.is_ok() });
            yield_now().await;
            writer.close();
            assert!(waiting.await.unwrap());
        });
    }
}

#[test]
fn an_end_that_takes_its_time_is_waited_for() {
    for closes_at_once in [false, true] {
        run(async move {
            let mut connection = Faulty::new(Fault::None);
            connection.closes_at_once = closes_at_once;
            connection.slowness = Cell::new(3);
            let told = Rc::clone(&connection.told);
            let (_reader, writer) = streams(connection);
            writer.write_eof();
            while !told.get() {
                yield_now().await;
            }
            writer.close();
            writer.wait_closed().await.unwrap();
        });
    }
}

/// What a connection does with its own writer while it is asked to write.
type Meddling = fn(&StreamWriter);

/// Takes so many bytes at a time, and meddles the first time.
#[derive(Debug)]
struct Meddler {
    writer: Rc<RefCell<Option<StreamWriter>>>,
    meddling: Meddling,
    /// Whether it is written to at once.
    at_once: bool,
    most: usize,
    taken: Rc<RefCell<Vec<u8>>>,
}

impl Meddler {
    fn take(&self, bytes: &[u8]) -> usize {
        let writer = self.writer.take();
        if let Some(writer) = writer {
            (self.meddling)(&writer);
        }
        let length = self.most.min(bytes.len());
        self.taken.borrow_mut().extend_from_slice(&bytes[..length]);
        length
    }
}

impl Connection for Meddler {
    fn poll_read(&self, _: &mut Context<'_>, _: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write(&self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.take(bytes)))
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.at_once {
            true => Ok(self.take(bytes)),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn poll_shutdown(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.taken.borrow_mut().push(b'.');
        Poll::Ready(Ok(()))
    }

    fn local_addr(&self) -> Option<Address> {
        None
    }

    fn peer_addr(&self) -> Option<Address> {
        None
    }
}

#[test]
fn a_connection_may_use_its_own_writer_while_it_writes() {
    let rows: [(Meddling, &[u8]); 7] = [
        (|_| (), b"ping."),
        (|writer| writer.write(b"pong"), b"pingpong."),
        (|writer| writer.set_write_buffer_limits(9, 0), b"ping."),
        (|writer| writer.set_write_buffer_limits(1, 0), b"ping."),
        (
            |writer| assert_eq!(writer.get_write_buffer_size(), 4),
            b"ping.",
        ),
        (StreamWriter::write_eof, b"ping."),
        (StreamWriter::close, b"ping."),
    ];
    for (row, (meddling, expected)) in rows.into_iter().enumerate() {
        for (at_once, most) in [(false, 1), (true, 1), (true, 9)] {
            let taken = taken_while(meddling, at_once, most);
            assert_eq!(taken, expected, "row {row}, {at_once}, {most}");
        }
    }
    for at_once in [false, true] {
        assert_eq!(taken_while(StreamWriter::abort, at_once, 1), b"p");
    }
}

/// What a connection gets that meddles.
fn taken_while(meddling: Meddling, at_once: bool, most: usize) -> Vec<u8> {
    run(async move {
        let (own, taken) = (Rc::default(), Rc::default());
        let meddler = Meddler {
            writer: Rc::clone(&own),
            meddling,
            at_once,
            most,
            taken: Rc::clone(&taken),
        };
        let (_reader, writer) = streams_over(meddler).unwrap();
        own.replace(Some(writer.clone()));
        writer.write(b"ping");
        while own.borrow().is_some() {
            yield_now().await;
        }
        if !writer.is_closing() {
            writer.drain().await.unwrap();
        }
        writer.close();
        writer.wait_closed().await.unwrap();
        taken.take()
    })
}
