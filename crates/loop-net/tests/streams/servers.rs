//! Servers and their clients, and names with several addresses.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use loop_core::EventLoop;
use loop_net::{StreamReader, StreamWriter, TcpListener, open_connection, start_server};
use loop_tasks::{LoopExt, create_task, timeout, yield_now};

use crate::run;

#[test]
fn clients_that_fail_are_reported_and_closed() {
    let event_loop = EventLoop::new().unwrap();
    let reports = Rc::new(RefCell::new(Vec::new()));
    event_loop.set_exception_handler({
        let reports = Rc::clone(&reports);
        move |_, context| reports.borrow_mut().push(context.to_string())
    });
    let line = Rc::new(Cell::new(0));
    let start_line = Rc::clone(&line);
    let main = async move {
        let mut number = 0;
        start_line.set(line!() + 1);
        let server = start_server(
            move |_, _writer: StreamWriter| {
                number += 1;
                let number = number;
                assert_ne!(number, 1, "panics in the call");
                async move {
                    assert_ne!(number, 2, "panics in the coroutine");
                    Err::<(), _>(io::Error::other("failed as an error"))
                }
            },
            "127.0.0.1",
            0,
        )
        .await
        .unwrap();
        let port = server.sockets()[0].port().unwrap();
        for _ in 0..3 {
            let (mut reader, _writer) = open_connection("127.0.0.1", port).await.unwrap();
            assert_eq!(reader.read_all().await.unwrap(), b"");
        }
        server.close();
        server.wait_closed().await;
    };
    let result = event_loop.run_until_complete(timeout(Duration::from_secs(60), main));
    result.unwrap().expect("it hangs");
    event_loop.close().unwrap();
    let reports = reports.borrow().join("\n");
    for part in [
        "panics in the call",
        "panics in the coroutine",
        "failed as an error",
        &format!("made at {}:{}:", file!(), line.get()),
    ] {
        assert!(reports.contains(part), "{reports}");
    }
}

#[test]
fn a_server_ends_when_its_last_client_does() {
    run(async {
        let server = start_server(
            async |mut reader: StreamReader, writer: StreamWriter| {
                let line = reader.readline().await?;
                writer.write(&line);
                writer.drain().await
            },
            "127.0.0.1",
            0,
        )
        .await
        .unwrap();
        let port = server.sockets()[0].port().unwrap();
        let (mut reader, writer) = open_connection("127.0.0.1", port).await.unwrap();
        // Until it is accepted, it is nobody's client.
        while !format!("{server:?}").contains("clients=1") {
            yield_now().await;
        }
        server.close();
        server.close();
        assert_eq!(server.sockets(), []);
        assert!(server.serve_forever().await.is_err());
        let error = open_connection("127.0.0.1", port).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let ending = create_task({
            let server = server.clone();
            async move { server.wait_closed().await }
        });
        for _ in 0..10 {
            yield_now().await;
        }
        assert!(!ending.done());
        writer.write(b"last words\n");
        assert_eq!(reader.read_all().await.unwrap(), b"last words\n");
        ending.await.unwrap();
    });
}

#[test]
fn a_server_serves_for_one_at_a_time() {
    run(async {
        let server = start_server(async |_, _| (), "127.0.0.1", 0).await.unwrap();
        let serving = create_task({
            let server = server.clone();
            async move { server.serve_forever().await }
        });
        yield_now().await;
        let error = server.serve_forever().await.unwrap_err();
        assert!(error.to_string().contains("already being awaited"));
        server.close();
        serving.await.unwrap().unwrap();
    });
}

#[test]
fn aborted_clients_are_gone_at_once() {
    run(async {
        let server = start_server(
            async |_, writer: StreamWriter| {
                writer.write(&vec![0; 20_000_000]);
                writer.wait_closed().await
            },
            "127.0.0.1",
            0,
        )
        .await
        .unwrap();
        let port = server.sockets()[0].port().unwrap();
        let (mut reader, _writer) = open_connection("127.0.0.1", port).await.unwrap();
        reader.readexactly(10).await.unwrap();
        server.close();
        server.abort_clients();
        server.wait_closed().await;
        assert!(
            reader
                .read_all()
                .await
                .is_ok_and(|all| all.len() < 20_000_000)
        );
    });
}

/// Two addresses of which the first does not answer: the second is tried after the delay.
#[test]
fn a_name_with_a_dead_address_is_reached_by_the_other() {
    run(async {
        // `localhost` may be one address or two; whichever listens is found.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = open_connection("localhost", port)
            .happy_eyeballs_delay(Some(Duration::from_millis(1)))
            .connect()
            .await
            .unwrap();
        assert_eq!(stream.peer_addr().unwrap().port(), port);
        let error = open_connection("no-such-name.invalid", 80)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("lookup"), "{error}");
    });
}
