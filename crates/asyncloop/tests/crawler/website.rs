//! Sites with all that HTTP has: redirects, robots.txt, other hosts, connections that are kept.

use crate::run::{Report, crawler, said};
use crate::server::{HTML, Server};

#[test]
fn a_good_site_is_good() {
    let server = Server::of(&[("/", HTML, b"<a href=/a>"), ("/a", HTML, b"<a href=/>")]);
    let report = Report::of(&[&server.url]);
    assert_eq!(report.status, Some(0), "{}", report.json);
    assert_eq!((report.number("pages"), report.number("addresses")), (2, 2));
    assert_eq!(server.lines(), ["GET /", "GET /a", "GET /robots.txt"]);
}

#[test]
fn a_broken_link_is_told_once_with_all_its_pages() {
    let server = Server::of(&[
        ("/", HTML, b"<a href=/a><a href=/gone><a href=http://[bad>"),
        ("/a", HTML, b"<a href=/gone>"),
    ]);
    let report = Report::of(&[&server.url]);
    assert_eq!(report.status, Some(1));
    assert_eq!(report.paths(), ["/gone", "http://[bad"]);
    assert_eq!(report.broken()[0].2, "404 Not Found");
    assert_eq!(report.pages("/gone"), ["/", "/a"]);
}

#[test]
fn the_report_for_people_says_the_same() {
    let page: String = (1..6).map(|number| format!("<a href=/{number}>")).collect();
    let mut documents = vec![("/", HTML, page.as_bytes())];
    let gone = b"<a href=/gone><a href=//[bad>";
    documents.extend(["/1", "/2", "/3", "/4", "/5"].map(|path| (path, HTML, &gone[..])));
    let server = Server::of(&documents);
    let run = crawler(&["--per-host", "1", &server.url]);
    assert_eq!(run.status.code(), Some(1));
    let text = String::from_utf8(run.stdout.clone()).unwrap();
    let start = format!(
        "BROKEN   {0}/gone\n         404 Not Found\n         on {0}/1\n         on {0}/2\n         on {0}/3\n         \
         and on 2 more pages\n",
        server.url
    );
    assert!(text.starts_with(&start), "{text}");
    assert!(
        text.contains("\naddresses  7, of them 6 pages of 0.0 MiB, in "),
        "{text}"
    );
    assert!(text.contains("\nbroken     6\ntimeouts   0\n"), "{text}");
    assert_eq!(said(&run), "", "there is no terminal for a bar");
}

#[test]
fn redirects_are_followed_to_their_end() {
    let server = Server::of(&[
        (
            "/",
            HTML,
            b"<a href=/one><a href=/bad><a href=/circle><a href=/odd><a href=/n0>",
        ),
        ("/one", "301 Moved\r\nlocation: two", b""),
        ("/two", "302 Found\r\nlocation: /page", b""),
        ("/page", HTML, b"<a href=/end>"),
        ("/end", HTML, b""),
        ("/bad", "307 Temporary\r\nlocation: /gone", b""),
        ("/circle", "302 Found\r\nlocation: /circle2", b""),
        ("/circle2", "302 Found\r\nlocation: /circle", b""),
        ("/odd", "302 Found\r\nlocation: ftp://example.org/", b""),
    ]);
    let report = Report::of(&[&server.url]);
    let broken = report.broken();
    let paths: Vec<&str> = broken.iter().map(|(path, ..)| path.as_str()).collect();
    assert_eq!(paths, ["/bad", "/circle", "/n0", "/odd"]);
    assert!(broken[0].2.contains("/gone: 404 Not Found"), "{broken:?}");
    assert!(broken[1].2.contains("in a circle"), "{broken:?}");
    assert!(broken[3].2.contains("which is no address"), "{broken:?}");
    assert_eq!(
        report.number("pages"),
        3,
        "what redirects lead to is crawled"
    );
}

#[test]
fn redirects_without_end_are_given_up() {
    use std::io::Write;
    let server = Server::start(|path, stream| {
        let number: u32 = path[1..].parse().unwrap_or(0);
        let next = number + 1;
        write!(
            stream,
            "HTTP/1.1 302 Found\r\nlocation: /{next}\r\ncontent-length: 0\r\n\r\n"
        )?;
        Ok(true)
    });
    let report = Report::of(&["--ignore-robots", &server.url]);
    assert_eq!(report.status, Some(1));
    assert!(
        report.broken()[0].2.contains("more than 10 redirects"),
        "{}",
        report.json
    );
    assert_eq!(server.lines().len(), 11);
}

#[test]
fn a_site_begins_where_its_first_address_leads() {
    let site = Server::of(&[("/", HTML, b"<a href=/a>"), ("/a", HTML, b"<a href=/gone>")]);
    let to = format!("301 Moved\r\nlocation: {}/", site.url);
    let old = Server::of(&[("/", &to, b"")]);
    let report = Report::of(&[&old.url]);
    assert_eq!(report.paths(), ["/gone"]);
    assert_eq!(report.number("pages"), 2);
}

