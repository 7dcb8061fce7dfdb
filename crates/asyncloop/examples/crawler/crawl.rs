//! The crawl: a task for each request, as many at once as are allowed, until no address is left.

use std::error::Error;
use std::rc::Rc;
use std::time::{Duration, Instant};

use asyncloop::prelude::*;
use url::{Origin, Url};

use crate::fetch::{Answer, Client};
use crate::fetch_error::FetchError;
use crate::frontier::{Frontier, Lead, Next};
use crate::ledger::{Ledger, Outcome};
use crate::links::{Found, Link};
use crate::parser::Parser;
use crate::progress::Progress;
use crate::report::{Late, Report, Wrong};
use crate::robots::Rules;

/// How often an address may send us elsewhere.
const REDIRECTS: usize = 10;

/// A server that wants to be left alone for longer is not asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What the tasks of a crawl share.
pub(crate) struct Crawler {
    pub(crate) client: Client,
    pub(crate) parser: Parser,
    /// How many requests there are at once.
    pub(crate) jobs: usize,
    /// How many addresses are asked for.
    pub(crate) limit: usize,
    /// How often a server that is too busy is asked again for the same address.
    pub(crate) retries: usize,
    /// Whether links to other sites are checked.
    pub(crate) external: bool,
    /// Whether the parts of pages that links name are checked.
    pub(crate) fragments: bool,
}

/// What a task has to tell when it ends.
enum Ended {
    Rules(String, Rules),
    Lead(Lead, Result<Got, FetchError>),
}

/// What was at an address.
enum Got {
    Page(usize, Result<Found, Box<dyn Error>>),
    Other(String),
    Moved(Url),
}

impl Crawler {
    /// Follows every link of the site that begins there.
    pub(crate) async fn run(
        self: &Rc<Self>,
        start: Url,
        frontier: Frontier,
    ) -> Result<Report, Box<dyn Error>> {
        let event_loop = get_running_loop()?;
        let began = event_loop.time();
        let mut crawl = Crawl::new(Rc::clone(self), start, frontier);
        let mut running: Vec<Task<Ended>> = Vec::new();
        loop {
            let not_before = crawl.begin(&mut running, event_loop.time());
            crawl.show(running.len());
            if running.is_empty() && not_before.is_none() {
                break;
            }
            let pause = not_before.map(|then| then.saturating_duration_since(event_loop.time()));
            // Ctrl-C cancels this task. Then it tells what it knows so far.
            let Ok((done, pending)) = catch_cancel(first(running, pause)).await else {
                crawl.report.interrupted = true;
                break;
            };
            running = pending;
            for task in done {
                crawl.ended(task.await?, event_loop.time())?;
            }
        }
        crawl.report.took = event_loop.time() - began;
        crawl.finish()
    }

    async fn follow(self: Rc<Self>, lead: Lead, inside: bool) -> Ended {
        let answer = match inside {
            true => self.client.page(&lead.url).await,
            false => self.client.probe(&lead.url).await,
        };
        let got = match answer {
            Ok(Answer::Page { html, charset }) => {
                let bytes = html.len();
                let found = self.parser.found(&lead.url, charset, self.fragments, html);
                Ok(Got::Page(bytes, found.await))
            }
            Ok(Answer::Other(kind)) => Ok(Got::Other(kind)),
            Ok(Answer::Moved(next)) => Ok(Got::Moved(next)),
            Err(error) => Err(error),
        };
        Ended::Lead(lead, got)
    }
}

/// Waits until a request has ended, or until the next may begin: those that have, and the others.
async fn first(
    running: Vec<Task<Ended>>,
    pause: Option<Duration>,
) -> (Vec<Task<Ended>>, Vec<Task<Ended>>) {
    match wait(running, pause, ReturnWhen::FirstCompleted).await {
        Ok(waited) => (waited.done, waited.pending),
        Err(_) => {
            // Nothing is running.
            sleep(pause.unwrap_or_default()).await;
            (Vec::new(), Vec::new())
        }
    }
}

/// A crawl on its way.
struct Crawl {
    crawler: Rc<Crawler>,
    frontier: Frontier,
    ledger: Ledger,
    report: Report,
    progress: Progress,
    /// The address where the site begins, after the redirects that there have been.
    start: usize,
    site: Origin,
    /// How many addresses have been admitted, and how many requests for them have ended.
    admitted: usize,
    ended: usize,
    /// What had no answer in time has a second chance at the end, alone.
    late: Vec<Lead>,
}

impl Crawl {
    fn new(crawler: Rc<Crawler>, start: Url, frontier: Frontier) -> Crawl {
        let mut crawl = Crawl {
            crawler,
            frontier,
            ledger: Ledger::default(),
            report: Report::default(),
            progress: Progress::new(),
            start: 0,
            site: start.origin(),
            admitted: 0,
            ended: 0,
            late: Vec::new(),
        };
        let (id, _) = crawl.ledger.id(&start);
        crawl.admit(id, start, 0);
        crawl
    }

