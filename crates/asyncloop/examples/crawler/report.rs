//! What the crawl has found, for people and for programs.

use std::fmt;
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
    /// Requests that were made again because the server was too busy.
    pub(crate) retried: usize,
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
            "retried": self.retried,
            "blocked_seconds": self.blocked_seconds(),
            "blocked": self.blocked.iter().map(block).collect::<Vec<_>>(),
            "interrupted": self.interrupted,
            "seconds": self.took.as_secs_f64(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Broken {
            link, why, pages, ..
        } in &self.broken
        {
            writeln!(f, "BROKEN   {link}\n         {why}")?;
            for page in pages.iter().take(FEW) {
                writeln!(f, "         on {page}")?;
            }
            if pages.len() > FEW {
                writeln!(f, "         and on {} more pages", pages.len() - FEW)?;
            }
        }
        for Wrong { link, why, page } in &self.wrong {
            writeln!(f, "BROKEN   {link:?}\n         {why}\n         on {page}")?;
        }
        for late in self.late.iter().filter(|late| self.answered(late)) {
            writeln!(f, "TIMEOUT  {}\n         {}", late.link, late.why)?;
        }
        if self.broken() + self.late.len() > 0 {
            writeln!(f)?;
        }
        if self.interrupted {
            writeln!(f, "interrupted: this is what was known by then")?;
        }
        self.write_counts(f)?;
        self.write_blocks(f)
    }
}

impl Report {
    fn write_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mib, took) = (
            self.bytes as f64 / f64::from(1 << 20),
            self.took.as_secs_f64(),
        );
        let (addresses, pages) = (self.addresses, self.pages);
        writeln!(
            f,
            "addresses  {addresses}, of them {pages} pages of {mib:.1} MiB, in {took:.2} s"
        )?;
        writeln!(f, "broken     {}", self.broken())?;
        write!(f, "timeouts   {}", self.late.len())?;
        match self.innocent() {
            0 => writeln!(f)?,
            innocent => writeln!(
                f,
                ", of them {innocent} of innocent requests: the loop was blocked"
            )?,
        }
        if self.retried > 0 {
            writeln!(
                f,
                "retried    {}, since the server was too busy",
                self.retried
            )?;
        }
        for (what, count, why) in [
            ("elsewhere", self.elsewhere, "without --external"),
            ("forbidden", self.forbidden, "because of robots.txt"),
            ("left out ", self.left_out, "because of --limit"),
        ] {
            if count > 0 {
                writeln!(f, "{what}  {count}, not asked for {why}")?;
            }
        }
        Ok(())
    }

    /// For how long the loop was blocked, and by whom for longest.
    fn write_blocks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blocks: Vec<&Block> = self.blocked.iter().collect();
        blocks.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        match (blocks.len(), self.blocked_seconds()) {
            (0, _) => write!(f, "blocked    never for 0.1 s")?,
            (1, seconds) => write!(f, "blocked    for {seconds:.3} s")?,
            (count, seconds) => write!(
                f,
                "blocked    for {seconds:.3} s, by {count} callbacks of 0.1 s or more"
            )?,
        }
        for block in blocks.iter().take(FEW) {
            write!(f, "\n           {:.3} s by {}", block.seconds, block.name())?;
        }
        Ok(())
    }
}
