//! Signals that strike the loop's thread while it waits, again and again: no byte and no timer is lost.
//!
//! The system ends a wait for events whenever a handler has run, with `EINTR`; it never goes on by itself. A signal for
//! the process strikes its main thread, so that is where the loop runs: no harness.

use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use asyncloop::net::{StreamReader, StreamWriter, open_connection, start_server};
use asyncloop::{EventLoop, LoopExt, Signal, SignalExt, create_task, sleep, timeout};

/// Sends back what comes.
async fn echo(mut reader: StreamReader, writer: StreamWriter) -> std::io::Result<()> {
    loop {
        let bytes = reader.read(10_000).await?;
        if bytes.is_empty() {
            return Ok(());
        }
        writer.write(&bytes);
        writer.drain().await?;
    }
}

/// Sends messages one by one, and waits for the answer to each.
async fn ask(port: u16, number: usize) {
    let (mut reader, writer) = open_connection("127.0.0.1", port).await.unwrap();
    for turn in 0..500 {
        let message: Vec<u8> = (0..turn * 7 % 3000 + 1)
            .map(|place| (place * 31 + turn + number) as u8)
            .collect();
        writer.write(&message);
        writer.drain().await.unwrap();
        assert!(reader.readexactly(message.len()).await.unwrap() == message);
    }
    writer.close();
    writer.wait_closed().await.unwrap();
}

/// Ends a program that would go on.
struct Kill(Child);

impl Drop for Kill {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    interrupted_waits_lose_nothing();
    println!("interrupted_waits_lose_nothing ... ok");
}

fn interrupted_waits_lose_nothing() {
    // Another loop hears of the signals, or each would wake this one, and end its wait before the system does.
    let struck = Arc::new(AtomicUsize::new(0));
    let (ready, listening) = mpsc::channel();
    let listener = std::thread::spawn({
        let struck = Arc::clone(&struck);
        move || {
            let event_loop = EventLoop::new().unwrap();
            let count = move || {
                struck.fetch_add(1, Ordering::Relaxed);
            };
            event_loop.add_signal_handler(Signal::USR1, count).unwrap();
            ready.send(event_loop.handle()).unwrap();
            event_loop.run_forever().unwrap();
            event_loop.close().unwrap();
        }
    });
    let listening = listening.recv().unwrap();
    let event_loop = EventLoop::new().unwrap();
    // From outside: a thread of this process would often strike itself.
    let command = format!("while kill -USR1 {}; do :; done", std::process::id());
    let striking = Command::new("sh").args(["-c", &command]).spawn().unwrap();
    let striking = Kill(striking);
    let main = timeout(Duration::from_secs(120), async move {
        let server = start_server(echo, "127.0.0.1", 0).await.unwrap();
        let port = server.sockets()[0].port().unwrap();
        // Until it was a storm: signals that come together are one.
        let sleeping = create_task(async move {
            while struck.load(Ordering::Relaxed) < 200 {
                sleep(Duration::from_millis(1)).await;
            }
        });
        let clients: Vec<_> = (0..8)
            .map(|number| create_task(ask(port, number)))
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        sleeping.await.unwrap();
        // Waits with nothing else to end them.
        for _ in 0..100 {
            sleep(Duration::from_millis(1)).await;
        }
        server.close();
        server.wait_closed().await;
    });
    let ended = event_loop.run_until_complete(main).unwrap();
    drop(striking);
    listening.stop();
    listener.join().unwrap();
    ended.expect("something was lost");
    event_loop.close().unwrap();
}
