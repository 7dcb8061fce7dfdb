//! Processes that die while they parse.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::run::path_of_crawler;
use crate::server::{HTML, Server};

/// The processes that this one has started, each with the ticks of processor time that it has taken.
fn children(parent: u32) -> Vec<(i32, u64)> {
    let processes = fs::read_dir("/proc").unwrap();
    let stats =
        processes.filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    stats
        .filter_map(|stat| {
            // The name of a process may have anything in it, and ends with the last bracket.
            let (start, rest) = stat.rsplit_once(')')?;
            let fields: Vec<&str> = rest.split_whitespace().collect();
            let pid = start.split_once(' ')?.0.parse().ok()?;
            let ticks = fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?;
            (fields[1] == parent.to_string()).then_some((pid, ticks))
        })
        .collect()
}

/// One page is so large that its process can be found at work, and killed.
#[test]
fn a_process_that_dies_costs_its_page_and_no_other() {
    let word = b"<a href=/other class=word title='a word'>word</a>\n";
    let server = Server::of(&[
        ("/", HTML, b"<a href=/heavy><a href=/other>"),
        ("/heavy", HTML, &word.repeat(150_000)),
        ("/other", HTML, b"<a href=/gone>"),
    ]);
    let mut crawler = Command::new(path_of_crawler());
    crawler.args([
        "--json",
        "--parse",
        "processes",
        "--per-host",
        "1",
        "--timeout",
        "60",
    ]);
    let mut crawler = crawler
        .arg(&server.url)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let parent = crawler.id();
    let is_asked_for = |line: &str| server.lines().iter().any(|other| other == line);
    while !is_asked_for("GET /heavy") {
        assert!(crawler.try_wait().unwrap().is_none(), "it ended too soon");
        std::thread::yield_now();
    }
    // Whoever is killed before it has the whole page costs nothing: another one gets it. So each may take longer.
    let mut most = 4;
    let mut before = children(parent);
    while !is_asked_for("GET /other") && crawler.try_wait().unwrap().is_none() {
        let now = children(parent);
        let took = |pid: i32| {
            before
                .iter()
                .find(|other| other.0 == pid)
                .map_or(0, |other| other.1)
        };
        let busy = now
            .iter()
            .find(|(pid, ticks)| ticks.saturating_sub(took(*pid)) > most);
        if let Some(pid) = busy.map(|(pid, _)| *pid) {
            // It was there a moment ago. If it has ended meanwhile, there is nobody to kill.
            let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
            before = now.into_iter().filter(|other| other.0 != pid).collect();
            most *= 2;
        }
    }
    let output = crawler.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let broken = report["broken"].as_array().unwrap();
    let kinds: Vec<_> = broken
        .iter()
        .map(|broken| broken["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["parse", "status"], "{report}");
    let why = broken[0]["why"].as_str().unwrap();
    assert!(why.contains("SIGKILL"), "{why}");
    assert_eq!(report["pages"], 2, "{report}");
}
