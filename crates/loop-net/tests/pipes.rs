//! Pipes: their two ends awaited, under streams and under transports.

mod common;

use std::cell::{Cell, OnceCell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::rc::Rc;

use loop_core::EventLoop;
use loop_net::{
    BaseProtocol, PipeReader, PipeWriter, Protocol, StreamOptions, StreamReader, StreamWriter,
    Transport, connect_read_pipe, connect_write_pipe,
};
use loop_tasks::{LoopExt, create_task, yield_now};
use rustix::fs::{OFlags, fcntl_getfl};

use common::run;

/// Notes every call.
#[derive(Default)]
struct Notes {
    transport: OnceCell<Transport>,
    calls: RefCell<Vec<String>>,
    received: Cell<usize>,
}

impl Notes {
    fn note(&self, call: impl Into<String>) {
        self.calls.borrow_mut().push(call.into());
    }

    async fn wait_for(&self, call: &str) {
        while !self.calls.borrow().iter().any(|other| other == call) {
            yield_now().await;
        }
    }
}

impl BaseProtocol for Notes {
    fn connection_made(&self, transport: Transport) {
        self.note("made");
        assert!(self.transport.set(transport).is_ok());
    }

    fn connection_lost(&self, error: Option<&io::Error>) {
        self.note(match error {
            Some(error) => format!("lost {:?}", error.kind()),
            None => "lost".to_owned(),
        });
    }

    fn pause_writing(&self) {
        self.note("pause");
    }

    fn resume_writing(&self) {
        self.note("resume");
    }
}

impl Protocol for Notes {
    fn data_received(&self, data: &[u8]) {
        self.received.set(self.received.get() + data.len());
        self.note(String::from_utf8_lossy(data));
    }

    /// As if it wanted to write still, which a reading end cannot.
    fn eof_received(&self) -> bool {
        self.note("eof");
        true
    }
}

async fn reading(end: impl Into<OwnedFd>) -> (Transport, Rc<Notes>) {
    connect_read_pipe(Notes::default, end).await.unwrap()
}

async fn writing(end: impl Into<OwnedFd>) -> (Transport, Rc<Notes>) {
    connect_write_pipe(Notes::default, end).await.unwrap()
}

#[test]
fn a_protocol_hears_what_comes_then_the_end_then_that_it_is_lost() {
    run(async {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"ping").unwrap();
        let (transport, notes) = reading(reader).await;
        assert!(!transport.can_write_eof());
        notes.wait_for("ping").await;
        drop(writer);
        notes.wait_for("lost").await;
        // The pipe's end is the transport's, although the protocol said that it goes on.
        assert_eq!(notes.calls.take(), ["made", "ping", "eof", "lost"]);
        assert!(transport.is_closing() && !transport.is_reading());
    });
}

#[test]
fn a_reading_end_that_pauses_takes_nothing_and_goes_on() {
    run(async {
        let (reader, mut writer) = io::pipe().unwrap();
        let (transport, notes) = reading(reader).await;
        transport.pause_reading();
        writer.write_all(b"ping").unwrap();
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!(notes.received.get(), 0);
        transport.resume_reading();
        notes.wait_for("ping").await;
        transport.close();
        notes.wait_for("lost").await;
        // Closed from this side: there was no end to be told of.
        assert_eq!(notes.calls.take(), ["made", "ping", "lost"]);
        assert_eq!(
            writer.write(b"x").unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    });
}

#[test]
fn a_reading_end_that_is_written_to_is_lost_with_an_error() {
    run(async {
        let (reader, _writer) = io::pipe().unwrap();
        let (transport, notes) = reading(reader).await;
        transport.write(b"x");
        notes.wait_for("lost Unsupported").await;
    });
}

#[test]
fn a_protocol_that_writes_is_held_back_and_let_go() {
    run(async {
        let (reader, writer) = io::pipe().unwrap();
        let (transport, notes) = writing(writer).await;
        assert!(transport.can_write_eof());
        transport.write(&[7; 500_000]);
        assert_eq!(notes.calls.borrow().as_slice(), ["made", "pause"]);
        let mut bytes = Vec::new();
        let reader = PipeReader::new(reader).unwrap();
        transport.write_eof();
        assert!(transport.is_closing() && transport.get_write_buffer_size() > 0);
        transport.write(b"too late");
        reader.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, [7; 500_000]);
        notes.wait_for("lost").await;
        assert_eq!(notes.calls.take(), ["made", "pause", "resume", "lost"]);
        assert!(!transport.can_write_eof());
    });
}

