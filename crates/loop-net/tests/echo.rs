//! Byte-exact echo: many connections, messages of random sizes, half-closes, resets, slow readers.
//!
//! `ECHO_CONNECTIONS` and `ECHO_MESSAGES` scale it up; by default it takes about a second in a debug build.

use std::cell::Cell;
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use loop_core::EventLoop;
use loop_net::{TcpListener, TcpStream, UnixStream};
use loop_tasks::{LoopExt, create_task, timeout, yield_now};

/// A stream of numbers that both ends can make: xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

fn scale(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

async fn echo(stream: TcpStream) {
    let mut buffer = vec![0; 4096];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return stream.shutdown(Shutdown::Write).unwrap_or_default(),
            Ok(read) => {
                if stream.write_all(&buffer[..read]).await.is_err() {
                    return; // a reset
                }
            }
            Err(_) => return,
        }
    }
}

/// Sends `messages` and reads them back with another task; says how many bytes came back.
async fn converse(stream: TcpStream, seed: u64, messages: usize, slow: bool) -> u64 {
    let (reader, writer) = stream.into_split();
    let writing = create_task(async move {
        let mut random = Random(seed);
        let mut sent = 0;
        for _ in 0..messages {
            let length = match random.next() % 100 {
                0 => random.next() as usize % 60_000,
                _ => random.next() as usize % 600,
            };
            let mut message = vec![0; length];
            random.fill(&mut message);
            writer.write_all(&message).await.unwrap();
            sent += length as u64;
        }
        drop(writer); // a half-close: the rest must come back still
        sent
    });
    let mut random = Random(seed);
    let (mut message, mut place, mut received) = (Vec::new(), 0, 0);
    let mut buffer = vec![0; if slow { 300 } else { 8192 }];
    loop {
        let read = reader.read(&mut buffer).await.unwrap();
        if read == 0 {
            break;
        }
        for byte in &buffer[..read] {
            while place == message.len() {
                let length = match random.next() % 100 {
                    0 => random.next() as usize % 60_000,
                    _ => random.next() as usize % 600,
                };
                message = vec![0; length];
                random.fill(&mut message);
                place = 0;
            }
            assert_eq!(*byte, message[place], "byte {received} of {seed}");
            place += 1;
            received += 1;
        }
        if slow {
            yield_now().await;
        }
    }
    assert_eq!(writing.await.unwrap(), received);
    received
}

#[test]
fn every_byte_comes_back_in_its_order() {
    let connections = scale("ECHO_CONNECTIONS", 60);
    let messages = scale("ECHO_MESSAGES", 60);
    let event_loop = EventLoop::new().unwrap();
    let finished = event_loop.run_until_complete(timeout(Duration::from_secs(1800), async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = Rc::new(Cell::new(0usize));
        let serving = create_task({
            let served = Rc::clone(&served);
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let served = Rc::clone(&served);
                    create_task(async move {
                        echo(stream).await;
                        served.set(served.get() + 1);
                    });
                }
            }
        });
        let clients: Vec<_> = (0..connections)
            .map(|number| {
                create_task(async move {
                    let stream = TcpStream::connect(address).await.unwrap();
                    if number % 10 == 9 {
                        // It goes away in the middle, with a reset.
                        stream.set_linger(Some(Duration::ZERO)).unwrap();
                        stream.write_all(&[1; 70_000]).await.unwrap();
                        return;
                    }
                    let seed = number as u64 * 77 + 1;
                    converse(stream, seed, messages, number % 7 == 3).await;
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        while served.get() < connections {
            yield_now().await;
        }
        serving.cancel();
    }));
    finished.unwrap().expect("it hangs");
    event_loop.close().unwrap();
}

/// Both directions at once, with more under way than the system keeps.
#[test]
fn two_who_write_before_they_read_are_held_back_and_not_lost() {
    let event_loop = EventLoop::new().unwrap();
    let done = event_loop.run_until_complete(timeout(Duration::from_secs(60), async {
        let (near, far) = UnixStream::pair().unwrap();
        let sides = [near, far].map(|stream| {
            create_task(async move {
                let (reader, writer) = stream.into_split();
                let writing = create_task(async move {
                    let mut random = Random(5);
                    let mut bytes = vec![0; 1_000_000];
                    random.fill(&mut bytes);
                    writer.write_all(&bytes).await.unwrap();
                });
                let mut expected = vec![0; 1_000_000];
                Random(5).fill(&mut expected);
                let mut all = Vec::new();
                reader.read_to_end(&mut all).await.unwrap();
                assert!(all == expected);
                writing.await.unwrap();
            })
        });
        for side in sides {
            side.await.unwrap();
        }
    }));
    done.unwrap().expect("it hangs");
    event_loop.close().unwrap();
}
