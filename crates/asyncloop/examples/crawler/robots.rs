//! robots.txt: what a host lets us ask for, and how often (RFC 9309).

use std::time::Duration;

use robotxt::{AccessResult, BYTE_LIMIT, Robots};
use url::Url;

use crate::fetch::Client;
use crate::fetch_error::FetchError;

/// How we call ourselves, to servers and in what robots.txt says of us.
pub(crate) const AGENT: &str = "asyncloop-crawler";

/// The rules of a host.
#[derive(Clone, Debug)]
pub(crate) struct Rules(Robots);

impl Rules {
    /// Everything is allowed.
    pub(crate) fn none() -> Rules {
        Rules(Robots::allow_all())
    }

    /// Nothing is allowed, since nobody knows.
    fn unreachable() -> Rules {
        Rules(Robots::from_access(AccessResult::Unreachable, AGENT))
    }

    /// The rules in a text.
    pub(crate) fn parse(text: &[u8]) -> Rules {
        Rules(Robots::parse(text, AGENT))
    }

    /// Asks a host for its rules.
    pub(crate) async fn fetch(client: &Client, url: &Url) -> Rules {
        match client.text(url, BYTE_LIMIT).await {
            Ok(text) => Rules::parse(&text),
            // A server in trouble is left alone.
            Err(FetchError::Busy(..)) => Rules::unreachable(),
            Err(FetchError::Status(status)) if status.is_server_error() => Rules::unreachable(),
            // It has none; or it cannot be reached, which is then said of every link to it.
            Err(_) => Rules::none(),
        }
    }

    pub(crate) fn allow(&self, url: &Url) -> bool {
        self.0.is_url_allowed(url)
    }

    /// How long to wait between two requests.
    pub(crate) fn delay(&self) -> Option<Duration> {
        self.0.crawl_delay()
    }
}
