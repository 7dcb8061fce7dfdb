//! The crawler among the examples, as its users run it: which links it finds broken, and what it says of bad input.
#![cfg(all(feature = "net", feature = "process"))]
#![expect(clippy::unwrap_used, reason = "a test fails by that")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread::JoinHandle;

use serde_json::Value;

/// A heavy page that takes long to parse even where the optimizer has been at work.
const HEAVY: &str = if cfg!(debug_assertions) {
    "2000000"
} else {
    "60000000"
};

/// Finds the example that cargo built beside this test.
fn crawler(arguments: &[&str]) -> Output {
    let test = std::env::current_exe().unwrap();
    let folder: PathBuf = test.ancestors().nth(2).unwrap().join("examples");
    let path = folder.join(format!("crawler{}", std::env::consts::EXE_SUFFIX));
    let run = Command::new(&path).args(arguments).output();
    run.unwrap_or_else(|error| panic!("{}: {error}: `cargo build --examples`", path.display()))
}

fn report(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}\n{}", said(output)))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The paths of the broken links, sorted.
fn broken(report: &Value) -> Vec<String> {
    let links = report["broken"].as_array().unwrap().iter();
    let path = |link: &Value| {
        assert!(link["page"].as_str().unwrap().contains("/page/"), "{link}");
        let (_, path) = link["link"].as_str().unwrap().split_at("http://".len());
        path[path.find('/').unwrap()..].to_owned()
    };
    let mut paths: Vec<String> = links.map(path).collect();
    paths.sort();
    paths
}

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
        let run = crawler(&[
            "--json",
            "--parse",
            mode,
            "--heavy",
            HEAVY,
            "--timeout",
            "20",
        ]);
        let report = report(&run);
        assert_eq!(run.status.code(), Some(1), "{mode}");
        assert_eq!(broken(&report), BROKEN, "{mode}");
        assert_eq!(report["timeouts"], serde_json::json!([]), "{mode}");
    }
}

#[test]
fn on_the_loop_innocent_requests_time_out_and_every_broken_link_is_found_at_last() {
    // A page is here soon and takes long to parse: the limit is a fraction of that.
    let limit = "0.6";
    let run = crawler(&[
        "--json",
        "--parse",
        "on-loop",
        "--heavy",
        HEAVY,
        "--timeout",
        limit,
    ]);
    let report = report(&run);
    assert_eq!(run.status.code(), Some(1));
    assert_eq!(broken(&report), BROKEN);
    assert!(
        report["innocent_timeouts"].as_u64().unwrap() > 0,
        "{report}"
    );
    assert!(
        report["blocked_seconds"].as_f64().unwrap() > 0.6,
        "{report}"
    );
    assert!(
        report["blocked_by"]
            .as_str()
            .unwrap()
            .contains("parse http"),
        "{report}"
    );
}

#[test]
fn a_wrong_command_line_is_told_so() {
    for (arguments, what) in [
        (&["no url"][..], "is no URL"),
        (&["ftp://example.org/"], "only http and https"),
        (&["--parse", "by-hand"], "on-loop, threads or processes"),
        (&["--timeout", "-1"], "negative"),
        (&["--what"], "--what"),
    ] {
        let run = crawler(arguments);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert!(said(&run).contains(what), "{}", said(&run));
    }
}

/// Answers one request with that, as far as the client wants to hear it.
fn answer(head: &'static str, body_bytes: usize) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = write!(stream, "HTTP/1.1 {head}\r\nconnection: close\r\n\r\n");
        let chunk = vec![b' '; 1 << 16];
        for _ in 0..body_bytes >> 16 {
            if stream.write_all(&chunk).is_err() {
                return;
            }
        }
    });
    (url, thread)
}

#[test]
fn what_an_address_does_not_give_is_told() {
    let refused = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let refused = format!("http://{refused}/");
    let (huge, huge_thread) = answer("200 OK\r\ncontent-type: text/html", 1 << 30);
    let (loops, loops_thread) = answer("302 Found\r\nlocation: ftp://example.org/", 0);
    for (url, what) in [
        (refused.as_str(), "no connection"),
        ("http://name.invalid/", "no connection"),
        (&huge, "larger than 1000000 bytes"),
        (&loops, "which is no address"),
    ] {
        let run = crawler(&["--json", "--max-size", "1000000", "--timeout", "60", url]);
        let report = report(&run);
        assert_eq!(run.status.code(), Some(1), "{url}");
        let why = report["broken"][0]["why"].as_str().unwrap_or_default();
        assert!(why.contains(what), "{report}");
    }
    let (text, text_thread) = answer("200 OK\r\ncontent-type: text/plain", 0);
    let run = crawler(&[&text]);
    assert_eq!(run.status.code(), Some(1));
    assert!(said(&run).contains("not HTML"), "{}", said(&run));
    for thread in [huge_thread, loops_thread, text_thread] {
        thread.join().unwrap();
    }
}

#[test]
fn a_good_site_is_good() {
    let (url, thread) = answer("200 OK\r\ncontent-type: text/html", 1 << 16);
    let run = crawler(&["--json", &url]);
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    assert_eq!(report(&run)["pages"], 1);
    thread.join().unwrap();
}
