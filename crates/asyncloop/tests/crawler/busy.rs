//! Servers that are too busy, and say so.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::run::Report;
use crate::server::{HTML, Server};

/// Too busy for as many requests for a path as `refusals` says; then there is a page without links.
fn busy(head: &'static str, refusals: usize) -> Server {
    let asked = AtomicUsize::new(0);
    Server::start(move |path, stream| {
        let head = match path {
            "/busy" if asked.fetch_add(1, Ordering::Relaxed) < refusals => head,
            _ => HTML,
        };
        let page = match path {
            "/" => "<a href=/busy><a href=/other>",
            _ => "",
        };
        let length = page.len();
        write!(
            stream,
            "HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n{page}"
        )?;
        Ok(true)
    })
}

fn requests(server: &Server) -> usize {
    let lines = server.lines();
    lines.iter().filter(|line| *line == "GET /busy").count()
}

#[test]
fn who_is_too_busy_is_asked_again() {
    for head in [
        "429 Too Many Requests\r\nretry-after: 1",
        "429 Too Many Requests",
        "503 Service Unavailable\r\nretry-after: 0",
        "503 Service Unavailable\r\nretry-after: Fri, 31 Dec 1999 23:59:59 GMT",
    ] {
        let server = busy(head, 1);
        let report = Report::of(&[&server.url]);
        assert_eq!(report.status, Some(0), "{head}: {}", report.json);
        let counts = (report.number("retried"), report.number("pages"));
        assert_eq!((counts, requests(&server)), ((1, 3), 2), "{head}");
    }
}

#[test]
fn who_is_always_too_busy_is_given_up() {
    let head = "429 Too Many Requests\r\nretry-after: 0";
    for (arguments, most) in [
        (&[][..], 4),
        (&["--retries", "1"], 2),
        (&["--retries", "0"], 1),
    ] {
        let server = busy(head, usize::MAX);
        let report = Report::of(&[arguments, &[&server.url]].concat());
        let (path, kind, why) = report.broken().remove(0);
        assert_eq!(
            (path.as_str(), kind.as_str()),
            ("/busy", "status"),
            "{}",
            report.json
        );
        assert!(why.starts_with("429 Too Many Requests, and"), "{why}");
        assert_eq!(requests(&server), most);
        assert_eq!(report.number("pages"), 2, "the others are none the worse");
    }
}

#[test]
fn who_wants_to_be_left_alone_for_a_day_is() {
    let server = busy("503 Service Unavailable\r\nretry-after: 86400", usize::MAX);
    let report = Report::of(&[&server.url]);
    let why = &report.broken()[0].2;
    assert!(why.contains("left alone for 86400s"), "{why}");
    assert_eq!(requests(&server), 1);
}

/// Without a word about when to come back, it is an error as any other.
#[test]
fn a_server_in_trouble_is_not_asked_again() {
    let server = busy("503 Service Unavailable", usize::MAX);
    let report = Report::of(&[&server.url]);
    assert_eq!(report.broken()[0].2, "503 Service Unavailable");
    assert_eq!(requests(&server), 1);
}
