//! Serves the site: hyper's server on a loop in another thread, so that no crawler's mistake slows it down.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use asyncloop::net::TcpListener;
use asyncloop::prelude::*;
use asyncloop::{LoopThread, run_coroutine_threadsafe};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, LOCATION};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use url::Url;

use crate::site::{Answer, Site};

/// A site that is served until this is dropped.
pub(crate) struct Served {
    pub(crate) url: Url,
    _thread: LoopThread,
}

impl Served {
    /// Starts the thread, and waits until the site can be reached.
    pub(crate) fn start(site: Site) -> Result<Served, Box<dyn Error>> {
        let thread = LoopThread::spawn("site")?;
        let started = run_coroutine_threadsafe(thread.handle(), move || async move {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            create_task(serve(listener, Arc::new(site)));
            Ok::<_, std::io::Error>(address)
        })?;
        let url = Url::parse(&format!("http://{}/", started.take_result(None)??))?;
        Ok(Served {
            url,
            _thread: thread,
        })
    }
}

async fn serve(listener: TcpListener, site: Arc<Site>) {
    while let Ok((stream, _)) = listener.accept().await {
        let site = Arc::clone(&site);
        let service = service_fn(move |request| respond(request, Arc::clone(&site)));
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(stream, service);
        create_task(async {
            let _ = connection.await; // a client that went away
        });
    }
}

/// Takes its time, always the same for the same path, and answers. Pages are made by a thread of the pool.
async fn respond(
    request: Request<Incoming>,
    site: Arc<Site>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    sleep(delay(&path)).await;
    let answer = to_thread(move || site.answer(&path)).await;
    let (status, header, body) = match answer {
        Ok(Answer::Html(html)) => (StatusCode::OK, (CONTENT_TYPE, "text/html".to_owned()), html),
        Ok(Answer::Moved(to)) => (StatusCode::FOUND, (LOCATION, to), Bytes::new()),
        Ok(Answer::Missing) => (
            StatusCode::NOT_FOUND,
            (CONTENT_TYPE, "text/plain".to_owned()),
            Bytes::new(),
        ),
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            (CONTENT_TYPE, "text/plain".to_owned()),
            Bytes::new(),
        ),
    };
    let response = Response::builder()
        .status(status)
        .header(header.0, header.1);
    Ok(response
        .body(Full::new(body))
        .expect("these headers are valid"))
}

/// 5 to 44 ms, and for every eighth page 100 more.
fn delay(path: &str) -> Duration {
    let hash = path
        .bytes()
        .fold(7_u64, |hash, byte| hash * 31 % 65_521 + u64::from(byte));
    let slow = if hash.is_multiple_of(8) { 100 } else { 0 };
    Duration::from_millis(5 + hash % 40 + slow)
}
