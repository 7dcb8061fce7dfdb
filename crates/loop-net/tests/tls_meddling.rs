//! TLS over a program's own `Connection`, which uses the stream above it while it is asked for something.

#[path = "common/certificates.rs"]
mod certificates;
mod common;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use loop_core::{EventLoop, get_running_loop};
use loop_net::{
    Address, Connection, StreamReader, StreamWriter, TlsStream, UnixStream, streams_over,
};
use loop_tasks::{Task, create_task};

use certificates::{client_config, server_config};
use common::run;

/// What a connection may be asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Read,
    Write,
    TryWrite,
}

type Meddling = Rc<dyn Fn()>;

/// Meddles in the next such call, before or after it does what it is asked for.
struct Plan {
    call: Call,
    after: bool,
    meddling: RefCell<Option<Meddling>>,
    meddled: Cell<bool>,
}

impl Plan {
    fn new(call: Call, after: bool) -> Rc<Plan> {
        Rc::new(Plan {
            call,
            after,
            meddling: RefCell::default(),
            meddled: Cell::new(false),
        })
    }

    fn meddle_if(&self, call: Call, after: bool) {
        if call == self.call && after == self.after {
            let meddling = self.meddling.take();
            if let Some(meddling) = meddling {
                self.meddled.set(true);
                meddling();
            }
        }
    }
}

struct Meddler {
    inner: UnixStream,
    plan: Rc<Plan>,
}

impl Meddler {
    fn asked<T>(&self, call: Call, does: impl FnOnce(&UnixStream) -> T) -> T {
        self.plan.meddle_if(call, false);
        let done = does(&self.inner);
        self.plan.meddle_if(call, true);
        done
    }
}

impl fmt::Debug for Meddler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meddler")
    }
}

impl Connection for Meddler {
    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        self.asked(Call::Read, |inner| inner.poll_read_buf(cx, buffer))
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.asked(Call::Write, |inner| inner.poll_write(cx, bytes))
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.plan.call == Call::Write {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.asked(Call::TryWrite, |inner| inner.try_write(bytes))
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Connection::poll_shutdown(&self.inner, cx)
    }

    fn local_addr(&self) -> Option<Address> {
        Connection::local_addr(&self.inner)
    }

    fn peer_addr(&self) -> Option<Address> {
        Connection::peer_addr(&self.inner)
    }
}

/// A stream whose connection meddles, and who reads everything at its other end.
async fn stream(plan: &Rc<Plan>) -> (TlsStream, Task<io::Result<Vec<u8>>>) {
    let (near, far) = UnixStream::pair().unwrap();
    let hearing = create_task(async move {
        let stream = TlsStream::accept(far, server_config()).await?;
        let (mut reader, writer) = streams_over(stream)?;
        writer.write(b"!");
        reader.read_all().await
    });
    let meddler = Meddler {
        inner: near,
        plan: Rc::clone(plan),
    };
    let stream = TlsStream::connect(meddler, client_config(), "localhost");
    (stream.await.unwrap(), hearing)
}

async fn read(mut reader: StreamReader) -> io::Result<Vec<u8>> {
    reader.readexactly(1).await.map_err(io::Error::other)
}

const CALLS: [Call; 3] = [Call::Read, Call::Write, Call::TryWrite];

