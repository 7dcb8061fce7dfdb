//! The rules of a host, for the frontier: those of the crawler without its client.

use std::time::Duration;

use robotxt::Robots;
use url::Url;

#[derive(Clone, Debug)]
pub(crate) struct Rules(Robots);

impl Rules {
    pub(crate) fn none() -> Rules {
        Rules(Robots::allow_all())
    }

    pub(crate) fn parse(text: &str) -> Rules {
        Rules(Robots::parse(text.as_bytes(), "asyncloop-crawler"))
    }

    pub(crate) fn allow(&self, url: &Url) -> bool {
        self.0.is_url_allowed(url)
    }

    pub(crate) fn delay(&self) -> Option<Duration> {
        self.0.crawl_delay()
    }
}