    /// Begins what may begin now; the rest not before the time that it gives.
    fn begin(&mut self, running: &mut Vec<Task<Ended>>, now: Instant) -> Option<Instant> {
        while running.len() < self.crawler.jobs {
            match self.frontier.next(now) {
                Next::Rules(host, url) => {
                    let crawler = Rc::clone(&self.crawler);
                    running.push(create_task(async move {
                        Ended::Rules(host, Rules::fetch(&crawler.client, &url).await)
                    }));
                }
                Next::Lead(lead) => {
                    let inside = lead.id == self.start || lead.url.origin() == self.site;
                    let crawler = Rc::clone(&self.crawler);
                    running.push(create_task(crawler.follow(lead, inside)));
                }
                Next::Forbidden(lead) => {
                    self.ended += 1;
                    self.ledger.settle(lead.id, Outcome::Forbidden);
                }
                Next::NotBefore(then) => return Some(then),
                Next::Nothing if running.is_empty() => match self.late.pop() {
                    Some(lead) => self.frontier.push(lead),
                    None => return None,
                },
                Next::Nothing => return None,
            }
        }
        None
    }

    fn ended(&mut self, ended: Ended, now: Instant) -> Result<(), Box<dyn Error>> {
        let (lead, got) = match ended {
            Ended::Rules(host, rules) => {
                self.frontier.rules(&host, rules);
                return Ok(());
            }
            Ended::Lead(lead, got) => (lead, got),
        };
        self.frontier.done(&lead.url);
        if let Err(error @ FetchError::Timeout(limit, elapsed)) = &got
            && !lead.again
        {
            self.report.late.push(Late {
                link: lead.url.to_string(),
                innocent: elapsed.loop_stall() * 4 >= *limit,
                why: error.to_string(),
            });
            self.late.push(Lead {
                again: true,
                ..lead
            });
            return Ok(());
        }
        if let Err(FetchError::Busy(_, pause)) = got
            && pause <= LONGEST_PAUSE
            && lead.refused < self.crawler.retries
        {
            self.report.retried += 1;
            self.frontier.pause(&lead.url, now + pause);
            self.frontier.push(Lead {
                refused: lead.refused + 1,
                ..lead
            });
            return Ok(());
        }
        self.ended += 1;
        let outcome = match got {
            Ok(Got::Page(bytes, Ok(found))) => {
                self.report.pages += 1;
                self.report.bytes += bytes;
                self.page(&lead, found);
                Outcome::Good
            }
            Ok(Got::Page(_, Err(error))) => Outcome::Broken {
                kind: "parse",
                why: format!("it cannot be parsed, its links are unknown: {error}"),
            },
            Ok(Got::Other(kind)) if lead.id == self.start => {
                let what = format!("{} is {kind}, not HTML: it has no links", lead.url);
                return Err(what.into());
            }
            Ok(Got::Other(_)) => Outcome::Good,
            Ok(Got::Moved(_)) if lead.redirects == REDIRECTS => {
                broken(&FetchError::TooManyRedirects(REDIRECTS))
            }
            Ok(Got::Moved(next)) => self.moved(&lead, next),
            Err(error) => broken(&error),
        };
        self.ledger.settle(lead.id, outcome);
        Ok(())
    }

    /// Enters what a page leads to.
    fn page(&mut self, lead: &Lead, found: Found) {
        for link in found.links {
            let parsed = match link {
                Link::To { url, fragment } => Url::parse(&url)
                    .map(|url| (url, fragment))
                    .map_err(|error| (url, error.to_string())),
                Link::Wrong { text, why } => Err((text, why)),
            };
            match parsed {
                Ok((url, fragment)) => {
                    let id = self.met(url, 0);
                    self.ledger.linked(id, lead.id, fragment);
                }
                Err((link, why)) => {
                    let page = lead.url.to_string();
                    self.report.wrong.push(Wrong { link, why, page });
                }
            }
        }
        if self.crawler.fragments {
            self.ledger.parts(lead.id, found.anchors);
        }
    }

    /// Enters where an address redirects to. A site begins where its first address leads, be it another host.
    fn moved(&mut self, lead: &Lead, next: Url) -> Outcome {
        if lead.id == self.start {
            self.site = next.origin();
        }
        let id = self.met(next, lead.redirects + 1);
        if lead.id == self.start {
            self.start = id;
        }
        Outcome::Moved(id)
    }

    /// Enters an address, to be asked for if it is new.
    fn met(&mut self, url: Url, redirects: usize) -> usize {
        let (id, new) = self.ledger.id(&url);
        if new && (url.origin() == self.site || self.crawler.external) {
            self.admit(id, url, redirects);
        } else if new {
            self.report.elsewhere += 1;
        }
        id
    }

    fn admit(&mut self, id: usize, url: Url, redirects: usize) {
        if self.admitted == self.crawler.limit {
            self.report.left_out += 1;
            return;
        }
        self.admitted += 1;
        self.frontier.push(Lead {
            id,
            url,
            redirects,
            again: false,
            refused: 0,
        });
    }

    fn show(&self, running: usize) {
        self.progress
            .show(self.ended, self.admitted, running, &self.report);
    }

    fn finish(mut self) -> Result<Report, Box<dyn Error>> {
        self.progress.clear();
        self.report.addresses = self.ended;
        self.report.forbidden = self.ledger.forbidden();
        self.report.broken = self.ledger.broken();
        if self.ledger.is_forbidden(self.start) {
            return Err("robots.txt does not let us in (--ignore-robots)".into());
        }
        Ok(self.report)
    }
}

fn broken(error: &FetchError) -> Outcome {
    Outcome::Broken {
        kind: error.kind(),
        why: error.to_string(),
    }
}