/// What is done with the writer above, and what the other side hears.
type Row = (fn(&StreamWriter), &'static [u8]);

const ROWS: [Row; 6] = [
    (|writer| writer.write(b"pong"), b"pingpong"),
    (
        |writer| assert!(writer.get_extra_info().tls.is_some()),
        b"ping",
    ),
    (|writer| writer.set_write_buffer_limits(1, 0), b"ping"),
    (
        |writer| assert!(writer.get_write_buffer_size() <= 4),
        b"ping",
    ),
    (StreamWriter::write_eof, b"ping"),
    (StreamWriter::close, b"ping"),
];

#[test]
fn a_connection_may_use_the_writer_above_it() {
    for call in CALLS {
        for after in [false, true] {
            for (row, (meddling, expected)) in ROWS.into_iter().enumerate() {
                run(async move {
                    let plan = Plan::new(call, after);
                    let (stream, hearing) = stream(&plan).await;
                    let (reader, writer) = streams_over(stream).unwrap();
                    let ours = writer.clone();
                    let meddling: Meddling = Rc::new(move || meddling(&ours));
                    plan.meddling.replace(Some(meddling));
                    writer.write(b"ping");
                    let heard = read(reader).await;
                    let place = format!("row {row}, {call:?}, after: {after}");
                    if !writer.is_closing() {
                        assert_eq!(heard.unwrap(), b"!", "{place}");
                    }
                    writer.close();
                    assert_eq!(hearing.await.unwrap().unwrap(), expected, "{place}");
                    writer.wait_closed().await.unwrap();
                    assert!(plan.meddled.get(), "{place}");
                });
            }
        }
    }
}

#[test]
fn a_connection_may_abort_the_writer_above_it() {
    for call in CALLS {
        for after in [false, true] {
            run(async move {
                let plan = Plan::new(call, after);
                let (stream, hearing) = stream(&plan).await;
                let (reader, writer) = streams_over(stream).unwrap();
                let ours = writer.clone();
                plan.meddling.replace(Some(Rc::new(move || ours.abort())));
                writer.write(b"ping");
                let _nothing = read(reader).await;
                writer.wait_closed().await.unwrap();
                assert!(hearing.await.unwrap().is_err(), "it was cut off");
                assert!(plan.meddled.get());
            });
        }
    }
}

/// The stream itself, used from within: what would be in its own way waits, and is woken.
#[test]
fn a_connection_may_use_the_stream_above_it() {
    for call in CALLS {
        for after in [false, true] {
            run(async move {
                let plan = Plan::new(call, after);
                let (stream, hearing) = stream(&plan).await;
                let stream = Rc::new(stream);
                let ours = Rc::clone(&stream);
                let read = Rc::new(RefCell::new(Vec::new()));
                let into = Rc::clone(&read);
                plan.meddling.replace(Some(Rc::new(move || {
                    let cx = &mut Context::from_waker(Waker::noop());
                    let _some = ours.poll_read(cx, &mut into.borrow_mut());
                    let _or_none = ours.poll_flush(cx);
                    assert!(ours.tls_info().is_some());
                    let _ = ours.is_flushed();
                })));
                while !plan.meddled.get() || read.borrow().is_empty() {
                    loop_tasks::yield_now().await;
                    let cx = &mut Context::from_waker(Waker::noop());
                    if !plan.meddled.get() && call == Call::Write {
                        let _taken = stream.poll_write(cx, b"ping");
                    } else if !plan.meddled.get() && call == Call::TryWrite {
                        let _taken = stream.try_write(b"ping");
                    }
                    let mut some = Vec::new();
                    let _polled = Connection::poll_read(&*stream, cx, &mut some);
                    read.borrow_mut().extend(some);
                }
                assert_eq!(read.take(), b"!");
                while {
                    let cx = &mut Context::from_waker(Waker::noop());
                    Connection::poll_shutdown(&*stream, cx).is_pending()
                } {
                    loop_tasks::yield_now().await;
                }
                let expected: &[u8] = if call == Call::Read { b"" } else { b"ping" };
                assert_eq!(hearing.await.unwrap().unwrap(), expected);
            });
        }
    }
}

/// What was lent to a connection that panics comes back: the stream says what is wrong, and nobody spins.
#[test]
fn a_connection_that_panics_leaves_the_stream_whole() {
    for call in CALLS {
        run(async move {
            let plan = Plan::new(call, false);
            let (stream, hearing) = stream(&plan).await;
            plan.meddling.replace(Some(Rc::new(|| panic!("it panics"))));
            let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| {
                let cx = &mut Context::from_waker(Waker::noop());
                match call {
                    Call::Read => drop(Connection::poll_read(&stream, cx, &mut Vec::new())),
                    Call::Write => drop(stream.poll_write(cx, b"ping")),
                    Call::TryWrite => drop(stream.try_write(b"ping")),
                }
            }));
            assert!(panicked.is_err());
            let (mut reader, writer) = streams_over(stream).unwrap();
            assert_eq!(reader.readexactly(1).await.unwrap(), b"!");
            writer.write(b"pong");
            writer.close();
            let expected: &[u8] = if call == Call::Read {
                b"pong"
            } else {
                b"pingpong"
            };
            assert_eq!(hearing.await.unwrap().unwrap(), expected);
        });
    }
}

/// Under streams, it is lost, and they say why.
#[test]
fn a_connection_that_panics_is_lost() {
    for call in CALLS {
        run(async move {
            let event_loop = get_running_loop().unwrap();
            event_loop.set_exception_handler(|_: &EventLoop, _| {});
            let plan = Plan::new(call, false);
            let (stream, _hearing) = stream(&plan).await;
            plan.meddling.replace(Some(Rc::new(|| panic!("it panics"))));
            let (mut reader, writer) = streams_over(stream).unwrap();
            let ours = writer.clone();
            // Some of these calls are the program's own: there, the panic is its own too.
            let using = create_task(async move {
                ours.write(b"ping");
                let _end = reader.read_all().await;
            });
            let error = writer.wait_closed().await.unwrap_err();
            assert_eq!(error.to_string(), "the connection panicked: it panics");
            let _panicked = using.await;
        });
    }
}
