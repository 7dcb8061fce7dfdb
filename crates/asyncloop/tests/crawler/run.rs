//! Runs the crawler, and reads its report.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

/// The example that cargo built beside this test.
pub(crate) fn path_of_crawler() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder: PathBuf = test.ancestors().nth(2).unwrap().join("examples");
    folder.join(format!("crawler{}", std::env::consts::EXE_SUFFIX))
}

/// Runs the crawler to its end.
pub(crate) fn crawler(arguments: &[&str]) -> Output {
    let path = path_of_crawler();
    let run = Command::new(&path).args(arguments).output();
    run.unwrap_or_else(|error| panic!("{}: {error}: `cargo build --examples`", path.display()))
}

/// What it has on standard error.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A report, and the exit status that came with it.
pub(crate) struct Report {
    pub(crate) status: Option<i32>,
    pub(crate) json: Value,
}

impl Report {
    /// Crawls with `--json`.
    pub(crate) fn of(arguments: &[&str]) -> Report {
        let output = crawler(&[&["--json"], arguments].concat());
        let text = String::from_utf8_lossy(&output.stdout);
        let json = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}\n{text}\n{}", said(&output)));
        Report {
            status: output.status.code(),
            json,
        }
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        let number = self.json[name].as_u64();
        number.unwrap_or_else(|| panic!("no {name} in {}", self.json))
    }

    pub(crate) fn seconds(&self, name: &str) -> f64 {
        let number = self.json[name].as_f64();
        number.unwrap_or_else(|| panic!("no {name} in {}", self.json))
    }

    /// The broken links, each as path, kind and what the report says of it, sorted by path.
    pub(crate) fn broken(&self) -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let links = self.json["broken"].as_array().unwrap().iter();
        let mut broken: Vec<_> = links
            .map(|link| {
                (
                    path(&text(&link["link"])),
                    text(&link["kind"]),
                    text(&link["why"]),
                )
            })
            .collect();
        broken.sort();
        broken
    }

    /// The paths of the broken links, sorted.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.broken().into_iter().map(|(path, ..)| path).collect()
    }

    /// The paths of the pages that a broken link is on.
    pub(crate) fn pages(&self, link: &str) -> Vec<String> {
        let mut links = self.json["broken"].as_array().unwrap().iter();
        let found = links.find(|found| path(found["link"].as_str().unwrap()) == link);
        let pages = found.unwrap_or_else(|| panic!("{link} is not broken: {}", self.json))["pages"]
            .as_array()
            .unwrap();
        let page = |page: &Value| path(page.as_str().unwrap());
        pages.iter().map(page).collect()
    }
}

/// What stands after the host, if there is one.
fn path(url: &str) -> String {
    let rest = url.strip_prefix("http://").or(url.strip_prefix("https://"));
    match rest.and_then(|rest| rest.find('/').map(|at| &rest[at..])) {
        Some(path) => path.to_owned(),
        None => url.to_owned(),
    }
}
