//! The crawl: a task for each page, as many at once as are allowed.

use std::cell::Cell;
use std::collections::{HashSet, VecDeque};
use std::error::Error;
use std::rc::Rc;
use std::time::{Duration, Instant};

use asyncloop::prelude::*;
use indicatif::{ProgressBar, ProgressStyle};
use url::Url;

use crate::fetch::{Client, FetchError, Page};
use crate::parser::{Links, Parser};
use crate::report::{Broken, Report};

/// A link to be followed, and the page that it is on.
struct Lead {
    url: Url,
    on: Option<Url>,
    /// It had no answer in time before.
    again: bool,
}

/// What came of one: the page and its links.
type Outcome = (Lead, Result<(Page, usize, Links), FetchError>);

pub(crate) struct Crawl {
    pub(crate) client: Client,
    pub(crate) parser: Parser,
    pub(crate) concurrency: usize,
    pub(crate) delay: Duration,
    pub(crate) limit: usize,
    /// When the next request may begin: polite crawlers leave a pause.
    pub(crate) next: Cell<Option<Instant>>,
}

impl Crawl {
    /// Follows every link of the site that begins there.
    pub(crate) async fn run(self: &Rc<Self>, start: Url) -> Result<Report, Box<dyn Error>> {
        let event_loop = get_running_loop()?;
        let began = event_loop.time();
        let bar = ProgressBar::no_length(); // hidden where there is no terminal
        bar.set_style(ProgressStyle::with_template(
            "{spinner} {pos} pages, {msg}",
        )?);
        let mut report = Report::default();
        let mut seen = HashSet::from([start.to_string()]);
        let mut leads = VecDeque::from([Lead {
            url: start.clone(),
            on: None,
            again: false,
        }]);
        let mut second = VecDeque::new();
        let mut followed = 0;
        let mut running: Vec<Task<Outcome>> = Vec::new();
        loop {
            // What had no answer in time has a second chance, alone, so that what is broken is found all the same.
            if (leads.is_empty() || followed == self.limit) && running.is_empty() {
                let lead = second.pop_front();
                running.extend(lead.map(|lead| create_task(Rc::clone(self).follow(lead))));
            }
            while running.len() < self.concurrency && followed < self.limit {
                let Some(lead) = leads.pop_front() else { break };
                followed += 1;
                running.push(create_task(Rc::clone(self).follow(lead)));
            }
            if running.is_empty() {
                break;
            }
            let waited = wait(running, None, ReturnWhen::FirstCompleted).await?;
            running = waited.pending;
            for task in waited.done {
                let (lead, outcome) = task.await?;
                let (page, bytes, links) = match outcome {
                    Ok(outcome) => outcome,
                    Err(FetchError::Timeout(..)) if lead.again => continue,
                    Err(error @ FetchError::Timeout(..)) => {
                        report.failed(lead.url.to_string(), lead.on.clone(), &error);
                        second.push_back(Lead {
                            again: true,
                            ..lead
                        });
                        continue;
                    }
                    Err(error) => {
                        report.failed(lead.url.into(), lead.on, &error);
                        continue;
                    }
                };
                report.pages += 1;
                report.bytes += bytes;
                if lead.on.is_none() && !page.is_html() {
                    return Err(format!(
                        "{} is {}, not HTML: it has no links",
                        page.url, page.kind
                    )
                    .into());
                }
                for link in links? {
                    match link.map(|link| (Url::parse(&link), link)) {
                        Ok((Ok(url), link)) if url.origin() == start.origin() => {
                            if seen.insert(link) {
                                leads.push_back(Lead {
                                    url,
                                    on: Some(page.url.clone()),
                                    again: false,
                                });
                            }
                        }
                        Ok((Ok(_), _)) => report.elsewhere += 1,
                        Ok((Err(error), link)) => {
                            let on = Some(page.url.clone());
                            report.broken.push(Broken {
                                link,
                                on,
                                why: error.to_string(),
                            });
                        }
                        Err(link) => {
                            let (on, why) = (Some(page.url.clone()), "no URL".to_owned());
                            report.broken.push(Broken { link, on, why });
                        }
                    }
                }
                bar.set_position(report.pages as u64);
                bar.set_message(format!(
                    "{} to go, {} broken",
                    leads.len(),
                    report.broken.len()
                ));
            }
        }
        bar.finish_and_clear();
        report.left_out = leads.len();
        report.took = event_loop.time() - began;
        Ok(report)
    }

    async fn follow(self: Rc<Self>, lead: Lead) -> Outcome {
        if !self.delay.is_zero()
            && let Ok(event_loop) = get_running_loop()
        {
            let now = event_loop.time();
            let turn = self.next.get().map_or(now, |next| next.max(now));
            self.next.set(Some(turn + self.delay));
            sleep(turn - now).await;
        }
        let outcome = match self.client.fetch(lead.url.clone()).await {
            Ok(mut page) => {
                let bytes = page.body.len();
                let html = std::mem::take(&mut page.body);
                let links = if bytes == 0 {
                    Ok(Vec::new())
                } else {
                    self.parser.links(&page.url, html).await
                };
                Ok((page, bytes, links))
            }
            Err(error) => Err(error),
        };
        (lead, outcome)
    }
}
