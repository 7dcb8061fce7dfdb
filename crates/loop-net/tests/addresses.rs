//! What stands for addresses, where one is bound to, connected to, or sent to.

mod common;

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::pin::pin;
use std::task::Poll;

use loop_net::{
    Address, ConnectErrors, TcpListener, TcpOptions, TcpStream, ToSocketAddrs, UdpSocket,
    getaddrinfo, start_server,
};
use loop_tasks::create_task;

use common::run;

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Everything that stands for a port of this machine.
macro_rules! each_form {
    ($port:expr, $does:ident) => {{
        let port = $port;
        let address = SocketAddr::from((HERE, port));
        $does(address).await;
        $does(&address).await;
        $does(SocketAddrV4::new(HERE, port)).await;
        $does((HERE, port)).await;
        $does((IpAddr::from(HERE), port)).await;
        $does(([127, 0, 0, 1], port)).await;
        $does(("127.0.0.1", port)).await;
        $does(("127.0.0.1".to_owned(), port)).await;
        $does(format!("127.0.0.1:{port}")).await;
        $does(format!("127.0.0.1:{port}").as_str()).await;
        $does(&format!("127.0.0.1:{port}")).await;
        $does(Address::from(address)).await;
        $does(&[address][..]).await;
        $does(("localhost", port)).await;
        $does(format!("localhost:{port}")).await;
    }};
}

#[test]
fn every_form_can_be_listened_on_and_connected_to() {
    async fn listen(address: impl ToSocketAddrs) {
        let listener = TcpListener::bind(address).await.unwrap();
        let bound = listener.local_addr().unwrap();
        assert!(bound.ip().is_loopback() && bound.port() != 0);
        let accepting = create_task(async move { listener.accept().await });
        TcpStream::connect(bound).await.unwrap();
        assert_eq!(
            accepting.await.unwrap().unwrap().0.local_addr().unwrap(),
            bound
        );
    }
    async fn connect(address: impl ToSocketAddrs) {
        let stream = TcpStream::connect(address).await.unwrap();
        assert!(stream.peer_addr().unwrap().ip().is_loopback());
    }
    run(async {
        each_form!(0, listen);
        let listener = TcpListener::bind((HERE, 0)).await.unwrap();
        each_form!(listener.local_addr().unwrap().port(), connect);
    });
}

#[test]
fn every_form_can_be_sent_to() {
    async fn send(address: impl ToSocketAddrs + Copy) {
        let near = UdpSocket::bind((HERE, 0)).await.unwrap();
        assert_eq!(near.send_to(b"one", address).await.unwrap(), 3);
        near.connect(address).await.unwrap();
        assert_eq!(near.send(b"two").await.unwrap(), 3);
    }
    run(async {
        let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = far.local_addr().unwrap().port();
        let (text, owned) = (format!("127.0.0.1:{port}"), ("127.0.0.1".to_owned(), port));
        send(text.as_str()).await;
        send(&text).await;
        send(&owned).await;
        send((HERE, port)).await;
        send(&[(HERE, port).into()][..]).await;
        for _ in 0..5 {
            for expected in [b"one", b"two"] {
                let mut bytes = [0; 9];
                let length = far.recv(&mut bytes).await.unwrap();
                assert_eq!(&bytes[..length], expected);
            }
        }
    });
}

/// A name is looked up by a thread: the loop goes on. What is an address already is there at once.
#[test]
fn nobody_waits_for_a_name_on_the_loop() {
    async fn is_ready_at_once(bind: impl Future<Output = io::Result<TcpListener>>) -> bool {
        let mut bind = pin!(bind);
        let first = poll_fn(|cx| Poll::Ready(bind.as_mut().poll(cx).is_ready())).await;
        if !first {
            bind.await.unwrap();
        }
        first
    }
    run(async {
        assert!(is_ready_at_once(TcpListener::bind("127.0.0.1:0")).await);
        assert!(is_ready_at_once(TcpListener::bind((HERE, 0))).await);
        assert!(!is_ready_at_once(TcpListener::bind("localhost:0")).await);
        assert!(!is_ready_at_once(TcpListener::bind(("localhost", 0))).await);
    });
}

#[test]
fn the_first_of_several_that_can_be_had_is_taken() {
    run(async {
        let free = SocketAddr::from((HERE, 0));
        let here = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let used = here.local_addr().unwrap();
        let other = UdpSocket::bind(&[used, free][..]).await.unwrap();
        assert_ne!(other.local_addr().unwrap(), used);
        let error = UdpSocket::bind(&[used, used][..]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let text = format!("error while attempting to bind on address {used}: ");
        assert!(error.to_string().starts_with(&text), "{error}");
    });
}

#[test]
fn a_listener_says_which_address_it_cannot_have() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let taken = listener.local_addr().unwrap();
        let error = TcpListener::bind(taken).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let text = format!("error while attempting to bind on address {taken}: ");
        assert!(error.to_string().starts_with(&text), "{error}");
        let free = SocketAddr::from((HERE, 0));
        let other = TcpOptions::new().listen(&[taken, free][..]).await.unwrap();
        assert_ne!(other.local_addr().unwrap(), taken);
    });
}

#[test]
fn of_several_the_one_that_answers_is_connected_to() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let live = listener.local_addr().unwrap();
        // Nobody listens on the first port of all.
        let dead = SocketAddr::from((HERE, 1));
        let stream = TcpStream::connect(&[dead, live][..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), live);
        let error = TcpStream::connect(&[dead, dead][..]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let errors: &ConnectErrors = error.get_ref().unwrap().downcast_ref().unwrap();
        assert_eq!(errors.attempts().len(), 2);
        // Of one, the error is the system's own.
        let error = TcpStream::connect(dead).await.unwrap_err();
        assert!(error.raw_os_error().is_some());
    });
}

#[test]
fn what_stands_for_no_address_is_refused_with_a_reason() {
    async fn refused(address: impl ToSocketAddrs + Copy) -> String {
        let error = TcpListener::bind(address).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let text = error.to_string();
        let error = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (io::ErrorKind::InvalidInput, text.clone())
        );
        let error = UdpSocket::bind(address).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (io::ErrorKind::InvalidInput, text.clone())
        );
        text
    }
    run(async {
        let text = refused("localhost").await;
        assert_eq!(
            text,
            "\"localhost\" has no port: write it behind a colon, as in \"127.0.0.1:80\""
        );
        assert!(refused("127.0.0.1").await.contains("has no port"));
        assert!(refused("::1").await.contains("has no port"));
        let text = refused("localhost:http").await;
        assert_eq!(
            text,
            "\"http\" in \"localhost:http\" is no port: it is a number"
        );
        assert!(refused("localhost:65536").await.contains("\"65536\""));
        assert!(refused("localhost:").await.contains("is no port"));
        let none: &[SocketAddr] = &[];
        assert!(refused(none).await.contains("no address among"));
        let path = Address::Path("/run/socket".into());
        assert!(
            refused(&path)
                .await
                .starts_with("/run/socket is the address of a Unix socket")
        );
        let nowhere = refused(("no\0name", 80)).await;
        assert!(
            nowhere.starts_with("looking up \"no\\0name\": "),
            "{nowhere}"
        );
    });
}

/// The functions with asyncio's names take the two apart, and say the same of a name.
#[test]
fn names_are_refused_alike_everywhere() {
    run(async {
        let expected = getaddrinfo("no\0name", 80).await.unwrap_err().to_string();
        let error = start_server(async |_, _| (), "no\0name", 80)
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), expected);
        let error = loop_net::open_connection("no\0name", 80).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    });
}
