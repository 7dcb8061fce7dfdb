//! TLS.

use std::sync::Arc;

use loop_net::rustls::pki_types::pem::PemObject;
use loop_net::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use loop_net::rustls::{ClientConfig, RootCertStore, ServerConfig};
use loop_net::{TlsSide, TlsStream, UnixStream, streams_over};

use crate::{Limit, Peer, at_every_point};

fn file(name: &str) -> String {
    format!("{}/tests/certificates/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn client_config() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(file("authority.pem")).unwrap();
    roots.add(authority).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    Arc::new(config.with_no_client_auth())
}

fn server_config() -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(file("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    Arc::new(config.with_single_cert(vec![certificate], key).unwrap())
}

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
