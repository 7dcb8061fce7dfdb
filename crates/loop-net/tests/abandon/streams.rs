//! Streams with buffers, and servers.

use loop_net::{
    StreamReader, StreamWriter, UnixStream, open_connection, start_server, streams_over,
};
use loop_tasks::yield_now;

use crate::{Limit, Peer, at_every_point};

/// A reader whose lines come a few bytes at a time, and whoever sends them.
fn slow_lines() -> (StreamReader, StreamWriter, Peer) {
    let (near, far) = UnixStream::pair().unwrap();
    let peer = Peer::new(async move {
        for part in ["o", "ne", "\ntw", "o", "\nthr", "ee"] {
            yield_now().await;
            if far.write_all(part.as_bytes()).await.is_err() {
                return;
            }
        }
    });
    let (reader, writer) = streams_over(near).unwrap();
    (reader, writer, peer)
}

/// A writer whose bytes are read a few at a time, and whoever reads them.
fn slow_sink() -> (StreamWriter, Peer) {
    let (near, far) = UnixStream::pair().unwrap();
    let peer = Peer::new(async move {
        let mut bytes = vec![0; 50_000];
        while let Ok(1..) = far.read(&mut bytes).await {
            yield_now().await;
        }
    });
    (streams_over(near).unwrap().1, peer)
}

#[test]
fn reading() {
    at_every_point(async |limit: Limit| {
        let (mut reader, _writer, _peer) = slow_lines();
        limit.hold(reader.readline()).await;
        // The rest is there, whenever it was dropped.
        let rest = reader.read_all().await.unwrap();
        assert!(b"one\ntwo\nthree".ends_with(&rest) && rest.len() >= 9);
    });
    at_every_point(async |limit: Limit| {
        let (mut reader, _writer, _peer) = slow_lines();
        limit.hold(reader.readexactly(10)).await;
    });
    at_every_point(async |limit: Limit| {
        let (mut reader, _writer, _peer) = slow_lines();
        limit.hold(reader.readuntil(b"thr")).await;
    });
    at_every_point(async |limit: Limit| {
        let (mut reader, _writer, _peer) = slow_lines();
        limit.hold(reader.read(100)).await;
    });
    at_every_point(async |limit: Limit| {
        let (mut reader, _writer, _peer) = slow_lines();
        limit.hold(reader.read_all()).await;
    });
    at_every_point(async |limit: Limit| {
        let (mut reader, _writer, _peer) = slow_lines();
        let all = async { while let Ok(Some(_)) = reader.next_line().await {} };
        limit.hold(all).await;
    });
}

#[test]
fn draining_and_closing() {
    at_every_point(async |limit: Limit| {
        let (writer, _peer) = slow_sink();
        writer.write(&[7; 1_000_000]);
        limit.hold(writer.drain()).await;
        writer.abort();
    });
    at_every_point(async |limit: Limit| {
        let (writer, _peer) = slow_sink();
        writer.write(&[7; 1_000_000]);
        writer.close();
        limit.hold(writer.wait_closed()).await;
        writer.abort();
    });
}

#[test]
fn servers() {
    at_every_point(async |limit: Limit| {
        let start = start_server(async |_, _| (), "localhost", 0);
        if let Some(server) = limit.hold(start).await {
            server.unwrap().close();
        }
    });
    at_every_point(async |limit: Limit| {
        let server = start_server(
            async |mut reader: StreamReader, writer: StreamWriter| {
                while let Ok(Some(line)) = reader.next_line().await {
                    writer.writelines([&line[..], b"\n"]);
                }
            },
            "127.0.0.1",
            0,
        );
        let server = server.await.unwrap();
        let port = server.sockets()[0].port().unwrap();
        let (mut reader, writer) = open_connection("127.0.0.1", port).await.unwrap();
        writer.write(b"ping\n");
        assert_eq!(reader.readline().await.unwrap(), b"ping\n");
        let _client = Peer::new(async move {
            yield_now().await;
            drop((reader, writer));
        });
        server.close();
        limit.hold(server.wait_closed()).await;
        server.abort_clients();
    });
    at_every_point(async |limit: Limit| {
        let server = start_server(async |_, _| (), "127.0.0.1", 0);
        let server = server.await.unwrap();
        let _closer = Peer::new({
            let server = server.clone();
            async move {
                yield_now().await;
                server.close();
            }
        });
        limit.hold(server.serve_forever()).await;
        server.close();
    });
}
