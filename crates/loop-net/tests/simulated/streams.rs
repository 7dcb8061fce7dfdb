//! Readers and writers.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use loop_net::{Connection, ReadError, StreamOptions, StreamReader, StreamWriter};
use loop_tasks::{Task, create_task, yield_now};

use crate::network::pair;
use crate::{Random, for_each_seed, text};

/// How a writer ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    /// With its direction; the rest when its reader has ended too.
    Eof,
    Close,
    Drop,
    Abort,
}

/// One side, of which a task writes and another one reads.
struct Side {
    sent: Vec<u8>,
    ending: Ending,
    writing: Task<io::Result<StreamWriter>>,
    reading: Task<Option<io::ErrorKind>>,
    received: Rc<RefCell<Vec<u8>>>,
}

fn begin(random: &Rc<Random>, connection: impl Connection, ending: Ending) -> Side {
    let limit = 1 + random.below(100);
    let options = StreamOptions::new().limit(limit);
    let (reader, writer) = options.streams_over(connection).unwrap();
    if random.once_in(2) {
        let low = random.below(100);
        writer.set_write_buffer_limits(low + random.below(200), low);
    }
    let sent = text(random, 1500);
    let received = Rc::default();
    let ours = (Rc::clone(random), sent.clone());
    let writing = create_task(async move { write(&ours.0, writer, &ours.1, ending).await });
    let ours = (Rc::clone(random), Rc::clone(&received));
    let reading = create_task(async move { read(&ours.0, reader, &ours.1).await });
    Side {
        sent,
        ending,
        writing,
        reading,
        received,
    }
}

async fn write(
    random: &Random,
    writer: StreamWriter,
    mut rest: &[u8],
    ending: Ending,
) -> io::Result<StreamWriter> {
    while !rest.is_empty() {
        let (now, later) = rest.split_at(1 + random.below(rest.len().min(300)));
        writer.write(now);
        rest = later;
        match random.below(4) {
            0 => yield_now().await,
            1 | 2 => writer.drain().await?,
            _ => {}
        }
    }
    match ending {
        Ending::Eof => writer.write_eof(),
        Ending::Close | Ending::Drop => writer.close(),
        Ending::Abort => writer.abort(),
    }
    Ok(writer)
}

/// Reads in all ways that there are, to the end, and says with which error it came.
async fn read(
    random: &Random,
    mut reader: StreamReader,
    received: &RefCell<Vec<u8>>,
) -> Option<io::ErrorKind> {
    loop {
        let read = match random.below(5) {
            0 => reader.read(1 + random.below(200)).await.map_err(Into::into),
            1 => {
                let mut bytes = vec![0; 1 + random.below(200)];
                let read = reader.read_into(&mut bytes).await;
                read.map_err(Into::into)
                    .map(|length| bytes[..length].to_vec())
            }
            2 => reader.readexactly(1 + random.below(200)).await,
            3 => reader.readuntil(b"\n").await,
            _ => {
                yield_now().await;
                continue;
            }
        };
        match read {
            Ok(bytes) if bytes.is_empty() => {
                assert!(reader.at_eof());
                return None;
            }
            Ok(bytes) => received.borrow_mut().extend(bytes),
            Err(ReadError::Incomplete(error)) => {
                received.borrow_mut().extend(error.partial);
                assert!(reader.at_eof());
            }
            // What is in the buffer stays there.
            Err(ReadError::Limit(_)) => {
                let bytes = reader.read(usize::MAX).await.unwrap();
                assert!(!bytes.is_empty());
                received.borrow_mut().extend(bytes);
            }
            Err(ReadError::Io(error)) => {
                received.borrow_mut().extend(reader.buffer());
                return Some(error.kind());
            }
            Err(error) => unreachable!("{error}"),
        }
    }
}

/// Both go on until they have heard all: everything has come.
async fn talk_to_the_end(sides: [Side; 2]) {
    let mut writers = Vec::new();
    for side in &sides {
        assert_eq!(side.reading.clone().await.unwrap(), None);
        writers.push(side.writing.clone());
    }
    assert!(*sides[0].received.borrow() == sides[1].sent);
    assert!(*sides[1].received.borrow() == sides[0].sent);
    // Each closes with nothing under way: nobody has cause to complain.
    let mut waiting = Vec::new();
    for side in sides {
        let writer = side.writing.await.unwrap().unwrap();
        writer.close();
        waiting.push(create_task(async move { writer.wait_closed().await }));
    }
    for closed in waiting {
        closed.await.unwrap().unwrap();
    }
}

