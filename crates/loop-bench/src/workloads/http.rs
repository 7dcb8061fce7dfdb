//! W10: a server of hyper's, a short page over connections that stay open.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

use super::clients::Load;
use super::{Scale, Workload, listener, on};
use crate::engine::{Engine, Feature};
use crate::measure::{Metric, Processors, thread_cpu};

const CONNECTIONS: usize = 64;

/// What asks for the page.
pub(crate) const REQUEST: &[u8] =
    b"GET /page HTTP/1.1\r\nhost: localhost\r\naccept: text/plain\r\n\r\n";

/// The page.
pub(crate) const PAGE: &str = "Hello from the loop.\n";

pub(super) fn workloads<E: Engine>() -> Vec<Workload> {
    vec![Workload {
        name: "w10.64",
        about: "HTTP/1.1 with hyper: 64 connections, wall and server's processor time a request",
        needs: &[Feature::Http],
        run: pages::<E>,
    }]
}

fn pages<E: Engine>(scale: Scale) -> Vec<Metric> {
    let requests = scale.count(100_000).max(CONNECTIONS);
    let (wall, cpu) = on(scale, move |engine: E| async move {
        let processors = Processors::allowed();
        processors.pin_to_first();
        let listener = listener();
        let load = Load {
            address: listener.local_addr().expect("it is bound"),
            connections: CONNECTIONS,
            requests,
            request: Box::new(|_| REQUEST.to_vec()),
            is_whole: |_, answer| is_whole(answer),
        };
        let server = engine.serve_http(listener, CONNECTIONS);
        let clients = std::thread::spawn(move || {
            processors.pin_to_last();
            load.run()
        });
        let before = thread_cpu();
        server.await;
        let cpu = thread_cpu() - before;
        (clients.join().expect("every answer was right"), cpu)
    });
    vec![
        Metric::each("w10.64.wall", wall, requests),
        Metric::each("w10.64.cpu", cpu, requests),
    ]
}

/// Answers on one connection until its peer is done: what is the same on every engine.
pub(crate) async fn serve_connection(stream: impl Read + Write + Unpin + 'static) {
    let service = service_fn(async |request: Request<Incoming>| {
        assert_eq!(request.uri().path(), "/page");
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(
            PAGE.as_bytes(),
        ))))
    });
    http1::Builder::new()
        .serve_connection(stream, service)
        .await
        .expect("the client hangs up between two requests");
}

/// Whether that is the head and the whole page.
fn is_whole(answer: &[u8]) -> bool {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\n";
    const LENGTH: &[u8] = b"content-length: 21\r\n";
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let Some(end) = end else { return false };
    let (head, page) = answer.split_at(end + 4);
    if page.len() < PAGE.len() {
        return false;
    }
    let mut fields = head.windows(LENGTH.len());
    assert!(head.starts_with(HEAD) && fields.any(|it| it == LENGTH));
    assert_eq!(page, PAGE.as_bytes(), "the page and nothing else");
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{PAGE}");
        for end in 0..answer.len() {
            assert!(!is_whole(&answer.as_bytes()[..end]));
        }
        assert!(is_whole(answer.as_bytes()));
    }

    #[test]
    #[should_panic(expected = "assertion failed")]
    fn an_error_is_no_answer() {
        let answer = format!("HTTP/1.1 500 Oh\r\ncontent-length: 21\r\n\r\n{PAGE}");
        is_whole(answer.as_bytes());
    }
}
