//! What the crawl has found, for people and for programs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::blocked::Block;
use crate::ledger::Broken;

/// How many of many pages, or of many blocks, are printed.
const FEW: usize = 3;

/// A link that is no address as it is written.
pub(crate) struct Wrong {
    pub(crate) link: String,
    pub(crate) why: String,
    pub(crate) page: String,
}

/// An address that had no answer in time when it was first asked for.
pub(crate) struct Late {
    pub(crate) link: String,
    pub(crate) why: String,
    /// The loop had been blocked for a good part of the time.
    pub(crate) innocent: bool,
}

#[derive(Default)]
pub(crate) struct Report {
    /// Addresses that were asked for.
    pub(crate) addresses: usize,
    /// Those among them that were pages.
    pub(crate) pages: usize,
    pub(crate) bytes: usize,
    pub(crate) broken: Vec<Broken>,
    pub(crate) wrong: Vec<Wrong>,
    pub(crate) late: Vec<Late>,
    /// Addresses that robots.txt forbids.
    pub(crate) forbidden: usize,
    /// Addresses of other sites, which were not asked for.
    pub(crate) elsewhere: usize,
    /// Addresses that were not asked for because of the limit.
    pub(crate) left_out: usize,
    pub(crate) blocked: Vec<Block>,
    pub(crate) took: Duration,
    /// It was stopped before its end.
    pub(crate) interrupted: bool,
}

impl Report {
    /// How many links lead nowhere.
    fn broken(&self) -> usize {
        self.broken.len() + self.wrong.len()
    }

    fn innocent(&self) -> usize {
        self.late.iter().filter(|late| late.innocent).count()
    }

    fn answered(&self, late: &Late) -> bool {
        self.broken.iter().all(|broken| broken.link != late.link)
    }

    /// For how long the loop was blocked, as far as it noticed.
    fn blocked_seconds(&self) -> f64 {
        self.blocked.iter().map(|block| block.seconds).sum()
    }

    pub(crate) fn is_good(&self) -> bool {
        self.broken() == 0 && !self.interrupted
    }

    pub(crate) fn json(&self) -> Value {
        let mut broken: Vec<Value> = Vec::new();
        for Broken {
            link,
            kind,
            why,
            pages,
        } in &self.broken
        {
            broken.push(json!({"link": link, "kind": kind, "why": why, "pages": pages}));
        }
        for Wrong { link, why, page } in &self.wrong {
            broken.push(json!({"link": link, "kind": "address", "why": why, "pages": [page]}));
        }
        let late = |late: &Late| {
            let answered = self.answered(late);
            json!({"link": late.link, "why": late.why, "innocent": late.innocent, "answered_later": answered})
        };
        let block = |block: &Block| json!({"seconds": block.seconds, "who": block.who});
        json!({
            "addresses": self.addresses,
            "pages": self.pages,
            "bytes": self.bytes,
            "broken": broken,
            "timeouts": self.late.iter().map(late).collect::<Vec<_>>(),
            "innocent_timeouts": self.innocent(),
            "forbidden": self.forbidden,
            "elsewhere": self.elsewhere,
            "left_out": self.left_out,
            "blocked_seconds": self.blocked_seconds(),
            "blocked": self.blocked.iter().map(block).collect::<Vec<_>>(),
            "interrupted": self.interrupted,
            "seconds": self.took.as_secs_f64(),
        })
    }

    pub(crate) fn print(&self) {
        for Broken {
            link, why, pages, ..
        } in &self.broken
        {
            println!("BROKEN   {link}\n         {why}");
            for page in pages.iter().take(FEW) {
                println!("         on {page}");
            }
            if pages.len() > FEW {
                println!("         and on {} more pages", pages.len() - FEW);
            }
        }
        for Wrong { link, why, page } in &self.wrong {
            println!("BROKEN   {link:?}\n         {why}\n         on {page}");
        }
        for late in self.late.iter().filter(|late| self.answered(late)) {
            println!("TIMEOUT  {}\n         {}", late.link, late.why);
        }
        if self.broken() + self.late.len() > 0 {
            println!();
        }
        if self.interrupted {
            println!("interrupted: this is what was known by then");
        }
        println!(
            "addresses  {}, of them {} pages of {:.1} MiB, in {:.2} s",
            self.addresses,
            self.pages,
            self.bytes as f64 / f64::from(1 << 20),
            self.took.as_secs_f64()
        );
        println!("broken     {}", self.broken());
        match (self.late.len(), self.innocent()) {
            (late, 0) => println!("timeouts   {late}"),
            (late, innocent) => println!(
                "timeouts   {late}, of them {innocent} of innocent requests: the loop was blocked"
            ),
        }
        for (what, count, why) in [
            (
                "elsewhere",
                self.elsewhere,
                "not asked for without --external",
            ),
            (
                "forbidden",
                self.forbidden,
                "not asked for because of robots.txt",
            ),
            (
                "left out ",
                self.left_out,
                "not asked for because of --limit",
            ),
        ] {
            if count > 0 {
                println!("{what}  {count}, {why}");
            }
        }
        self.print_blocks();
    }

    /// Prints for how long the loop was blocked, and by whom for longest.
    fn print_blocks(&self) {
        let mut blocks: Vec<&Block> = self.blocked.iter().collect();
        blocks.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        match blocks.len() {
            0 => println!("blocked    never for 0.1 s"),
            count => println!(
                "blocked    for {:.3} s by callbacks of 0.1 s or more: {count}",
                self.blocked_seconds()
            ),
        }
        for block in blocks.iter().take(FEW) {
            println!("           {:.3} s by {}", block.seconds, block.name());
        }
    }
}