#[test]
fn every_byte_comes_in_its_order() {
    for_each_seed(4_000, |random| async move {
        let (near, far, _) = pair(&random, 1);
        let sides = [
            begin(&random, near, Ending::Eof),
            begin(&random, far, Ending::Eof),
        ];
        talk_to_the_end(sides).await;
    });
}

/// Either ends as it likes, and the network may break: what has come is what was sent, up to there, and everybody hears
/// of the end.
#[test]
fn nobody_waits_for_ever_whatever_ends() {
    for_each_seed(4_000, |random| async move {
        let (near, far, wires) = pair(&random, 1);
        let ending = || [Ending::Eof, Ending::Close, Ending::Drop, Ending::Abort][random.below(4)];
        let sides = [
            begin(&random, near, ending()),
            begin(&random, far, ending()),
        ];
        let is_cut = random.once_in(3);
        let breaking = Rc::clone(&random);
        let breaking = create_task(async move {
            for _ in 0..breaking.below(200) {
                yield_now().await;
            }
            if is_cut {
                wires.reset();
            }
        });
        let heard = [
            sides[0].reading.clone().await.unwrap(),
            sides[1].reading.clone().await.unwrap(),
        ];
        for (this, that) in [(0, 1), (1, 0)] {
            let (received, sent) = (sides[this].received.borrow(), &sides[that].sent);
            assert!(sent.starts_with(&received), "what was not sent has come");
            let (ours, theirs) = (sides[this].ending, sides[that].ending);
            // Who stays until the other one has ended in order hears everything.
            if !is_cut && ours == Ending::Eof && theirs != Ending::Abort {
                let is_all = received.len() == sent.len();
                assert!(is_all || heard[this].is_some(), "{ours:?} {theirs:?}");
            }
        }
        for side in sides {
            if let Ok(writer) = side.writing.await.unwrap() {
                writer.close();
                let _how = writer.wait_closed().await;
                assert!(writer.is_closing() && writer.get_write_buffer_size() == 0);
            }
        }
        breaking.await.unwrap();
    });
}

/// The same, encrypted: each side says goodbye, and waits for that of the other one.
#[cfg(feature = "tls")]
#[test]
fn every_byte_comes_in_its_order_under_tls() {
    use loop_net::TlsStream;

    use crate::certificates::{client_config, server_config};

    let (client, server) = (client_config(), server_config());
    for_each_seed(100, |random| {
        let (client, server) = (client.clone(), server.clone());
        async move {
            let (near, far, _) = pair(&random, 1);
            // Each begins to read at once: a server waits until all that goes with its handshake is under way.
            let ours = Rc::clone(&random);
            let near = create_task(async move {
                let stream = TlsStream::connect(near, client, "localhost").await;
                begin(&ours, stream.unwrap(), Ending::Eof)
            });
            let stream = TlsStream::accept(far, server).await;
            let far = begin(&random, stream.unwrap(), Ending::Eof);
            talk_to_the_end([near.await.unwrap(), far]).await;
        }
    });
}

/// A network that breaks while both sides get to know each other: they hear of it.
#[cfg(feature = "tls")]
#[test]
fn a_handshake_that_breaks_has_an_end() {
    use loop_net::TlsStream;

    use crate::certificates::{client_config, server_config};

    let (client, server) = (client_config(), server_config());
    for_each_seed(300, |random| {
        let (client, server) = (client.clone(), server.clone());
        async move {
            let (near, far, wires) = pair(&random, 4096);
            let accepting = create_task(TlsStream::accept(far, server));
            let connecting = create_task(TlsStream::connect(near, client, "localhost"));
            for _ in 0..random.below(100) {
                yield_now().await;
            }
            match random.below(3) {
                0 => wires.reset(),
                1 => drop(accepting.cancel()),
                _ => drop(connecting.cancel()),
            }
            let (near, far) = (connecting.await, accepting.await);
            // Whoever is through before the other one breaks off may have a connection, the other one not.
            let is_through = |side: &Result<io::Result<TlsStream>, _>| matches!(side, Ok(Ok(_)));
            if is_through(&near) && is_through(&far) {
                let (near, far) = (near.unwrap().unwrap(), far.unwrap().unwrap());
                assert_eq!(
                    near.tls_info().unwrap().version,
                    far.tls_info().unwrap().version
                );
            }
        }
    });
}
