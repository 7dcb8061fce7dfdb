//! `sock_*`: sockets of the standard library, each direction waited for by itself.

mod common;

use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::rc::Rc;

use loop_core::{EventLoop, get_running_loop};
use loop_net::LoopNetExt;
use loop_tasks::{create_task, yield_now};
use socket2::{Domain, Socket, Type};

use common::run;

async fn pair(event_loop: &EventLoop) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = create_task({
        let event_loop = event_loop.clone();
        async move { event_loop.sock_accept(&listener).await }
    });
    yield_now().await;
    let near = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
    event_loop.sock_connect(&near, address).await.unwrap();
    let far = accepting.await.unwrap().unwrap();
    (near.into(), far.into())
}

/// Both ends send more than the system keeps before they receive: each socket is waited for in both directions.
#[test]
fn both_directions_are_waited_for_at_once() {
    run(async {
        let event_loop = get_running_loop().unwrap();
        let (near, far) = pair(&event_loop).await;
        let mut tasks = Vec::new();
        for socket in [near, far].map(Rc::new) {
            let (ours, sender) = (event_loop.clone(), Rc::clone(&socket));
            tasks.push(create_task(async move {
                ours.sock_sendall(&*sender, &[7; 8_000_000]).await.unwrap();
                sender.shutdown(std::net::Shutdown::Write).unwrap();
            }));
            let ours = event_loop.clone();
            tasks.push(create_task(async move {
                let mut all = 0;
                loop {
                    let part = ours.sock_recv(&*socket, 100_000).await.unwrap();
                    if part.is_empty() {
                        break;
                    }
                    assert!(part.iter().all(|byte| *byte == 7));
                    all += part.len();
                }
                assert_eq!(all, 8_000_000);
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_cancelled_wait_leaves_no_reader_and_takes_no_byte() {
    run(async {
        let event_loop = get_running_loop().unwrap();
        let (near, far) = pair(&event_loop).await;
        let near = Rc::new(near);
        for _ in 0..20 {
            let (ours, socket) = (event_loop.clone(), Rc::clone(&near));
            let reading = create_task(async move { ours.sock_recv(&*socket, 9).await });
            yield_now().await;
            event_loop.sock_sendall(&far, b"x").await.unwrap();
            reading.cancel();
            assert!(reading.await.is_err());
            assert!(!event_loop.remove_reader(&*near));
            assert_eq!(event_loop.sock_recv(&*near, 9).await.unwrap(), b"x");
        }
    });
}

#[test]
fn packets_have_senders() {
    run(async {
        let event_loop = get_running_loop().unwrap();
        let [near, far] = [0; 2].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        near.set_nonblocking(true).unwrap();
        far.set_nonblocking(true).unwrap();
        let (from, to) = (near.local_addr().unwrap(), far.local_addr().unwrap());
        let receiving = create_task({
            let event_loop = event_loop.clone();
            async move { event_loop.sock_recvfrom(&far, 100).await }
        });
        yield_now().await;
        assert_eq!(event_loop.sock_sendto(&near, b"ping", to).await.unwrap(), 4);
        let received = receiving.await.unwrap().unwrap();
        assert_eq!(received, (b"ping".to_vec(), from));
    });
}

#[test]
fn a_refused_connection_is_an_error() {
    run(async {
        let event_loop = get_running_loop().unwrap();
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
        let error = event_loop.sock_connect(&socket, address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    });
}
