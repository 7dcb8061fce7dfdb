//! What the crawl has found, for people and for programs.

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use crate::fetch::FetchError;

/// A link that leads nowhere, or to nothing in time.
pub(crate) struct Broken {
    pub(crate) link: String,
    /// The first page that it was found on.
    pub(crate) on: Option<Url>,
    pub(crate) why: String,
}

#[derive(Default)]
pub(crate) struct Report {
    pub(crate) pages: usize,
    pub(crate) bytes: usize,
    pub(crate) broken: Vec<Broken>,
    pub(crate) timeouts: Vec<Broken>,
    /// How many of the timeouts fired after the loop had been blocked for a good part of their time.
    pub(crate) innocent: usize,
    /// Links to other sites, which were not followed.
    pub(crate) elsewhere: usize,
    /// Links that were not followed because of the limit.
    pub(crate) left_out: usize,
    pub(crate) blocked: Option<(f64, String)>,
    pub(crate) took: Duration,
}

impl Report {
    /// Enters a link that could not be fetched.
    pub(crate) fn failed(&mut self, link: String, on: Option<Url>, error: &FetchError) {
        let broken = Broken {
            link,
            on,
            why: error.to_string(),
        };
        if let FetchError::Timeout(limit, elapsed) = error {
            self.innocent += usize::from(elapsed.loop_stall() * 4 >= *limit);
            self.timeouts.push(broken);
        } else {
            self.broken.push(broken);
        }
    }

    pub(crate) fn is_good(&self) -> bool {
        self.broken.is_empty() && self.timeouts.is_empty()
    }

    pub(crate) fn json(&self) -> Value {
        let list = |list: &[Broken]| -> Vec<Value> {
            let value = |b: &Broken| json!({"link": b.link, "page": b.on.as_ref().map(Url::as_str), "why": b.why});
            list.iter().map(value).collect()
        };
        let blocked = self.blocked.as_ref();
        json!({
            "pages": self.pages,
            "bytes": self.bytes,
            "broken": list(&self.broken),
            "timeouts": list(&self.timeouts),
            "innocent_timeouts": self.innocent,
            "elsewhere": self.elsewhere,
            "left_out": self.left_out,
            "blocked_seconds": blocked.map_or(0.0, |(seconds, _)| *seconds),
            "blocked_by": blocked.map(|(_, who)| who),
            "seconds": self.took.as_secs_f64(),
        })
    }

    pub(crate) fn print(&self) {
        for (what, list) in [("BROKEN", &self.broken), ("TIMEOUT", &self.timeouts)] {
            for Broken { link, on, why } in list {
                println!("{what:<8} {link}: {why}");
                if let Some(page) = on {
                    println!("         on {page}");
                }
            }
        }
        let (mib, took) = (
            self.bytes as f64 / f64::from(1 << 20),
            self.took.as_secs_f64(),
        );
        println!("{} pages, {mib:.1} MiB, in {took:.2} s", self.pages);
        println!(
            "{} links to other sites, {} left out (--limit)",
            self.elsewhere, self.left_out
        );
        println!("{} broken links", self.broken.len());
        let (timeouts, innocent) = (self.timeouts.len(), self.innocent);
        println!(
            "{timeouts} timeouts, {innocent} of them of innocent requests: the loop was blocked"
        );
        match &self.blocked {
            Some((seconds, who)) => println!("longest block of the loop: {seconds:.3} s\n  {who}"),
            None => println!("longest block of the loop: less than 0.1 s"),
        }
    }
}
