//! TLS.

use loop_net::{TlsSide, TlsStream, UnixStream, streams_over};

use crate::certificates::{client_config, server_config};
use crate::{Limit, Peer, at_every_point};

/// Speaks TLS, and nothing else, until the other side has had enough.
fn server(stream: UnixStream) -> Peer {
    Peer::new(async move {
        if let Ok(stream) = TlsStream::accept(stream, server_config()).await {
            let (mut reader, _writer) = streams_over(stream).unwrap();
            let _end = reader.read_all().await;
        }
    })
}

#[test]
fn handshakes() {
    at_every_point(async |limit: Limit| {
        let (near, far) = UnixStream::pair().unwrap();
        let _peer = server(far);
        let connect = TlsStream::connect(near, client_config(), "localhost");
        limit.hold(connect).await;
    });
    at_every_point(async |limit: Limit| {
        let (near, far) = UnixStream::pair().unwrap();
        let _peer = Peer::new(async move {
            let _stream = TlsStream::connect(far, client_config(), "localhost").await;
        });
        limit.hold(TlsStream::accept(near, server_config())).await;
    });
}

#[test]
fn going_over() {
    at_every_point(async |limit: Limit| {
        let (near, far) = UnixStream::pair().unwrap();
        let _peer = server(far);
        let (mut reader, writer) = streams_over(near).unwrap();
        let side = TlsSide::Client {
            config: client_config(),
            server_hostname: "localhost".into(),
        };
        limit.hold(writer.start_tls(&mut reader, side)).await;
    });
}

#[test]
fn parting() {
    at_every_point(async |limit: Limit| {
        let (near, far) = UnixStream::pair().unwrap();
        let _peer = server(far);
        let stream = TlsStream::connect(near, client_config(), "localhost");
        let (_reader, writer) = streams_over(stream.await.unwrap()).unwrap();
        writer.write(&[7; 300_000]);
        writer.close();
        limit.hold(writer.wait_closed()).await;
    });
}
