//! A crawler that checks the links of a site: the job that this project is for.
//!
//! `cargo run --release --example crawler [URL] [options]`; `--help` lists the options. Without a URL it starts a site of
//! its own in another thread. With `--parse on-loop` innocent requests time out while the loop parses; with pools none does.

#![forbid(unsafe_code)]

mod blocked;
mod crawl;
mod fetch;
mod links;
mod options;
mod parser;
mod report;
mod server;
mod site;

use std::cell::Cell;
use std::error::Error;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use asyncloop::prelude::*;

use crate::blocked::Blocked;
use crate::crawl::Crawl;
use crate::fetch::Client;
use crate::options::{Options, USAGE};
use crate::parser::Parser;
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
            eprintln!("crawler: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match check(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("crawler: {error}");
            ExitCode::from(1)
        }
    }
}

/// Crawls, reports, and says whether every link was good.
fn check(options: Options) -> Result<bool, Box<dyn Error>> {
    let blocked = Blocked::default();
    tracing::subscriber::set_global_default(blocked.clone())?;
    let (start, limit, served) = match options.url {
        Some(url) => (url, Duration::from_secs(10), None),
        None => {
            let site = Site::read(&options.site, options.heavy_bytes)
                .map_err(|error| format!("--site {}: {error}", options.site.display()))?;
            if !options.json {
                println!("a site of its own, with {} broken links", site.broken());
            }
            let served = Served::start(site)?;
            (served.url.clone(), Duration::from_secs(1), Some(served))
        }
    };
    let crawl = Rc::new(Crawl {
        client: Client::new(options.timeout.unwrap_or(limit), options.max_size_bytes),
        parser: Parser::new(&options.parse)?,
        concurrency: options.concurrency,
        delay: options.delay,
        limit: options.limit,
        next: Cell::new(None),
    });
    let crawling = Rc::clone(&crawl);
    let report = asyncloop::run(async move {
        let event_loop = get_running_loop().map_err(|error| error.to_string())?;
        event_loop.set_debug(true); // so that it says who blocks it
        crawling.run(start).await.map_err(|error| error.to_string())
    });
    if let Ok(crawl) = Rc::try_unwrap(crawl) {
        crawl.parser.close()?;
    }
    drop(served);
    let mut report = report??;
    report.blocked = blocked.longest();
    if options.json {
        println!("{:#}", report.json());
    } else {
        report.print();
    }
    Ok(report.is_good())
}