#[test]
fn robots_txt_is_honoured() {
    let rules = b"User-agent: asyncloop-crawler\nDisallow: /private\nAllow: /private/open\n\nUser-agent: *\nDisallow: /\n";
    let server = Server::of(&[
        ("/robots.txt", "200 OK\r\ncontent-type: text/plain", rules),
        (
            "/",
            HTML,
            b"<a href=/private/closed><a href=/private/open><a href=/private>",
        ),
        ("/private/open", HTML, b""),
    ]);
    let report = Report::of(&[&server.url]);
    assert_eq!(
        (report.status, report.number("forbidden")),
        (Some(0), 2),
        "{}",
        report.json
    );
    assert_eq!(
        server.lines(),
        ["GET /", "GET /private/open", "GET /robots.txt"]
    );
    let agent = &server.requests()[0].headers["user-agent"];
    assert_eq!(agent, "asyncloop-crawler");

    let report = Report::of(&["--ignore-robots", &server.url]);
    assert_eq!(report.paths(), ["/private", "/private/closed"]);
}

#[test]
fn a_site_that_does_not_let_us_in_is_left_alone() {
    for (head, rules) in [
        (HTML, &b"User-agent: *\nDisallow: /"[..]),
        ("503 Service Unavailable", b""),
    ] {
        let server = Server::of(&[("/robots.txt", head, rules), ("/", HTML, b"")]);
        let run = crawler(&[&server.url]);
        assert_eq!(run.status.code(), Some(2));
        assert!(said(&run).contains("robots.txt"), "{}", said(&run));
        assert_eq!(server.lines(), ["GET /robots.txt"]);
    }
}

#[test]
fn other_sites_are_checked_if_asked_for_and_never_crawled() {
    let other = Server::of(&[
        ("/good", HTML, b"<a href=/deeper>"),
        ("/moved", "302 Found\r\nlocation: /gone", b""),
    ]);
    let page = format!(
        "<a href={0}/good><a href={0}/bad><a href={0}/moved>",
        other.url
    );
    let server = Server::of(&[("/", HTML, page.as_bytes())]);
    let report = Report::of(&[&server.url]);
    assert_eq!((report.status, report.number("elsewhere")), (Some(0), 3));
    assert_eq!(other.lines(), [""; 0]);

    let report = Report::of(&["--external", &server.url]);
    assert_eq!(report.paths(), ["/bad", "/moved"]);
    let lines = other.lines();
    assert!(lines.contains(&"HEAD /good".to_owned()), "{lines:?}");
    assert!(
        !lines.iter().any(|line| line.contains("deeper")),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"GET /bad".to_owned()),
        "a server may know no HEAD: {lines:?}"
    );
}

#[test]
fn what_is_not_html_is_not_parsed() {
    let server = Server::of(&[
        ("/", HTML, b"<a href=/text><a href=/page>"),
        (
            "/text",
            "200 OK\r\ncontent-type: text/plain",
            b"<a href=/gone>",
        ),
        (
            "/page",
            "200 OK\r\ncontent-type: Application/XHTML+xml; charset=utf-8",
            b"<a href='/caf\xc3\xa9'/>",
        ),
        ("/caf%C3%A9", HTML, b""),
    ]);
    let report = Report::of(&[&server.url]);
    assert_eq!(
        (report.status, report.number("pages")),
        (Some(0), 3),
        "{}",
        report.json
    );

    let run = crawler(&[&format!("{}/text", server.url)]);
    assert_eq!(run.status.code(), Some(2));
    assert!(
        said(&run).contains("text/plain, not HTML"),
        "{}",
        said(&run)
    );
}

#[test]
fn a_page_in_a_coding_that_nobody_asked_for_is_told() {
    let server = Server::of(&[(
        "/",
        "200 OK\r\ncontent-type: text/html\r\ncontent-encoding: br",
        b"\x1f\x8b",
    )]);
    let report = Report::of(&[&server.url]);
    assert_eq!(report.broken()[0].1, "encoding", "{}", report.json);
    let asked = server.requests();
    let accepted = |number: usize| asked[number].headers["accept-encoding"].as_str();
    assert_eq!((accepted(0), accepted(1)), ("identity", "gzip"));
}

#[test]
fn parts_of_pages_are_checked() {
    let server = Server::of(&[
        ("/", HTML, b"<a href=#here><a href=/b#x><a href=/b#y><a href=/b#%C3%A9><a href=/moved#z><p id=here>"),
        ("/moved", "302 Found\r\nlocation: /b", b""),
        ("/b", HTML, b"<p id=x><p id=\xc3\xa9><a href=#top><a href=#>"),
    ]);
    let report = Report::of(&["--check-fragments", &server.url]);
    assert_eq!(report.paths(), ["/b#y", "/moved#z"]);
    assert_eq!(Report::of(&[&server.url]).status, Some(0));
}

#[test]
fn connections_are_kept() {
    let page: String = (0..20)
        .map(|number| format!("<a href=/{number}>"))
        .collect();
    let server = Server::of(&[("/", HTML, page.as_bytes())]);
    let report = Report::of(&["--per-host", "1", &server.url]);
    assert_eq!(report.paths().len(), 20);
    assert_eq!((server.lines().len(), server.connections()), (22, 1));
}

#[test]
fn a_limit_of_addresses_is_kept() {
    let page: String = (0..20)
        .map(|number| format!("<a href=/{number}>"))
        .collect();
    let server = Server::of(&[("/", HTML, page.as_bytes())]);
    let report = Report::of(&["--limit", "5", &server.url]);
    assert_eq!(
        (report.number("addresses"), report.number("left_out")),
        (5, 16)
    );
}
