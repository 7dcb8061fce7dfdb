//! Python's own asyncio at the other end, in both directions, if a `python3` is installed.

mod common;

use std::io;
use std::process::{Child, Command, Stdio};

use loop_executor::to_thread;
use loop_net::{ReadError, StreamReader, StreamWriter, open_connection, start_server};
use loop_tasks::create_task;

use common::run;

/// Runs a program that uses asyncio; `None` if there is no Python that could.
fn python(program: &str, arguments: &[&str]) -> Option<Child> {
    let knows_asyncio = "import asyncio, sys; sys.exit(not hasattr(asyncio, 'run'))";
    let there = Command::new("python3")
        .args(["-c", knows_asyncio])
        .stderr(Stdio::null())
        .status();
    if !there.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no python3 with asyncio");
        return None;
    }
    let child = Command::new("python3")
        .args(["-c", program])
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn();
    Some(child.unwrap())
}

/// Frames of four bytes of length and that many of content.
async fn send(writer: &StreamWriter, content: &[u8]) -> io::Result<()> {
    writer.write(&u32::try_from(content.len()).unwrap().to_be_bytes());
    writer.write(content);
    writer.drain().await
}

async fn receive(reader: &mut StreamReader) -> Result<Vec<u8>, ReadError> {
    let length = reader.readexactly(4).await?;
    let length = u32::from_be_bytes(length.try_into().unwrap());
    reader.readexactly(length as usize).await
}

fn content(number: usize) -> Vec<u8> {
    let length = number * number * 37 % 90_001;
    (0..length)
        .map(|place| (place * 7 + number) as u8)
        .collect()
}

const CLIENT: &str = r#"
import asyncio, struct, sys

def content(number):
    return bytes((place * 7 + number) % 256 for place in range(number * number * 37 % 90_001))

async def client(port, first):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in range(first, 50, 5):
        body = content(number)
        writer.write(struct.pack(">I", len(body)))
        writer.write(body)
        await writer.drain()
        length, = struct.unpack(">I", await reader.readexactly(4))
        assert await reader.readexactly(length) == body[::-1], number
    writer.write_eof()
    assert await reader.read() == b"bye\n"
    writer.close()
    await writer.wait_closed()

async def main():
    await asyncio.gather(*(client(int(sys.argv[1]), first) for first in range(5)))
    print("all right")

asyncio.run(main())
"#;

#[test]
fn python_asks_us() {
    run(async {
        let server = start_server(
            async |mut reader: StreamReader, writer: StreamWriter| {
                loop {
                    match receive(&mut reader).await {
                        Ok(mut body) => {
                            body.reverse();
                            send(&writer, &body).await?;
                        }
                        Err(ReadError::Incomplete(error)) if error.partial.is_empty() => break,
                        Err(error) => return Err(error),
                    }
                }
                writer.write(b"bye\n");
                Ok(())
            },
            "127.0.0.1",
            0,
        )
        .await
        .unwrap();
        let port = server.sockets()[0].port().unwrap().to_string();
        let output = to_thread(move || {
            let child = python(CLIENT, &[&port])?;
            Some(child.wait_with_output().unwrap())
        });
        if let Some(output) = output.await.unwrap() {
            assert!(output.status.success());
            assert_eq!(String::from_utf8_lossy(&output.stdout), "all right\n");
        }
        server.close();
        server.wait_closed().await;
    });
}

const SERVER: &str = r#"
import asyncio, struct

async def serve(reader, writer):
    try:
        while True:
            length, = struct.unpack(">I", await reader.readexactly(4))
            body = await reader.readexactly(length)
            writer.write(struct.pack(">I", length))
            writer.write(body[::-1])
            await writer.drain()
    except asyncio.IncompleteReadError as error:
        writer.write(b"bye %d\n" % len(error.partial))
    writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"#;

#[test]
fn we_ask_python() {
    /// Ends the server, which serves for ever.
    struct Kill(Child);
    impl Drop for Kill {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let Some(child) = python(SERVER, &[]) else {
        return;
    };
    let mut child = Kill(child);
    let mut line = String::new();
    let stdout = child.0.stdout.take().unwrap();
    io::BufRead::read_line(&mut io::BufReader::new(stdout), &mut line).unwrap();
    let port: u16 = line.trim().parse().unwrap();
    run(async move {
        let clients: Vec<_> = (0..5)
            .map(|first| {
                create_task(async move {
                    let (mut reader, writer) = open_connection("127.0.0.1", port).await.unwrap();
                    for number in (first..50).step_by(5) {
                        let body = content(number);
                        send(&writer, &body).await.unwrap();
                        let mut answer = receive(&mut reader).await.unwrap();
                        answer.reverse();
                        assert!(answer == body);
                    }
                    writer.write(b"abc");
                    writer.write_eof();
                    assert_eq!(reader.readline().await.unwrap(), b"bye 3\n");
                    assert_eq!(reader.readline().await.unwrap(), b"");
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
    });
}
