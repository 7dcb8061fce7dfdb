//! Authorities that are not those of browsers.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use asyncloop::net::rustls::pki_types::pem::PemObject;
use asyncloop::net::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use asyncloop::net::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::run::{Report, crawler, said};

fn file(name: &str) -> String {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../loop-net/tests/certificates"
    );
    format!("{folder}/{name}")
}

/// A server with a certificate for `localhost` by an authority of its own. Its address.
fn server() -> String {
    let certificate = CertificateDer::from_pem_file(file("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    let config = Arc::new(config.unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(tls, stream.unwrap());
            // Whoever does not trust it says so instead of asking.
            if matches!(stream.read(&mut [0; 4096]), Ok(1..)) {
                let head =
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n";
                let _ = stream.write_all(head.as_bytes());
                let _ = stream.read(&mut [0]); // until it is closed
            }
        }
    });
    format!("https://localhost:{port}/")
}

#[test]
fn an_authority_in_a_file_is_believed() {
    let (url, authority) = (server(), file("authority.pem"));
    let arguments = ["--ignore-robots", "--timeout", "60", &url];
    let report = Report::of(&arguments);
    let (_, kind, why) = report.broken().remove(0);
    assert!(kind == "tls" && why.contains("--ca"), "{kind}: {why}");
    let report = Report::of(&[&["--ca", &authority], &arguments[..]].concat());
    assert_eq!(
        (report.status, report.number("pages")),
        (Some(0), 1),
        "{}",
        report.json
    );
}

#[test]
fn a_file_without_authorities_is_refused() {
    for (name, why) in [("gone.pem", "gone.pem: "), ("key.pem", "no certificate")] {
        let run = crawler(&["--ca", &file(name), "https://localhost/"]);
        assert_eq!(run.status.code(), Some(2));
        assert!(said(&run).contains(why), "{}", said(&run));
    }
}
