//! Readiness is a level and not an edge.

use std::cell::Cell;
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use crate::common::{Trace, stop, watchdog};
use loop_core::EventLoop;

use crate::{look, polling_loop, readable, ready_pair};

#[test]
fn a_reader_is_called_in_every_iteration_that_finds_something_to_read() {
    let event_loop = polling_loop();
    let (near, mut far) = UnixStream::pair().unwrap();
    let trace = Trace::new();
    let (log, mut stream) = (trace.clone(), near.try_clone().unwrap());
    event_loop
        .add_reader(&near, move || {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            log.push(byte[0]);
        })
        .unwrap();
    look(&event_loop);
    assert_eq!(trace.take(), []);
    far.write_all(b"abc").unwrap();
    for expected in [&b"a"[..], b"b", b"c", b"", b""] {
        look(&event_loop);
        assert_eq!(trace.take(), expected);
    }
    far.write_all(b"de").unwrap();
    for expected in [&b"d"[..], b"e", b""] {
        look(&event_loop);
        assert_eq!(trace.take(), expected);
    }
}

#[test]
fn a_reader_that_reads_nothing_is_called_again_and_again() {
    let event_loop = polling_loop();
    let (near, far) = ready_pair();
    let trace = Trace::new();
    event_loop.add_reader(&near, readable(&trace, "r")).unwrap();
    for _ in 0..10 {
        look(&event_loop);
        assert_eq!(trace.take(), ["r"]);
    }
    drop(far);
    look(&event_loop);
    assert_eq!(trace.take(), ["r"]);
}

/// Data that came before the descriptor was registered is a level, too.
#[test]
fn what_lay_there_before_counts() {
    let event_loop = EventLoop::new().unwrap();
    let (near, _far) = ready_pair();
    for _ in 0..3 {
        let trace = Trace::new();
        let log = trace.clone();
        event_loop
            .add_reader(&near, move || {
                log.push("r");
                stop();
            })
            .unwrap();
        event_loop.run_forever().unwrap();
        assert_eq!(trace.take(), ["r"]);
        assert!(event_loop.remove_reader(&near));
    }
}

#[test]
fn reader_and_writer_of_one_descriptor_are_two() {
    let event_loop = polling_loop();
    let (near, mut far) = UnixStream::pair().unwrap();
    let trace = Trace::new();
    event_loop.add_writer(&near, readable(&trace, "w")).unwrap();
    look(&event_loop);
    assert_eq!(trace.take(), ["w"]);
    event_loop.add_reader(&near, readable(&trace, "r")).unwrap();
    look(&event_loop);
    assert_eq!(trace.take(), ["w"]);
    far.write_all(b"x").unwrap();
    look(&event_loop);
    assert_eq!(trace.take(), ["r", "w"], "asyncio's order");
    assert!(event_loop.remove_writer(&near));
    assert!(!event_loop.remove_writer(&near));
    look(&event_loop);
    assert_eq!(trace.take(), ["r"]);
    assert!(event_loop.remove_reader(&near));
    assert!(!event_loop.remove_reader(&near));
    look(&event_loop);
    assert_eq!(trace.take(), [""; 0]);
}

#[test]
fn a_writer_waits_until_there_is_room() {
    let event_loop = polling_loop();
    let (near, mut far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    while (&near).write(&[0; 65_536]).is_ok() {}
    let trace = Trace::new();
    event_loop.add_writer(&near, readable(&trace, "w")).unwrap();
    look(&event_loop);
    assert_eq!(trace.take(), [""; 0]);
    let mut buffer = vec![0; 1 << 20];
    while far.read(&mut buffer).is_ok_and(|n| n > 0) {}
    look(&event_loop);
    assert_eq!(trace.take(), ["w"]);
}

/// The end of a pipe is a hang-up without a single readable byte.
#[test]
fn the_end_of_a_pipe_is_something_to_read() {
    let event_loop = polling_loop();
    let _watchdog = watchdog();
    let (mut reader, writer) = pipe().unwrap();
    let trace = Trace::new();
    let fd = reader.as_raw_fd();
    let log = trace.clone();
    event_loop
        .add_reader(&fd, move || {
            let mut byte = [0];
            log.push(reader.read(&mut byte).unwrap());
            stop();
        })
        .unwrap();
    look(&event_loop);
    assert_eq!(trace.take(), []);
    event_loop.call_soon(move || drop(writer)).unwrap();
    event_loop.run_forever().unwrap();
    assert_eq!(trace.take(), [0]);
    assert!(event_loop.remove_reader(&fd));
}

/// The system says once that the other end has gone: also if nobody is there to hear it, or only who writes.
#[test]
fn an_end_that_came_while_nobody_read_is_told_to_who_reads_next() {
    for writes in [false, true] {
        let event_loop = polling_loop();
        let (near, mut far) = UnixStream::pair().unwrap();
        let reader = |trace: &Trace<usize>| {
            let (log, mut stream) = (trace.clone(), near.try_clone().unwrap());
            move || log.push(stream.read(&mut [0]).unwrap())
        };
        let trace = Trace::new();
        event_loop.add_reader(&near, reader(&trace)).unwrap();
        if writes {
            event_loop.add_writer(&near, || ()).unwrap();
        }
        look(&event_loop);
        assert!(event_loop.remove_reader(&near));
        far.write_all(b"x").unwrap();
        drop(far);
        look(&event_loop);
        look(&event_loop);
        assert_eq!(trace.take(), [0; 0]);
        event_loop.add_reader(&near, reader(&trace)).unwrap();
        for expected in [1, 0, 0] {
            look(&event_loop);
            assert_eq!(trace.take(), [expected], "what is left, and then the end");
        }
    }
}

#[test]
fn a_pipe_that_nobody_reads_any_more_is_the_writers_business() {
    let event_loop = polling_loop();
    let (reader, mut writer) = pipe().unwrap();
    while fill(&mut writer, &reader) {}
    let trace = Trace::new();
    let fd = writer.as_raw_fd();
    let log = trace.clone();
    event_loop
        .add_writer(&fd, move || {
            log.push(writer.write(b"x").unwrap_err().kind());
        })
        .unwrap();
    look(&event_loop);
    assert_eq!(trace.take(), []);
    drop(reader);
    look(&event_loop);
    assert_eq!(trace.take(), [ErrorKind::BrokenPipe]);
}

/// Writes a page if the pipe takes it without blocking.
fn fill(writer: &mut PipeWriter, _reader: &PipeReader) -> bool {
    let event_loop = polling_loop();
    let room = Rc::new(Cell::new(false));
    let found = Rc::clone(&room);
    event_loop
        .add_writer(&writer.as_raw_fd(), move || found.set(true))
        .unwrap();
    look(&event_loop);
    if room.get() {
        writer.write_all(&[0; 4096]).unwrap();
    }
    room.get()
}
