//! The command line.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;
use url::Url;

pub(crate) const USAGE: &str = "\
crawler [URL] [options]: checks the links of a site; without a URL, of one of its own

  --parse on-loop|threads|processes   where pages are parsed (threads)
  --concurrency N      how many requests at once (8)
  --timeout SECONDS    how long one may take (10; the own site: 1)
  --delay SECONDS      how long to wait between two requests' beginnings (0)
  --limit N            how many pages at most (10000)
  --max-size BYTES     how large one may be (67108864)
  --site DIR           the documents of the own site (this project's)
  --heavy BYTES        how large its heavy pages are (33554432)
  --json               the report as JSON

Exit status: 0 if all is well, 1 after broken links or timeouts, 2 for a wrong command line.";

pub(crate) struct Options {
    pub(crate) url: Option<Url>,
    pub(crate) parse: String,
    pub(crate) concurrency: usize,
    pub(crate) timeout: Option<Duration>,
    pub(crate) delay: Duration,
    pub(crate) limit: usize,
    pub(crate) max_size_bytes: usize,
    pub(crate) site: PathBuf,
    pub(crate) heavy_bytes: usize,
    pub(crate) json: bool,
    pub(crate) help: bool,
}

impl Options {
    pub(crate) fn parse() -> Result<Options, Box<dyn Error>> {
        let mut options = Options {
            url: None,
            parse: "threads".to_owned(),
            concurrency: 8,
            timeout: None,
            delay: Duration::ZERO,
            limit: 10_000,
            max_size_bytes: 64 << 20,
            site: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")),
            heavy_bytes: 32 << 20,
            json: false,
            help: false,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("parse") => options.parse = parser.value()?.string()?,
                Long("concurrency") => {
                    options.concurrency = parser.value()?.parse::<usize>()?.max(1)
                }
                Long("timeout") => options.timeout = Some(seconds(&mut parser)?),
                Long("delay") => options.delay = seconds(&mut parser)?,
                Long("limit") => options.limit = parser.value()?.parse()?,
                Long("max-size") => options.max_size_bytes = parser.value()?.parse()?,
                Long("site") => options.site = parser.value()?.into(),
                Long("heavy") => options.heavy_bytes = parser.value()?.parse()?,
                Long("json") => options.json = true,
                Long("help") | Short('h') => options.help = true,
                Value(url) if options.url.is_none() => options.url = Some(address(&url.string()?)?),
                other => return Err(other.unexpected().into()),
            }
        }
        if !["on-loop", "threads", "processes"].contains(&options.parse.as_str()) {
            return Err(format!("--parse {}: on-loop, threads or processes", options.parse).into());
        }
        Ok(options)
    }
}

fn seconds(parser: &mut lexopt::Parser) -> Result<Duration, Box<dyn Error>> {
    let number: f64 = parser.value()?.parse()?;
    Ok(Duration::try_from_secs_f64(number)?)
}

fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{text:?} is no URL: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        scheme => Err(format!(
            "{text}: only http and https can be crawled, not {scheme}"
        )),
    }
}
