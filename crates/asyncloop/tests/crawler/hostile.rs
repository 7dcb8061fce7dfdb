//! Servers that misbehave: each is told in a line, within bounds of time and memory.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::run::Report;
use crate::server::Server;

/// What the report says of a start that is broken: the kind and the reason.
fn broken(url: &str, arguments: &[&str]) -> (String, String) {
    let report = Report::of(&[arguments, &["--ignore-robots", url]].concat());
    assert_eq!(report.status, Some(1), "{}", report.json);
    assert_eq!(report.broken().len(), 1, "{}", report.json);
    let (_, kind, why) = report.broken().remove(0);
    (kind, why)
}

/// A server that answers each request with that, and then closes the connection.
fn server(
    answer: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> Server {
    Server::start(move |_, stream| answer(stream).map(|()| false))
}

#[test]
fn nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let (kind, why) = broken(&refused, &[]);
    assert_eq!(kind, "connect");
    assert!(why.contains("refused"), "{why}");
    let (kind, why) = broken("http://name.invalid/", &["--timeout", "60"]);
    assert_eq!(kind, "name");
    assert!(why.contains("does not resolve"), "{why}");
}

#[test]
fn a_page_of_a_gigabyte() {
    // Its length is known beforehand, or it is not, or it never ends.
    let known = server(|stream| {
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n",
            1 << 30
        )?;
        std::io::copy(&mut std::io::repeat(b' ').take(1 << 30), stream).map(drop)
    });
    let unknown = server(|stream| {
        write!(stream, "HTTP/1.0 200 OK\r\ncontent-type: text/html\r\n\r\n")?;
        std::io::copy(&mut std::io::repeat(b' ').take(1 << 30), stream).map(drop)
    });
    let endless = server(|stream| {
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\n\r\n"
        )?;
        loop {
            stream.write_all(b"11\r\n<p>0123456789</p>\r\n")?;
        }
    });
    for server in [known, unknown, endless] {
        let (kind, why) = broken(&server.url, &["--max-size", "1000000", "--timeout", "60"]);
        assert_eq!(kind, "too_large", "{why}");
        assert!(why.contains("larger than 1000000 bytes"), "{why}");
    }
}

#[test]
fn a_file_of_a_gigabyte_is_not_read() {
    let server = server(|stream| {
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/zip\r\ncontent-length: {}\r\n\r\n",
            1 << 30
        )?;
        let sent = std::io::copy(&mut std::io::repeat(0).take(1 << 30), stream);
        assert!(sent.is_err(), "the client has taken it all");
        Ok(())
    });
    let page = format!("<a href={}>", server.url);
    let site = Server::of(&[("/", crate::server::HTML, page.as_bytes())]);
    let report = Report::of(&[
        "--external",
        "--ignore-robots",
        "--timeout",
        "60",
        &site.url,
    ]);
    assert_eq!(report.status, Some(0), "{}", report.json);
}

#[test]
fn a_connection_that_ends_too_soon() {
    for start in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-ty",
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 100\r\n\r\n<p>",
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\n\r\n5\r\n<p>",
    ] {
        let server = server(move |stream| stream.write_all(start.as_bytes()));
        let (kind, why) = broken(&server.url, &[]);
        assert_eq!(kind, "http", "{start:?}: {why}");
        assert!(why.len() > "no HTTP: ".len(), "{why}");
    }
}

/// A socket that is closed with something unread in it resets its connection.
#[test]
fn a_connection_that_is_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().peek(&mut [0]); // the request is there
        }
    });
    let (kind, why) = broken(&url, &[]);
    assert_eq!(kind, "http");
    assert!(why.contains("reset"), "{why}");
}

#[test]
fn what_is_not_http() {
    for answer in [
        "220 mail ESMTP\r\n",
        "\u{16}\u{3}\u{1}\u{2}\r\n\r\n",
        "HTTP/1.1 999999 What\r\n\r\n",
    ] {
        let server = server(move |stream| stream.write_all(answer.as_bytes()));
        let (kind, why) = broken(&server.url, &[]);
        assert_eq!(kind, "http", "{answer:?}: {why}");
    }
}

#[test]
fn a_server_that_takes_its_time() {
    // One says nothing; the other sends its head byte by byte, and never ends.
    let silent = server(|stream| stream.read(&mut [0]).map(drop));
    let slow = server(|stream| {
        stream.set_read_timeout(Some(Duration::from_millis(50)))?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nx: ")?;
        while !matches!(stream.read(&mut [0]), Ok(0)) {
            stream.write_all(b"x")?;
        }
        Ok(())
    });
    for server in [silent, slow] {
        let (kind, why) = broken(&server.url, &["--timeout", "0.7"]);
        assert_eq!(kind, "timeout");
        assert!(why.contains("no answer within 700ms"), "{why}");
    }
}

#[test]
fn who_is_late_once_is_told_and_not_broken() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let server = Server::start(move |path, stream| {
        if path == "/late" && first.swap(false, std::sync::atomic::Ordering::Relaxed) {
            return stream.read(&mut [0]).map(|_| false);
        }
        let page = "<a href=/late>";
        let length = page.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\r\n{page}"
        )?;
        Ok(true)
    });
    let report = Report::of(&["--timeout", "3", &server.url]);
    assert_eq!(report.status, Some(0), "{}", report.json);
    assert_eq!(
        report.json["timeouts"][0]["answered_later"], true,
        "{}",
        report.json
    );
}

#[test]
fn a_server_of_http_1_0() {
    let server = server(|stream| {
        stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<a href=/other>")
    });
    let report = Report::of(&[&server.url]);
    assert_eq!(
        (report.status, report.number("pages")),
        (Some(0), 2),
        "{}",
        report.json
    );
}

#[test]
fn a_connection_that_was_kept_and_then_closed() {
    // It says that it keeps the connection, and does not.
    let server = server(|stream| {
        let page = "<a href=/1><a href=/2><a href=/3>";
        let length = page.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\r\n{page}"
        )
    });
    let report = Report::of(&["--per-host", "1", &server.url]);
    assert_eq!(
        (report.status, report.number("pages")),
        (Some(0), 4),
        "{}",
        report.json
    );
}

#[test]
fn tls_with_somebody_who_does_not_speak_it() {
    let server = server(|stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    // The server reads lines, of which a handshake has none: it hears the end, and closes.
    let url = server.url.replace("http:", "https:");
    let report = Report::of(&["--ignore-robots", "--timeout", "2", &url]);
    let kind = &report.broken()[0].1;
    assert!(kind == "tls" || kind == "timeout", "{}", report.json);
}