#[test]
fn a_writer_hears_at_once_that_its_reader_has_gone() {
    run(async {
        let (reader, writer) = io::pipe().unwrap();
        let (transport, notes) = writing(writer).await;
        transport.write(b"it has room");
        drop(reader);
        notes.wait_for("lost").await;
        assert_eq!(notes.calls.take(), ["made", "lost"]);

        let (reader, writer) = io::pipe().unwrap();
        let (transport, notes) = writing(writer).await;
        transport.write(&[7; 500_000]);
        drop(reader);
        notes.wait_for("lost BrokenPipe").await;
        let calls = notes.calls.take();
        assert_eq!(calls, ["made", "pause", "lost BrokenPipe"]);
        assert_eq!(transport.get_write_buffer_size(), 0);
    });
}

#[test]
fn what_a_socket_says_is_no_end_of_its_reader() {
    run(async {
        let (near, mut far) = UnixStream::pair().unwrap();
        let (transport, notes) = writing(near).await;
        far.write_all(b"I am here").unwrap();
        for _ in 0..100 {
            yield_now().await;
        }
        transport.write(b"ping");
        far.read_exact(&mut [0; 4]).unwrap();
        assert_eq!(notes.calls.borrow().as_slice(), ["made"]);
        drop(far);
        notes.wait_for("lost").await;
    });
}

#[test]
fn an_aborted_writer_forgets_what_waits() {
    run(async {
        let (mut reader, writer) = io::pipe().unwrap();
        let (transport, notes) = writing(writer).await;
        transport.write(&[7; 500_000]);
        transport.abort();
        notes.wait_for("lost").await;
        let mut bytes = Vec::new();
        let read = reader.read_to_end(&mut bytes).unwrap();
        assert!(read > 0 && read < 500_000);
    });
}

#[test]
fn what_does_not_poll_is_refused_in_asyncios_words_and_some_more() {
    run(async {
        for path in ["Cargo.toml", "."] {
            let error = PipeReader::new(File::open(path).unwrap()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            let text = "Pipe transport is for pipes/sockets only.";
            assert!(error.to_string().starts_with(text), "{error}");
            let thread = "do that in a thread, with to_thread.";
            assert!(error.to_string().ends_with(thread), "{error}");
            let refused = connect_write_pipe(Notes::default, File::open(path).unwrap()).await;
            let text = "Pipe transport is only for pipes, sockets and character devices";
            let error = refused.err().unwrap().to_string();
            assert!(error.starts_with(text), "{error}");
        }
    });
}

#[test]
fn the_null_device_takes_everything() {
    run(async {
        let null = OpenOptions::new().write(true).open("/dev/null").unwrap();
        let (transport, notes) = writing(null).await;
        transport.write(&[0; 1_000_000]);
        yield_now().await;
        assert!(!transport.is_closing());
        transport.close();
        notes.wait_for("lost").await;
    });
}

#[test]
fn a_fifo_has_no_end_before_it_had_a_writer() {
    let folder = std::env::temp_dir().join(format!("loop-net-fifo-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("fifo");
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let (ours, flags) = (path.clone(), OFlags::NONBLOCK.bits().cast_signed());
    run(async move {
        let fifo = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&ours)
            .unwrap();
        let reader = PipeReader::new(fifo).unwrap();
        let reading = create_task(async move {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).await.map(|_| bytes)
        });
        for _ in 0..100 {
            yield_now().await;
        }
        assert!(!reading.done());
        let mut writer = OpenOptions::new().write(true).open(&ours).unwrap();
        writer.write_all(b"ping").unwrap();
        drop(writer);
        assert_eq!(reading.await.unwrap().unwrap(), b"ping");
    });
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_terminal_is_read_and_written() {
    run(async {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let host = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&host).unwrap();
        unlockpt(&host).unwrap();
        let name = ptsname(&host, Vec::new()).unwrap().into_string().unwrap();
        let terminal = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOCTTY.bits().cast_signed())
            .open(name)
            .unwrap();
        let mut lines = StreamReader::over(PipeReader::new(terminal.try_clone().unwrap()).unwrap());
        let lines = lines.as_mut().unwrap();
        let (screen, notes) = writing(terminal).await;
        rustix::io::write(&host, b"ls\n").unwrap(); // somebody types
        assert_eq!(lines.readline().await.unwrap(), b"ls\n");
        screen.write(b"answer\n");
        let mut shown = Vec::new();
        while !shown.ends_with(b"answer\r\n") {
            let mut bytes = [0; 64];
            let read = rustix::io::read(&host, &mut bytes).unwrap();
            shown.extend_from_slice(&bytes[..read]);
        }
        assert_eq!(notes.calls.borrow().as_slice(), ["made"]);
        drop(host); // it hangs up
        notes.wait_for("lost").await;
    });
}

