//! The command line.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;
use url::Url;

pub(crate) const USAGE: &str = "\
Checks the links of a site; without a URL, of one of its own.

Usage: crawler [URL] [options]

What is checked
  --external           links to other sites too, by HEAD or GET; they are not crawled
  --check-fragments    whether the part of a page is there that a link names (page#part)
  --limit N            ask for N addresses at most (10000)
  --max-size BYTES     the largest page that is read (67108864)

How the servers are treated
  --jobs N             requests at once (16)
  --per-host N         requests at once to one host (6)
  --delay SECONDS      pause between the beginnings of requests to one host (0, or what robots.txt says)
  --timeout SECONDS    time for one request, from the name to the last byte (10; on the own site 1)
  --ignore-robots      fetch also what robots.txt forbids
  --retries N          ask again so often if a server is too busy: 429, or 503 with Retry-After, of a minute at most (3)
  --ca FILE            believe also the authorities in this file (PEM)
  --insecure           accept any certificate

Where pages are parsed
  --parse on-loop|threads|processes    (threads)

The own site
  --site DIR           its documents, Markdown and HTML (the documentation of this project)
  --heavy BYTES        the size of its heavy pages (33554432)

Output
  --json               the report as JSON
  -h, --help           this text

Exit status: 0 if every link leads somewhere, 1 if not, 2 if nothing could be checked. An address without an answer in
time is asked for once more in the end; if it answers then, it is reported and counts as good. A page that cannot be
parsed, such as one that kills its process, counts as broken. Ctrl-C ends the crawl and
reports what is known.";

/// Where pages are parsed.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    OnLoop,
    Threads,
    Processes,
}

pub(crate) struct Options {
    pub(crate) url: Option<Url>,
    pub(crate) external: bool,
    pub(crate) fragments: bool,
    pub(crate) limit: usize,
    pub(crate) max_size_bytes: usize,
    pub(crate) jobs: usize,
    pub(crate) per_host: usize,
    pub(crate) delay: Duration,
    pub(crate) timeout: Option<Duration>,
    pub(crate) ignore_robots: bool,
    pub(crate) retries: usize,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) insecure: bool,
    pub(crate) parse: Place,
    pub(crate) site: PathBuf,
    pub(crate) heavy_bytes: usize,
    pub(crate) json: bool,
    pub(crate) help: bool,
}

impl Options {
    pub(crate) fn parse() -> Result<Options, Box<dyn Error>> {
        let mut options = Options {
            url: None,
            external: false,
            fragments: false,
            limit: 10_000,
            max_size_bytes: 64 << 20,
            jobs: 16,
            per_host: 6,
            delay: Duration::ZERO,
            timeout: None,
            ignore_robots: false,
            retries: 3,
            ca: None,
            insecure: false,
            parse: Place::Threads,
            site: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")),
            heavy_bytes: 32 << 20,
            json: false,
            help: false,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("external") => options.external = true,
                Long("check-fragments") => options.fragments = true,
                Long("limit") => options.limit = at_least_one("--limit", &mut parser)?,
                Long("max-size") => options.max_size_bytes = parser.value()?.parse()?,
                Long("jobs") => options.jobs = at_least_one("--jobs", &mut parser)?,
                Long("per-host") => options.per_host = at_least_one("--per-host", &mut parser)?,
                Long("delay") => options.delay = seconds(&mut parser)?,
                Long("timeout") => options.timeout = Some(seconds(&mut parser)?),
                Long("ignore-robots") => options.ignore_robots = true,
                Long("retries") => options.retries = parser.value()?.parse()?,
                Long("ca") => options.ca = Some(parser.value()?.into()),
                Long("insecure") => options.insecure = true,
                Long("parse") => options.parse = place(&parser.value()?.string()?)?,
                Long("site") => options.site = parser.value()?.into(),
                Long("heavy") => options.heavy_bytes = parser.value()?.parse()?,
                Long("json") => options.json = true,
                Long("help") | Short('h') => options.help = true,
                Value(url) if options.url.is_none() => options.url = Some(address(&url.string()?)?),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(options)
    }
}

fn at_least_one(name: &str, parser: &mut lexopt::Parser) -> Result<usize, Box<dyn Error>> {
    match parser.value()?.parse()? {
        0 => Err(format!("{name} 0: it must be 1 at least").into()),
        number => Ok(number),
    }
}

fn seconds(parser: &mut lexopt::Parser) -> Result<Duration, Box<dyn Error>> {
    let number: f64 = parser.value()?.parse()?;
    Ok(Duration::try_from_secs_f64(number)?)
}

fn place(text: &str) -> Result<Place, String> {
    match text {
        "on-loop" => Ok(Place::OnLoop),
        "threads" => Ok(Place::Threads),
        "processes" => Ok(Place::Processes),
        _ => Err(format!("--parse {text}: on-loop, threads or processes")),
    }
}

fn address(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text)
        .map_err(|error| format!("{text:?} is no URL ({error}); http://example.org/ is one"))?;
    url.set_fragment(None);
    match url.scheme() {
        "http" | "https" => Ok(url),
        scheme => Err(format!(
            "{text}: only http and https can be crawled, not {scheme}"
        )),
    }
}
