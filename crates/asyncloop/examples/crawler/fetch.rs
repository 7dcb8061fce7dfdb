//! One request: hyper's client over a socket of this loop, with TLS where the address says so.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use asyncloop::net::rustls::{ClientConfig, RootCertStore};
use asyncloop::net::{TlsStream, open_connection};
use asyncloop::prelude::*;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, LOCATION, USER_AGENT};
use hyper::rt::{Read, Write};
use hyper::{Request, Response, StatusCode};
use url::Url;

/// How often a page may send us elsewhere.
const REDIRECTS: usize = 10;

/// What came of a request.
pub(crate) struct Page {
    /// Where it was in the end, after all redirects.
    pub(crate) url: Url,
    pub(crate) kind: String,
    pub(crate) body: Vec<u8>,
}

impl Page {
    pub(crate) fn is_html(&self) -> bool {
        self.kind.starts_with("text/html") || self.kind.starts_with("application/xhtml")
    }
}

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum FetchError {
    Connect(io::Error),
    Http(hyper::Error),
    Status(StatusCode),
    Redirects,
    Location(String),
    TooLarge(usize),
    Timeout(Duration, Elapsed),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Connect(error) => write!(f, "no connection: {error}"),
            FetchError::Http(error) => write!(f, "no HTTP: {error}"),
            FetchError::Status(status) => write!(f, "{status}"),
            FetchError::Redirects => write!(f, "more than {REDIRECTS} redirects"),
            FetchError::Location(text) => write!(f, "a redirect to {text:?}, which is no address"),
            FetchError::TooLarge(most) => write!(f, "larger than {most} bytes (--max-size)"),
            FetchError::Timeout(limit, elapsed) => {
                write!(f, "no answer within {limit:?}: {elapsed}")
            }
        }
    }
}

impl std::error::Error for FetchError {}

/// What all requests have in common.
pub(crate) struct Client {
    pub(crate) timeout: Duration,
    pub(crate) max_size_bytes: usize,
    tls: Arc<ClientConfig>,
}

impl Client {
    pub(crate) fn new(timeout: Duration, max_size_bytes: usize) -> Client {
        let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let tls = ClientConfig::builder().with_root_certificates(roots);
        Client {
            timeout,
            max_size_bytes,
            tls: Arc::new(tls.with_no_client_auth()),
        }
    }

    /// Fetches a page, from the look-up of the name to the last byte of the body, in the time that there is.
    pub(crate) async fn fetch(&self, url: Url) -> Result<Page, FetchError> {
        match timeout(self.timeout, self.follow(url)).await {
            Ok(outcome) => outcome,
            Err(elapsed) => Err(FetchError::Timeout(self.timeout, elapsed)),
        }
    }

    async fn follow(&self, mut url: Url) -> Result<Page, FetchError> {
        for _ in 0..=REDIRECTS {
            let answer = self.ask(&url).await?;
            let status = answer.status();
            let header = |name| answer.headers().get(name).and_then(|v| v.to_str().ok());
            if let (true, Some(location)) = (status.is_redirection(), header(LOCATION)) {
                let next = url.join(location);
                let next = next
                    .ok()
                    .filter(|url| matches!(url.scheme(), "http" | "https"));
                url = next.ok_or_else(|| FetchError::Location(location.to_owned()))?;
                continue;
            }
            if !status.is_success() {
                return Err(FetchError::Status(status));
            }
            let kind = header(CONTENT_TYPE)
                .unwrap_or("text/html")
                .to_ascii_lowercase();
            let mut page = Page {
                url,
                kind,
                body: Vec::new(),
            };
            if page.is_html() {
                page.body = self.body(answer.into_body()).await?;
            }
            return Ok(page);
        }
        Err(FetchError::Redirects)
    }

    /// Reads a body, and no more of it than is allowed.
    async fn body(&self, mut body: Incoming) -> Result<Vec<u8>, FetchError> {
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(FetchError::Http)?.into_data() {
                if bytes.len() + data.len() > self.max_size_bytes {
                    return Err(FetchError::TooLarge(self.max_size_bytes));
                }
                bytes.extend_from_slice(&data);
            }
        }
        Ok(bytes)
    }

    async fn ask(&self, url: &Url) -> Result<Response<Incoming>, FetchError> {
        let host = url.host_str().unwrap_or_default();
        let name = host.trim_matches(['[', ']']); // an IPv6 address stands in brackets
        let port = url.port_or_known_default().unwrap_or(80);
        let stream = open_connection(name, port).connect().await;
        let stream = stream.map_err(FetchError::Connect)?;
        let _ = stream.set_nodelay(true); // it is only for speed
        if url.scheme() == "https" {
            let stream = TlsStream::connect(stream, Arc::clone(&self.tls), name).await;
            return request(stream.map_err(FetchError::Connect)?, url).await;
        }
        request(stream, url).await
    }
}

async fn request<S>(stream: S, url: &Url) -> Result<Response<Incoming>, FetchError>
where
    S: Read + Write + Unpin + 'static,
{
    let connected = hyper::client::conn::http1::handshake(stream).await;
    let (mut sender, connection) = connected.map_err(FetchError::Http)?;
    // It ends with the body, or with whoever waited for one.
    create_task(async {
        let _ = connection.await; // what fails here, the request hears of too
    });
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let request = Request::get(path)
        .header(HOST, authority)
        .header(USER_AGENT, "asyncloop-crawler/0.1")
        .body(Empty::<Bytes>::new())
        .expect("the parts of a URL are fit for a request");
    sender.send_request(request).await.map_err(FetchError::Http)
}
