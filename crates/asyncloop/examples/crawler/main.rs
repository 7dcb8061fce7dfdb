//! A crawler that checks the links of a site: the job that this project is for.
//!
//! `cargo run --release --example crawler [URL] [options]`; `--help` lists the options. Without a URL it starts a site of
//! its own in another thread. With `--parse on-loop` innocent requests time out while the loop parses; with pools none does.
//!
//! Where to begin to read: `crawl` is the crawl. What it asks for next is up to the `frontier`, and to what `robots`
//! allow; `fetch` asks, over `connections` that `trust` somebody, and `unpack`s, or says why not (`fetch_error`). The `parser` finds the
//! `links` of a page, here or elsewhere. What came of all that is in the `ledger`, and then in the `report`.

#![forbid(unsafe_code)]

mod blocked;
mod connections;
mod crawl;
mod fetch;
mod fetch_error;
mod frontier;
mod ledger;
mod links;
mod options;
mod parser;
mod progress;
mod report;
mod robots;
mod server;
mod site;
mod trust;
mod unpack;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use asyncloop::prelude::*;
use url::Url;

use crate::blocked::Blocked;
use crate::connections::Connections;
use crate::crawl::Crawler;
use crate::fetch::Client;
use crate::frontier::Frontier;
use crate::options::{Options, USAGE};
use crate::parser::Parser;
use crate::report::Report;
use crate::server::Served;
use crate::site::Site;

fn main() -> ExitCode {
    // The processes of the pool are this program too, and go no further than this line.
    worker_main();
    let options = match Options::parse() {
        Ok(options) if options.help => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Ok(options) => options,
        Err(error) => {
            eprintln!("crawler: {error}\nTry --help.");
            return ExitCode::from(2);
        }
    };
    match check(&options) {
        Ok(report) if report.is_good() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("crawler: {error}");
            ExitCode::from(2)
        }
    }
}

/// Crawls a site, and reports.
fn check(options: &Options) -> Result<Report, Box<dyn Error>> {
    let blocked = Blocked::default();
    tracing::subscriber::set_global_default(blocked.clone())?;
    let mut report = match &options.url {
        Some(url) => crawl(options, url.clone(), Duration::from_secs(10))?,
        None => {
            let site = Site::read(&options.site, options.heavy_bytes)
                .map_err(|error| format!("--site {}: {error}", options.site.display()))?;
            let (mut broken, parts) = site.broken();
            if options.fragments {
                broken += parts;
            }
            let served = Served::start(site)?;
            if !options.json {
                println!("{}, a site with {broken} broken links\n", served.url);
            }
            crawl(options, served.url.clone(), Duration::from_secs(1))?
        }
    };
    report.blocked = blocked.take();
    let text = match options.json {
        true => format!("{:#}", report.json()),
        false => report.to_string(),
    };
    let _ = writeln!(io::stdout(), "{text}"); // whoever reads this may have had enough of it
    Ok(report)
}

/// Crawls a site, on a loop of its own.
fn crawl(options: &Options, start: Url, timeout: Duration) -> Result<Report, Box<dyn Error>> {
    let crawler = Rc::new(Crawler {
        client: Client {
            connections: Connections::new(trust::config(options.insecure, options.ca.as_deref())?),
            timeout: options.timeout.unwrap_or(timeout),
            max_size_bytes: options.max_size_bytes,
        },
        parser: Parser::new(options.parse)?,
        jobs: options.jobs,
        limit: options.limit,
        retries: options.retries,
        external: options.external,
        fragments: options.fragments,
    });
    let frontier = Frontier::new(options.per_host, options.delay, !options.ignore_robots);
    let crawling = Rc::clone(&crawler);
    let report = asyncloop::run(async move {
        let event_loop = get_running_loop().map_err(|error| error.to_string())?;
        event_loop.set_debug(true); // so that it says who blocks it
        event_loop.set_blocked_after(Duration::from_secs(5)); // what ends before is in the report
        let report = crawling.run(start, frontier).await;
        report.map_err(|error| error.to_string())
    });
    crawler.parser.close()?;
    Ok(report??)
}
