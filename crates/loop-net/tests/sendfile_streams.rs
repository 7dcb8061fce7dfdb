//! Files sent over streams and transports: in their turn among what is written, whole or not at all.

mod common;

use std::cell::OnceCell;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use loop_net::{BaseProtocol, Protocol, StreamWriter, Transport, UnixStream, streams_over};
use loop_net::{StreamReader, TcpListener, TcpStream};
use loop_tasks::{Task, create_task, yield_now};

use common::run;

/// More than all buffers between two sockets.
const LARGE: usize = 20_000_000;

/// A file of a test's own, and what is in it.
struct Sample {
    path: PathBuf,
    content: Vec<u8>,
}

impl Sample {
    fn new(test: &str, length: usize) -> Sample {
        let name = format!("loop-net-{}-{test}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // Of a length that is prime, so that no two pieces of a round size are equal.
        let pattern: Vec<u8> = (0..65_521).map(|place| (place * 7 / 3) as u8).collect();
        let mut content = pattern.repeat(length / pattern.len() + 1);
        content.truncate(length);
        File::create(&path).unwrap().write_all(&content).unwrap();
        Sample { path, content }
    }

    fn open(&self) -> File {
        File::open(&self.path).unwrap()
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).unwrap();
    }
}

async fn tcp() -> (StreamReader, StreamWriter, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap());
    let near = near.await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    let (reader, writer) = streams_over(near).unwrap();
    (reader, writer, far)
}

fn sending(writer: &StreamWriter, file: File) -> Task<io::Result<u64>> {
    let writer = writer.clone();
    create_task(async move { writer.sendfile(&file).await })
}

/// Lets everything happen that can happen without the other side.
async fn settle() {
    for _ in 0..200 {
        yield_now().await;
    }
}

async fn all(far: &TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    far.read_to_end(&mut all).await?;
    Ok(all)
}

/// As `test_sendfile_pre_and_post_data` of CPython, with more than the buffers hold; and the position stays.
#[test]
fn a_file_has_its_turn_among_what_is_written() {
    run(async {
        let sample = Sample::new("turn", 3_000_000);
        let (_reader, writer, far) = tcp().await;
        let before = vec![b'b'; LARGE];
        writer.write(&before);
        let mut file = sample.open();
        let sent = create_task({
            let (writer, file) = (writer.clone(), file.try_clone().unwrap());
            async move { writer.sendfile(&file).offset(1_000).count(2_000_000).await }
        });
        yield_now().await;
        writer.write(b"meanwhile"); // the file has not even begun
        writer.close();
        let arrived = all(&far).await.unwrap();
        assert_eq!(sent.await.unwrap().unwrap(), 2_000_000);
        writer.wait_closed().await.unwrap();
        assert_eq!(arrived.len(), LARGE + 2_000_000 + 9);
        assert!(arrived[..LARGE] == before);
        assert!(arrived[LARGE..][..2_000_000] == sample.content[1_000..2_001_000]);
        assert_eq!(&arrived[LARGE + 2_000_000..], b"meanwhile");
        assert_eq!(file.stream_position().unwrap(), 0);
    });
}

#[test]
fn a_part_of_a_file_is_what_is_there_of_it() {
    run(async {
        let sample = Sample::new("part", 100_000);
        let (_reader, writer, far) = tcp().await;
        let file = sample.open();
        assert_eq!(writer.sendfile(&file).count(0).await.unwrap(), 0);
        assert_eq!(writer.sendfile(&file).offset(200_000).await.unwrap(), 0);
        let end = writer.sendfile(&file).offset(99_000).count(5_000);
        assert_eq!(end.await.unwrap(), 1_000);
        writer.write(b"|");
        let start = writer.sendfile(&file).count(2_000);
        assert_eq!(start.await.unwrap(), 2_000);
        writer.close();
        let arrived = all(&far).await.unwrap();
        let expected = [&sample.content[99_000..], b"|", &sample.content[..2_000]].concat();
        assert!(arrived == expected);
    });
}

/// The sender waits for room, and for nothing else: what is written meanwhile counts for the high mark.
#[test]
fn a_file_waits_for_whoever_reads_slowly() {
    run(async {
        let sample = Sample::new("slow", LARGE);
        let (_reader, writer, far) = tcp().await;
        let sent = sending(&writer, sample.open());
        settle().await;
        assert!(!sent.done(), "nobody reads, and the buffers are full");
        writer.write(&[b'x'; 100_000]);
        assert_eq!(writer.get_write_buffer_size(), 100_000);
        let drained = create_task({
            let writer = writer.clone();
            async move { writer.drain().await }
        });
        settle().await;
        assert!(!drained.done(), "it is behind the file");
        let mut file = vec![0; LARGE];
        far.read_exact(&mut file).await.unwrap();
        assert_eq!(sent.await.unwrap().unwrap(), LARGE as u64);
        assert!(file == sample.content);
        drained.await.unwrap().unwrap();
        writer.write_eof();
        assert!(all(&far).await.unwrap() == [b'x'; 100_000]);
    });
}

