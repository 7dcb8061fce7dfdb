//! Connections, with TLS where the address says so, and kept for the next request to the same host.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use asyncloop::net::rustls::ClientConfig;
use asyncloop::net::{ConnectErrors, TlsStream, open_connection};
use asyncloop::prelude::*;
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT_ENCODING, HOST, USER_AGENT};
use hyper::rt::{Read, Write};
use hyper::{Method, Request, Response};
use url::{Position, Url};

use crate::fetch_error::FetchError;
use crate::robots::AGENT;

type Sender = SendRequest<Empty<Bytes>>;

/// What was answered, and the connection that it comes over: free again when the body has been read.
pub(crate) type Answered = (Response<Incoming>, Sender);

pub(crate) struct Connections {
    tls: Arc<ClientConfig>,
    /// Those that are free, for each scheme, host and port.
    free: RefCell<HashMap<String, Vec<Sender>>>,
}

impl Connections {
    /// Connections that trust whom `tls` trusts.
    pub(crate) fn new(tls: ClientConfig) -> Connections {
        Connections {
            tls: Arc::new(tls),
            free: RefCell::default(),
        }
    }

    /// Sends a request and waits for the head of its answer.
    /// The answer may be coded as `accept` says.
    pub(crate) async fn ask(
        &self,
        method: Method,
        url: &Url,
        accept: &'static str,
    ) -> Result<Answered, FetchError> {
        while let Some(mut sender) = self.take(url) {
            // Its server may have closed it meanwhile. Then the request goes over the next one.
            if sender.ready().await.is_ok()
                && let Ok(answer) = sender.send_request(request(&method, url, accept)).await
            {
                return Ok((answer, sender));
            }
        }
        let mut sender = self.open(url).await?;
        let answer = sender.send_request(request(&method, url, accept)).await;
        Ok((answer.map_err(FetchError::Http)?, sender))
    }

    /// Takes a connection back over which a whole answer has come.
    pub(crate) fn keep(&self, url: &Url, sender: Sender) {
        let mut free = self.free.borrow_mut();
        free.entry(host(url)).or_default().push(sender);
    }

    fn take(&self, url: &Url) -> Option<Sender> {
        self.free.borrow_mut().get_mut(&host(url))?.pop()
    }

    async fn open(&self, url: &Url) -> Result<Sender, FetchError> {
        let host = url.host_str().unwrap_or_default();
        let name = host.trim_matches(['[', ']']); // an IPv6 address stands in brackets
        let port = url.port_or_known_default().unwrap_or(80);
        let stream = open_connection(name, port).connect().await;
        let stream = stream.map_err(|error| {
            let tried = |error: &_| <dyn std::error::Error>::is::<ConnectErrors>(error);
            match error.get_ref().is_some_and(|inner| tried(inner)) {
                true => FetchError::Connect(error),
                false => FetchError::Name(error),
            }
        })?;
        let _ = stream.set_nodelay(true); // it is only for speed
        if url.scheme() == "https" {
            let stream = TlsStream::connect(stream, Arc::clone(&self.tls), name).await;
            return speak(stream.map_err(FetchError::Tls)?).await;
        }
        speak(stream).await
    }
}

/// Lets hyper speak HTTP over a stream, in a task that ends with the connection.
async fn speak<S>(stream: S) -> Result<Sender, FetchError>
where
    S: Read + Write + Unpin + 'static,
{
    let (sender, connection) = handshake(stream).await.map_err(FetchError::Http)?;
    create_task(async {
        let _ = connection.await; // what fails here, the request hears of too
    });
    Ok(sender)
}

fn request(method: &Method, url: &Url, accept: &'static str) -> Request<Empty<Bytes>> {
    Request::builder()
        .method(method)
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(USER_AGENT, AGENT)
        .header(ACCEPT_ENCODING, accept)
        .body(Empty::new())
        .expect("the parts of a URL are fit for a request")
}

fn host(url: &Url) -> String {
    url.origin().ascii_serialization()
}
