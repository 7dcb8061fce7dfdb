//! One request: what is at an address, in the time that there is.

use std::io;
use std::time::Duration;

use asyncloop::prelude::*;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER};
use hyper::{Method, Response, StatusCode};
use url::Url;

use crate::connections::Connections;
use crate::fetch_error::FetchError;
use crate::unpack::unpack;

/// The most that is read of what nobody looks at, so that its connection can be kept.
const SMALL_BYTES: usize = 64 << 10;

/// How a document may come: as it is, or packed.
const PLAIN: &str = "identity";
const PACKED: &str = "gzip";

/// How long a server that is too busy is left alone if it does not say for how long.
const PAUSE: Duration = Duration::from_secs(1);

/// What is at an address.
pub(crate) enum Answer {
    Page {
        html: Vec<u8>,
        charset: Option<String>,
    },
    /// A document without links, of this type.
    Other(String),
    Moved(Url),
}

pub(crate) struct Client {
    pub(crate) connections: Connections,
    pub(crate) timeout: Duration,
    pub(crate) max_size_bytes: usize,
}

impl Client {
    /// Fetches a page, from the look-up of the name to the last byte of the body.
    pub(crate) async fn page(&self, url: &Url) -> Result<Answer, FetchError> {
        self.in_time(self.get(url)).await
    }

    /// Asks whether there is anything, and for nothing of it if the server can say so.
    pub(crate) async fn probe(&self, url: &Url) -> Result<Answer, FetchError> {
        self.in_time(async {
            match self.head(Method::HEAD, url).await {
                // Some servers know no HEAD, and answer it with anything.
                Err(FetchError::Status(_)) => self.head(Method::GET, url).await,
                answer => answer,
            }
        })
        .await
    }

    /// Fetches a text that is read to its beginning only if it is long, and follows redirects for it.
    pub(crate) async fn text(&self, url: &Url, most_bytes: usize) -> Result<Vec<u8>, FetchError> {
        const REDIRECTS: usize = 5;
        self.in_time(async {
            let mut url = url.clone();
            for _ in 0..=REDIRECTS {
                let (answer, sender) = self.connections.ask(Method::GET, &url, PLAIN).await?;
                let moved = moved(&answer, &url);
                let mut text = Vec::new();
                if read(&mut text, answer.into_body(), most_bytes).await? {
                    self.connections.keep(&url, sender);
                }
                match moved? {
                    Some(next) => url = next,
                    None => return Ok(text),
                }
            }
            Err(FetchError::TooManyRedirects(REDIRECTS))
        })
        .await
    }

    async fn in_time<T>(
        &self,
        asked: impl Future<Output = Result<T, FetchError>>,
    ) -> Result<T, FetchError> {
        match timeout(self.timeout, asked).await {
            Ok(outcome) => outcome,
            Err(elapsed) => Err(FetchError::Timeout(self.timeout, elapsed)),
        }
    }

    async fn head(&self, method: Method, url: &Url) -> Result<Answer, FetchError> {
        let (answer, _) = self.connections.ask(method, url, PLAIN).await?;
        match moved(&answer, url)? {
            Some(next) => Ok(Answer::Moved(next)),
            None => Ok(Answer::Other(kind(&answer))),
        }
    }

    async fn get(&self, url: &Url) -> Result<Answer, FetchError> {
        let (answer, sender) = self.connections.ask(Method::GET, url, PACKED).await?;
        let moved = moved(&answer, url);
        let kind = kind(&answer);
        let is_html = kind.starts_with("text/html") || kind.starts_with("application/xhtml");
        let wanted = matches!(moved, Ok(None)) && is_html;
        let encoding = header(&answer, CONTENT_ENCODING);
        let body = answer.into_body();
        let mut html = Vec::new();
        if wanted {
            let encoding = encoding.map(|how| how.to_ascii_lowercase());
            let is_packed = match encoding.as_deref() {
                None | Some("" | "identity") => false,
                Some("gzip" | "x-gzip") => true,
                Some(how) => return Err(FetchError::Encoded(how.to_owned())),
            };
            let most = self.max_size_bytes;
            // Where its length is known, a page that is too large is not begun.
            if body.size_hint().lower() > most as u64 || !read(&mut html, body, most).await? {
                return Err(FetchError::TooLarge(most));
            }
            self.connections.keep(url, sender);
            if is_packed {
                // That may take long, so it is not done here.
                let unpacked = to_thread(move || unpack(&html, most)).await;
                let unpacked = unpacked.unwrap_or_else(|error| Err(io::Error::other(error)));
                let page = unpacked.map_err(FetchError::Packed)?;
                html = page.ok_or(FetchError::TooLarge(most))?;
            }
        } else if let Ok(true) = read(&mut html, body, SMALL_BYTES).await {
            self.connections.keep(url, sender);
        }
        Ok(match moved? {
            Some(next) => Answer::Moved(next),
            None if wanted => Answer::Page {
                html,
                charset: charset(&kind),
            },
            None => Answer::Other(kind),
        })
    }
}

/// Reads a body, and no more of it than is allowed: `false` if there is more.
async fn read(
    bytes: &mut Vec<u8>,
    mut body: Incoming,
    most_bytes: usize,
) -> Result<bool, FetchError> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(FetchError::Http)?.into_data() {
            let room = most_bytes - bytes.len();
            bytes.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Where the answer sends us, if it does; an error if it is one.
fn moved(answer: &Response<Incoming>, url: &Url) -> Result<Option<Url>, FetchError> {
    let status = answer.status();
    if let (true, Some(location)) = (status.is_redirection(), header(answer, LOCATION)) {
        let next = url.join(&location).ok();
        let next = next.filter(|next| matches!(next.scheme(), "http" | "https"));
        let mut next = next.ok_or(FetchError::Location(location))?;
        next.set_fragment(None);
        return Ok(Some(next));
    }
    if status.is_success() {
        return Ok(None);
    }
    let pause = header(answer, RETRY_AFTER).map(|text| pause(&text));
    Err(match (status, pause) {
        (StatusCode::TOO_MANY_REQUESTS, pause) => FetchError::Busy(status, pause.unwrap_or(PAUSE)),
        (StatusCode::SERVICE_UNAVAILABLE, Some(pause)) => FetchError::Busy(status, pause),
        _ => FetchError::Status(status),
    })
}

/// For how long a server wants to be left alone. It may also say until when, of which we know only that it is later.
fn pause(text: &str) -> Duration {
    text.parse().map_or(PAUSE, Duration::from_secs)
}

fn header(answer: &Response<Incoming>, name: HeaderName) -> Option<String> {
    let value = String::from_utf8_lossy(answer.headers().get(name)?.as_bytes());
    Some(value.trim().to_owned())
}

/// The type of a document. One that has none is taken for HTML.
fn kind(answer: &Response<Incoming>) -> String {
    let kind = header(answer, CONTENT_TYPE);
    kind.map_or_else(|| "text/html".to_owned(), |kind| kind.to_ascii_lowercase())
}

fn charset(kind: &str) -> Option<String> {
    let (_, name) = kind.split_once("charset=")?;
    let name = name.split(';').next().unwrap_or(name);
    Some(name.trim().trim_matches('"').to_owned())
}
