//! hyper's server and client on this loop, against each other. Against others: `others/`.

mod common;

use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Executor, Timer};
use hyper::service::service_fn;
use hyper::{Request, Response};
use loop_core::EventLoop;
use loop_net::{HyperExecutor, HyperTimer, TcpListener, TcpStream};
use loop_tasks::{LoopExt, Task, create_task, timeout, yield_now};

use common::run;

/// A server that sends back what it gets, behind the path; its service is not `Send`.
async fn start() -> (SocketAddr, Rc<Cell<usize>>, Task<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = Rc::new(Cell::new(0));
    let count = Rc::clone(&served);
    let serving = create_task(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let count = Rc::clone(&count);
            let service = service_fn(move |request: Request<Incoming>| {
                let count = Rc::clone(&count);
                async move {
                    let path = request.uri().path().to_owned();
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    count.set(count.get() + 1);
                    let answer = [path.as_bytes(), &body].concat();
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(answer))))
                }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(HyperTimer)
                .header_read_timeout(Duration::from_secs(30))
                .serve_connection(stream, service);
            create_task(connection);
        }
    });
    (address, served, serving)
}

async fn post(address: SocketAddr, bodies: Vec<Vec<u8>>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    let connection = create_task(connection);
    for body in bodies {
        let request = Request::post("/path")
            .header("host", "here")
            .body(Full::new(Bytes::from(body.clone())))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let answer = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(answer[..] == [b"/path", &body[..]].concat());
    }
    drop(sender);
    connection.await.unwrap().unwrap();
}

#[test]
fn many_clients_get_their_own_bodies_back() {
    run(async {
        let (address, served, serving) = start().await;
        let clients: Vec<_> = (0..20usize)
            .map(|number| {
                let bodies = (0..10).map(|turn| vec![number as u8; turn * turn * number * 30]);
                create_task(post(address, bodies.collect()))
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        assert_eq!(served.get(), 200);
        serving.cancel();
    });
}

/// A client that never ends its head is sent away: the timer works.
#[test]
fn a_head_that_takes_too_long_ends_the_connection() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let service = service_fn(async |_: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(HyperTimer)
            .header_read_timeout(Duration::from_millis(30))
            .serve_connection(far, service);
        let serving = create_task(connection);
        near.write_all(b"GET / HTTP/1.1\r\nhos").await.unwrap();
        let error = serving.await.unwrap().unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.unwrap();
    });
}

#[test]
fn sleeps_are_reset_dropped_and_moved_between_threads() {
    let event_loop = EventLoop::builder().virtual_clock().build().unwrap();
    let second = Duration::from_secs(1);
    event_loop
        .run_until_complete(async move {
            let start = HyperTimer.now();
            HyperTimer.sleep(second).await;
            assert_eq!(HyperTimer.now() - start, second);
            HyperTimer.sleep_until(start).await; // long past
            let mut sleep = HyperTimer.sleep(second);
            assert!(timeout(second / 2, &mut sleep).await.is_err());
            HyperTimer.reset(&mut sleep, start + second * 10);
            sleep.await;
            assert_eq!(HyperTimer.now() - start, second * 10);
            let mut dropped = HyperTimer.sleep(second);
            assert!(timeout(second / 2, &mut dropped).await.is_err());
            std::thread::spawn(move || drop(dropped)).join().unwrap();
            HyperTimer.sleep(Duration::ZERO).await;
            let mut never = HyperTimer.sleep(Duration::MAX);
            assert!(timeout(second, &mut never).await.is_err());
        })
        .unwrap();
    event_loop.close().unwrap();
}

#[test]
fn the_executor_makes_tasks() {
    run(async {
        let count = Rc::new(Cell::new(0));
        let ours = Rc::clone(&count);
        HyperExecutor.execute(async move { ours.set(ours.get() + 1) });
        assert_eq!(count.get(), 0);
        yield_now().await;
        assert_eq!(count.get(), 1);
    });
}
