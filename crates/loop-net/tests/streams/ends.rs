//! Closes, ends of one direction, resets.

use std::io;
use std::time::Duration;

use loop_net::{StreamReader, StreamWriter, open_connection, start_server, streams_over};
use loop_tasks::{create_task, sleep, yield_now};

use crate::{pair, run, tcp_pair};

/// Everything that was written before a close arrives, also what had to wait.
#[test]
fn a_close_comes_after_what_was_written() {
    run(async {
        for bytes in [0, 10, 3_000_000] {
            let (_reader, writer, far) = pair();
            writer.write(&vec![9; bytes]);
            writer.close();
            writer.write(b"too late");
            assert!(writer.is_closing());
            let closing = create_task({
                let writer = writer.clone();
                async move { writer.wait_closed().await }
            });
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            assert_eq!(all.len(), bytes);
            closing.await.unwrap().unwrap();
            let error = writer.drain().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            assert_eq!(error.to_string(), "Connection lost");
        }
    });
}

/// The last reference is dropped, with bytes that still wait.
#[test]
fn a_dropped_writer_closes() {
    run(async {
        let (mut reader, writer, far) = pair();
        let second = writer.clone();
        writer.write(&vec![5; 2_000_000]);
        drop(writer);
        second.write(b"end");
        drop(second);
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 2_000_003);
        assert_eq!(reader.read(1).await.unwrap(), b"");
    });
}

/// A socket that is closed with unread bytes resets its connection, and what was written last would be lost.
#[test]
fn what_was_written_last_arrives_although_nobody_read_what_came() {
    run(async {
        for _ in 0..20 {
            let (near, far) = tcp_pair().await;
            far.write_all(&[1; 5000]).await.unwrap();
            let (_reader, writer) = streams_over(near).unwrap();
            yield_now().await;
            writer.write(b"answer");
            writer.close();
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"answer");
        }
    });
}

#[test]
fn a_reader_hears_of_a_close_of_its_writer() {
    run(async {
        let (mut reader, writer, _far) = pair();
        let reading = create_task(async move { reader.readline().await.unwrap() });
        yield_now().await;
        yield_now().await;
        assert!(!reading.done());
        writer.close();
        assert_eq!(reading.await.unwrap(), b"");
    });
}

#[test]
fn an_end_of_writing_leaves_reading_alone() {
    run(async {
        let (mut reader, writer, far) = pair();
        writer.write(&vec![3; 1_000_000]);
        writer.write_eof();
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 1_000_000);
        far.write_all(b"answer\n").await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"answer\n");
        writer.write(b"more");
        let error = writer.drain().await.unwrap_err();
        assert_eq!(error.to_string(), "Cannot call write() after write_eof()");
    });
}

#[test]
fn a_reset_reaches_everybody() {
    run(async {
        let (near, far) = tcp_pair().await;
        let (mut reader, writer) = streams_over(near).unwrap();
        let reading = create_task(async move {
            let first = reader.read(9).await.unwrap_err();
            let second = reader.read(9).await.unwrap_err();
            (first.kind(), second.kind())
        });
        let closing = create_task({
            let writer = writer.clone();
            async move { writer.wait_closed().await.unwrap_err().kind() }
        });
        yield_now().await;
        far.set_linger(Some(Duration::ZERO)).unwrap();
        drop(far);
        let reset = io::ErrorKind::ConnectionReset;
        assert_eq!(reading.await.unwrap(), (reset, reset));
        assert_eq!(closing.await.unwrap(), reset);
        assert_eq!(writer.drain().await.unwrap_err().kind(), reset);
        writer.write(b"into the void");
        assert_eq!(writer.get_write_buffer_size(), 0);
    });
}

/// Nobody holds anything after a thousand connections: descriptors are as many as before.
#[test]
fn descriptors_do_not_leak() {
    fn count() -> usize {
        std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
    }
    run(async {
        let server = start_server(
            async |mut reader: StreamReader, writer: StreamWriter| {
                let all = reader.read_all().await?;
                writer.write(&all);
                Ok::<_, io::Error>(())
            },
            "127.0.0.1",
            0,
        )
        .await
        .unwrap();
        let port = server.sockets()[0].port().unwrap();
        let converse = async move |number: usize| {
            let (mut reader, writer) = open_connection("127.0.0.1", port).await.unwrap();
            writer.write(number.to_string().as_bytes());
            match number % 3 {
                0 => writer.abort(), // in the middle
                1 => drop(writer),
                _ => {
                    writer.write_eof();
                    assert_eq!(
                        reader.read_all().await.unwrap(),
                        number.to_string().as_bytes()
                    );
                }
            }
        };
        converse(2).await;
        let before = count();
        for number in 0..300 {
            converse(number).await;
        }
        server.close();
        server.wait_closed().await;
        // Other tests of this process have some open too.
        for _ in 0..100 {
            if count() <= before + 60 {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("{} descriptors, {before} before", count());
    });
}