#[test]
fn streams_carry_a_megabyte_through_a_child() {
    run(async {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = PipeWriter::new(child.stdin.take().unwrap()).unwrap();
        let stdout = PipeReader::new(child.stdout.take().unwrap()).unwrap();
        let writer = StreamWriter::over(stdin).unwrap();
        let mut reader = StreamReader::over(stdout).unwrap();
        let sending = create_task(async move {
            for _ in 0..100 {
                writer.write(&[7; 10_000]);
                writer.drain().await?;
            }
            writer.write_eof();
            writer.wait_closed().await // there was one direction
        });
        assert_eq!(reader.read_all().await.unwrap(), vec![7; 1_000_000]);
        sending.await.unwrap().unwrap();
        assert!(child.wait().unwrap().success());
    });
}

#[test]
fn a_stream_into_a_pipe_without_a_reader_is_broken() {
    run(async {
        let (reader, writer) = io::pipe().unwrap();
        let writer = StreamWriter::over(PipeWriter::new(writer).unwrap()).unwrap();
        drop(reader);
        writer.write(b"ping");
        let error = writer.drain().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_stream_into_a_pipe_is_closed_when_its_reader_goes() {
    run(async {
        let (reader, writer) = io::pipe().unwrap();
        let writer = StreamWriter::over(PipeWriter::new(writer).unwrap()).unwrap();
        let ours = writer.clone();
        let waiting = create_task(async move { ours.wait_closed().await });
        writer.write(b"ping");
        yield_now().await;
        assert!(!writer.is_closing());
        drop(reader);
        waiting.await.unwrap().unwrap();
        assert!(writer.is_closing());
        let error = writer.drain().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_reader_has_the_limit_that_it_is_given() {
    run(async {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"123456789\n").unwrap();
        let options = StreamOptions::new().limit(8);
        let reader = options.reader_over(PipeReader::new(reader).unwrap());
        let error = reader.unwrap().readline().await.unwrap_err();
        assert!(error.to_string().contains("limit"), "{error}");
    });
}

#[test]
fn a_cancelled_read_takes_nothing() {
    run(async {
        let (reader, mut writer) = io::pipe().unwrap();
        let reader = Rc::new(PipeReader::new(reader).unwrap());
        let ours = Rc::clone(&reader);
        let reading = create_task(async move { ours.read(&mut [0; 9]).await });
        yield_now().await;
        reading.cancel();
        assert!(reading.await.is_err());
        writer.write_all(b"ping").unwrap();
        let mut bytes = [0; 9];
        assert_eq!(reader.read(&mut bytes).await.unwrap(), 4);
    });
}

#[test]
fn it_does_not_block_any_more_for_whoever_shares_it() {
    let (reader, writer) = io::pipe().unwrap();
    let twin = reader.try_clone().unwrap();
    assert!(!fcntl_getfl(&twin).unwrap().contains(OFlags::NONBLOCK));
    let reader = PipeReader::new(reader).unwrap().into_fd();
    // As in asyncio, it is not changed back.
    assert!(fcntl_getfl(&twin).unwrap().contains(OFlags::NONBLOCK));
    drop((reader, twin));
    drop(PipeWriter::new(writer).unwrap().into_fd());
}

#[test]
fn a_loop_that_closes_closes_its_pipes() {
    let event_loop = EventLoop::new().unwrap();
    let (reader, mut far_writer) = io::pipe().unwrap();
    let (mut far_reader, writer) = io::pipe().unwrap();
    let kept = event_loop
        .run_until_complete(async { (reading(reader).await, writing(writer).await) })
        .unwrap();
    event_loop.close().unwrap();
    assert_eq!(far_reader.read(&mut [0]).unwrap(), 0);
    let error = far_writer.write(b"x").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    let ((_, reader), (_, writer)) = kept;
    assert_eq!(reader.calls.take(), ["made"]); // a closed loop tells nobody
    assert_eq!(writer.calls.take(), ["made"]);
}

#[test]
fn a_duplicate_leaves_the_original_open() {
    run(async {
        let (reader, writer) = io::pipe().unwrap();
        let twin = reader.as_fd().try_clone_to_owned().unwrap();
        let (transport, notes) = reading(twin).await;
        transport.close();
        notes.wait_for("lost").await;
        let writer = PipeWriter::new(writer).unwrap();
        assert_eq!(writer.write(b"ping").await.unwrap(), 4); // there is a reader still
        drop(reader);
        writer.closed().await.unwrap();
    });
}
