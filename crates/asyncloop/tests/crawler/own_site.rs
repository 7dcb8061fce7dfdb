//! The crawler on its own site, and on a page as large as the pages there, with each way to parse.

use crate::run::Report;
use crate::server::{HTML, Server};

/// A heavy page that takes long to parse even where the optimizer has been at work.
const HEAVY: &str = if cfg!(debug_assertions) {
    "2000000"
} else {
    "60000000"
};

const BROKEN: [&str; 6] = [
    "/missing/0",
    "/missing/10",
    "/missing/20",
    "/missing/30",
    "/missing/40",
    "/missing/50",
];

#[test]
fn pools_find_every_broken_link_and_no_innocent_request_times_out() {
    for mode in ["threads", "processes"] {
        let report = Report::of(&["--parse", mode, "--heavy", HEAVY, "--timeout", "20"]);
        assert_eq!(report.status, Some(1), "{mode}");
        assert_eq!(report.paths(), BROKEN, "{mode}");
        assert_eq!(report.json["timeouts"], serde_json::json!([]), "{mode}");
        assert_eq!(report.pages("/missing/10"), ["/page/10"], "{mode}");
    }
}

#[test]
fn on_the_loop_innocent_requests_time_out_and_every_broken_link_is_found_at_last() {
    // A page is here soon and takes long to parse: the limit is a fraction of that.
    let report = Report::of(&["--parse", "on-loop", "--heavy", HEAVY, "--timeout", "0.6"]);
    assert_eq!(report.status, Some(1));
    assert_eq!(report.paths(), BROKEN);
    assert!(report.number("innocent_timeouts") > 0, "{}", report.json);
    assert!(report.seconds("blocked_seconds") > 0.6, "{}", report.json);
    let longest = |report: &Report| {
        let blocks = report.json["blocked"].as_array().unwrap().clone();
        let seconds = |block: &serde_json::Value| block["seconds"].as_f64().unwrap();
        let longest = blocks
            .into_iter()
            .max_by(|a, b| seconds(a).total_cmp(&seconds(b)));
        longest.unwrap()["who"].as_str().unwrap().to_owned()
    };
    assert!(longest(&report).contains("parse http"), "{}", report.json);
}

#[test]
fn a_page_of_32_mib_blocks_the_loop_only_where_it_is_parsed_on_it() {
    // Of the own site's pages, each word is a link: a debug build would parse such a page for minutes. This one is a remark.
    let remark = "x".repeat(32 << 20);
    let page = format!("<a href=/page><!--{remark}--><a href=/gone>");
    let server = Server::of(&[("/", HTML, page.as_bytes()), ("/page", HTML, b"")]);
    let blocked = |mode| {
        let report = Report::of(&["--parse", mode, "--timeout", "60", &server.url]);
        assert_eq!(report.paths(), ["/gone"], "{mode}");
        assert_eq!(report.json["timeouts"], serde_json::json!([]), "{mode}");
        report.seconds("blocked_seconds")
    };
    let on_loop = blocked("on-loop");
    for mode in ["threads", "processes"] {
        let pool = blocked(mode);
        assert!(
            pool < on_loop / 2.0,
            "{mode}: {pool} s, and {on_loop} s on the loop"
        );
    }
}

#[test]
fn parts_of_pages_that_are_not_there_are_found_if_asked_for() {
    let report = Report::of(&["--check-fragments", "--heavy", "10000", "--timeout", "20"]);
    let parts: Vec<_> = report
        .broken()
        .into_iter()
        .filter(|broken| broken.1 == "fragment")
        .collect();
    let paths: Vec<&str> = parts.iter().map(|(path, ..)| path.as_str()).collect();
    assert_eq!(
        paths,
        ["/page/0#missing", "/page/20#missing", "/page/40#missing"]
    );
    assert_eq!(report.paths().len(), BROKEN.len() + 3);
}
