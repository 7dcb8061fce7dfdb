//! Pages that come packed.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::run::Report;
use crate::server::{HTML, Server};

const GZIP: &str = "200 OK\r\ncontent-type: text/html\r\ncontent-encoding: gzip";

fn gzip(page: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(page).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_page_that_comes_packed_is_read() {
    let parts = [gzip(b"<a href=/gone>"), gzip(b"<a href=/other>")].concat();
    let server = Server::of(&[
        ("/", GZIP, &parts),
        ("/other", &GZIP.replace("gzip", "X-GZip"), &[]),
    ]);
    let report = Report::of(&[&server.url]);
    assert_eq!(report.paths(), ["/gone"], "{}", report.json);
    assert_eq!((report.number("pages"), report.number("bytes")), (2, 29));
}

#[test]
fn a_page_that_cannot_be_unpacked_is_told() {
    let whole = gzip(b"<a href=/gone>");
    let mut wrong = whole.clone();
    wrong[12] ^= 0xff;
    for packed in [&whole[..whole.len() - 1], &wrong, b"<a href=/gone>"] {
        let server = Server::of(&[("/", GZIP, packed)]);
        let report = Report::of(&[&server.url]);
        let (path, kind, why) = report.broken().remove(0);
        assert_eq!(
            (path.as_str(), kind.as_str()),
            ("/", "encoding"),
            "{}",
            report.json
        );
        assert!(why.contains("cannot be unpacked"), "{why}");
    }
}

/// A few kilobytes that would be many megabytes.
#[test]
fn a_page_that_is_too_large_when_it_is_unpacked() {
    let packed = gzip(&vec![b' '; 20_000_000]);
    assert!(packed.len() < 200_000);
    let server = Server::of(&[("/", HTML, b"<a href=/packed>"), ("/packed", GZIP, &packed)]);
    let report = Report::of(&["--max-size", "1000000", &server.url]);
    let (path, kind, _) = report.broken().remove(0);
    assert_eq!((path.as_str(), kind.as_str()), ("/packed", "too_large"));
    let report = Report::of(&["--max-size", "20000000", "--timeout", "60", &server.url]);
    assert_eq!(report.number("bytes"), 20_000_016, "{}", report.json);
}