/// The loop goes on while a file is sent: another connection has its answers, and this one is still read.
#[test]
fn the_other_direction_goes_on() {
    run(async {
        let sample = Sample::new("direction", LARGE);
        let (mut reader, writer, far) = tcp().await;
        let sent = sending(&writer, sample.open());
        settle().await;
        far.write_all(b"still there?\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"still there?\n");
        assert!(!sent.done());
        writer.abort();
        assert!(sent.await.unwrap().is_err());
    });
}

/// A reset while the buffers are full, with nobody else to notice it.
#[test]
fn a_connection_that_is_lost_midway_is_an_error_of_whoever_sends() {
    run(async {
        let sample = Sample::new("lost", LARGE);
        let (_reader, writer, far) = tcp().await;
        let sent = sending(&writer, sample.open());
        settle().await;
        writer.write(b"never");
        let mut some = vec![0; 10_000];
        far.read_exact(&mut some).await.unwrap();
        far.set_linger(Some(Duration::ZERO)).unwrap();
        drop(far);
        let error = sent.await.unwrap().unwrap_err().kind();
        let expected = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        assert!(expected.contains(&error), "{error:?}");
        assert_eq!(writer.get_write_buffer_size(), 0);
        assert_eq!(writer.wait_closed().await.unwrap_err().kind(), error);
        assert_eq!(writer.drain().await.unwrap_err().kind(), error);
        let again = writer.sendfile(&sample.open()).await;
        assert_eq!(again.unwrap_err().kind(), error);
    });
}

#[test]
fn an_abort_ends_it() {
    run(async {
        let sample = Sample::new("abort", LARGE);
        let (_reader, writer, far) = tcp().await;
        let sent = sending(&writer, sample.open());
        settle().await;
        writer.abort();
        let error = sent.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "Connection lost");
        writer.wait_closed().await.unwrap();
        drop(far);
    });
}

/// Some of the file is sent then, and what was written meanwhile comes right behind it.
#[test]
fn a_file_that_nobody_sends_any_more_makes_room() {
    run(async {
        let sample = Sample::new("cancelled", LARGE);
        let (_reader, writer, far) = tcp().await;
        let sent = sending(&writer, sample.open());
        settle().await;
        writer.write(b"<end>");
        sent.cancel();
        assert!(sent.await.is_err());
        let file = sample.open();
        let next = create_task(async move {
            let sent = writer.sendfile(&file).count(3).await;
            writer.close();
            sent
        });
        let arrived = all(&far).await.unwrap();
        assert_eq!(next.await.unwrap().unwrap(), 3);
        let (begin, end) = arrived.split_at(arrived.len() - 8);
        assert!(!begin.is_empty() && begin.len() < LARGE);
        assert!(begin == &sample.content[..begin.len()]);
        assert!(end == [b"<end>", &sample.content[..3]].concat());
    });
}

#[test]
fn one_file_at_a_time_and_none_behind_the_end() {
    run(async {
        let sample = Sample::new("refused", LARGE);
        let (_reader, writer, far) = tcp().await;
        let sent = sending(&writer, sample.open());
        settle().await;
        let second = writer.sendfile(&sample.open()).await;
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        writer.write_eof();
        assert!(all(&far).await.unwrap() == sample.content);
        assert_eq!(sent.await.unwrap().unwrap(), LARGE as u64);
        let third = writer.sendfile(&sample.open()).await;
        assert_eq!(third.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        writer.close();
        let fourth = writer.sendfile(&sample.open()).await.unwrap_err();
        assert_eq!(fourth.to_string(), "Transport is closing");
    });
}

/// A file that the system makes up as it is read cannot be sent without reading it.
#[test]
fn what_the_system_does_not_send_is_copied_or_refused() {
    let path = PathBuf::from("/proc/self/status");
    if !path.exists() {
        return;
    }
    run(async move {
        let (_reader, writer, far) = tcp().await;
        let file = File::open(path).unwrap();
        let refused = writer.sendfile(&file).fallback(false).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::Unsupported);
        writer.write(b"Status: ");
        let sent = writer.sendfile(&file).await.unwrap();
        writer.close();
        let text = String::from_utf8(all(&far).await.unwrap()).unwrap();
        assert!(text.starts_with("Status: Name:"), "{text}");
        assert_eq!(text.len() as u64, sent + 8);
    });
}

/// Refused before a byte is sent, by a file that is none: the connection is as it was.
#[test]
fn a_directory_is_an_error_and_not_the_end() {
    run(async {
        let (_reader, writer, far) = tcp().await;
        let directory = File::open(std::env::temp_dir()).unwrap();
        assert!(writer.sendfile(&directory).await.is_err());
        assert!(!writer.is_closing());
        writer.write(b"still here");
        writer.close();
        assert_eq!(all(&far).await.unwrap(), b"still here");
    });
}

/// Sends a file to whoever asks for one, by a transport.
struct Sender {
    transport: OnceCell<Transport>,
    path: PathBuf,
}

impl BaseProtocol for Sender {
    fn connection_made(&self, transport: Transport) {
        assert!(self.transport.set(transport).is_ok());
    }
}

impl Protocol for Sender {
    fn data_received(&self, data: &[u8]) {
        let transport = self.transport.get().unwrap().clone();
        let (file, data) = (File::open(&self.path).unwrap(), data.to_vec());
        create_task(async move {
            transport.write(&data);
            transport.sendfile(&file).await.unwrap();
            transport.close();
        });
    }
}

#[test]
fn a_transport_sends_a_file() {
    run(async {
        let sample = Sample::new("transport", 5_000_000);
        let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
        let sender = Sender {
            transport: OnceCell::new(),
            path: sample.path.clone(),
        };
        let near = UnixStream::from_std(near).unwrap();
        let transport = Transport::new(near, Rc::new(sender)).unwrap();
        let reading = loop_executor::to_thread(move || {
            far.write_all(b"please: ")?;
            let mut all = Vec::new();
            far.read_to_end(&mut all)?;
            Ok::<_, io::Error>(all)
        });
        let all = reading.await.unwrap().unwrap();
        assert!(all == [b"please: ", &sample.content[..]].concat());
        assert!(transport.is_closing());
    });
}
