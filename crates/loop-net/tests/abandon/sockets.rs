//! Sockets.

use std::fs::File;
use std::time::Duration;

use loop_net::{TcpListener, TcpStream, UdpSocket, UnixStream, open_connection};
use loop_tasks::{sleep, yield_now};

use crate::{Limit, Peer, at_every_point};

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// Writes some bytes, one after the other, and goes away.
fn slow_writer(stream: UnixStream) -> Peer {
    Peer::new(async move {
        for number in 0..8 {
            yield_now().await;
            stream.write_all(&[b'a' + number]).await.unwrap();
        }
    })
}

/// Reads a little at a time, to the end.
fn slow_reader(stream: UnixStream) -> Peer {
    Peer::new(async move {
        let mut bytes = vec![0; 50_000];
        while let Ok(1..) = stream.read(&mut bytes).await {
            yield_now().await;
        }
    })
}

#[test]
fn connecting() {
    at_every_point(async |limit: Limit| {
        let listener = listener().await;
        let address = listener.local_addr().unwrap();
        limit.hold(TcpStream::connect(address)).await;
    });
}

#[test]
fn accepting() {
    at_every_point(async |limit: Limit| {
        let listener = listener().await;
        let address = listener.local_addr().unwrap();
        let _client = Peer::new(async move {
            yield_now().await;
            let _stream = TcpStream::connect(address).await;
            sleep(Duration::from_secs(60)).await;
        });
        limit.hold(listener.accept()).await;
    });
}

/// Two addresses at once, one of which mostly refuses.
#[test]
fn connecting_with_happy_eyeballs() {
    at_every_point(async |limit: Limit| {
        let listener = listener().await;
        let port = listener.local_addr().unwrap().port();
        let open = open_connection("localhost", port);
        let open = open.happy_eyeballs_delay(Some(Duration::ZERO));
        let streams = limit.hold(open).await;
        assert!(streams.is_none_or(|streams| streams.is_ok()));
    });
}

#[test]
fn reading() {
    at_every_point(async |limit: Limit| {
        let (near, far) = UnixStream::pair().unwrap();
        let _peer = slow_writer(far);
        limit.hold(near.read(&mut [0; 9])).await;
    });
    at_every_point(async |limit: Limit| {
        let (near, far) = UnixStream::pair().unwrap();
        let _peer = slow_writer(far);
        limit.hold(near.read_exact(&mut [0; 8])).await;
    });
    at_every_point(async |limit: Limit| {
        let (near, far) = UnixStream::pair().unwrap();
        let _peer = slow_writer(far);
        let mut bytes = Vec::new();
        limit.hold(near.read_to_end(&mut bytes)).await;
        assert_eq!(bytes, b"abcdefgh"[..bytes.len()]);
    });
    at_every_point(async |limit: Limit| {
        let (near, far) = UnixStream::pair().unwrap();
        let _peer = slow_writer(far);
        limit.hold(near.peek(&mut [0; 9])).await;
    });
}

#[test]
fn readiness() {
    at_every_point(async |limit: Limit| {
        let (near, far) = UnixStream::pair().unwrap();
        let _peer = slow_writer(far);
        limit.hold(near.async_fd().readable()).await;
    });
    at_every_point(async |limit: Limit| {
        let (near, _far) = UnixStream::pair().unwrap();
        limit.hold(near.async_fd().writable()).await;
    });
}

#[test]
fn writing() {
    at_every_point(async |limit: Limit| {
        let (near, far) = UnixStream::pair().unwrap();
        let _peer = slow_reader(far);
        limit.hold(near.write_all(&[7; 2_000_000])).await;
    });
}

#[test]
fn sending_files() {
    let path = std::env::temp_dir().join(format!("loop-net-abandon-{}", std::process::id()));
    at_every_point(|limit: Limit| {
        let path = path.clone();
        async move {
            let (near, far) = UnixStream::pair().unwrap();
            let _peer = slow_reader(far);
            if !path.exists() {
                // Only here: what others open at the same time would be counted.
                std::fs::write(&path, vec![7; 2_000_000]).unwrap();
            }
            let file = File::open(path).unwrap();
            limit.hold(near.sendfile(&file, 0, None)).await;
        }
    });
    std::fs::remove_file(path).unwrap();
}

#[test]
fn datagrams() {
    at_every_point(async |limit: Limit| {
        let any = "127.0.0.1:0";
        let (near, far) = (
            UdpSocket::bind(any).await.unwrap(),
            UdpSocket::bind(any).await.unwrap(),
        );
        let address = near.local_addr().unwrap();
        let _peer = Peer::new(async move {
            yield_now().await;
            far.send_to(b"ping", &address).await.unwrap();
        });
        limit.hold(near.recv_from(&mut [0; 9])).await;
    });
}
