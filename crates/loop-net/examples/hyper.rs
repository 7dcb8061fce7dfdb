//! hyper on this loop: a server whose service is not `Send`, and a client that asks it.
//!
//! `cargo run --example hyper --features hyper` talks to itself; with an address such as `127.0.0.1:8080` it serves
//! there until it is interrupted, for `curl` and its kin.

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use loop_core::EventLoop;
use loop_net::{HyperTimer, TcpListener, TcpStream};
use loop_tasks::{LoopExt, create_task};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Serves each connection in a task of its own; all count together, in a plain `Cell`.
async fn serve(listener: TcpListener) -> Outcome<()> {
    let count = Rc::new(Cell::new(0));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let count = Rc::clone(&count);
        let service = service_fn(move |request: Request<Incoming>| {
            count.set(count.get() + 1);
            let text = format!(
                "{} {}: number {}\n",
                request.method(),
                request.uri(),
                count.get()
            );
            async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text)))) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(HyperTimer)
            .header_read_timeout(Duration::from_secs(10))
            .serve_connection(stream, service);
        create_task(async {
            if let Err(error) = connection.await {
                eprintln!("a connection failed: {error}");
            }
        });
    }
}

/// Asks for some pages over one connection.
async fn ask(address: SocketAddr) -> Outcome<Vec<String>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    let connection = create_task(connection);
    let mut answers = Vec::new();
    for page in ["/", "/two", "/three"] {
        let request = Request::get(page)
            .header("host", address.to_string())
            .body(Empty::<Bytes>::new())?;
        let answer = sender.send_request(request).await?;
        let body = answer.into_body().collect().await?.to_bytes();
        answers.push(String::from_utf8(body.to_vec())?);
    }
    drop(sender);
    connection.await??;
    Ok(answers)
}

fn main() -> Outcome<()> {
    let event_loop = EventLoop::new()?;
    match std::env::args().nth(1) {
        Some(address) => {
            event_loop.run_until_complete(async move {
                let listener = TcpListener::bind(address).await?;
                println!("serving on http://{}/", listener.local_addr()?);
                serve(listener).await
            })??;
        }
        None => {
            let answers = event_loop.run_until_complete(async {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                let address = listener.local_addr()?;
                let serving = create_task(serve(listener));
                let answers = ask(address).await;
                serving.cancel();
                answers
            })??;
            print!("{}", answers.concat());
        }
    }
    event_loop.close()?;
    Ok(())
}
