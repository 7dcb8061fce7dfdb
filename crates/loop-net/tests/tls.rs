//! TLS: streams, servers, `start_tls`, against each other and against `openssl`.

#[path = "common/certificates.rs"]
mod certificates;
mod common;

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use loop_core::EventLoop;
use loop_executor::to_thread;
use loop_net::{
    StreamReader, StreamWriter, TcpListener, TcpStream, TlsSide, TlsStream, UnixStream,
    open_connection, open_unix_connection, start_server, start_unix_server, streams_over,
};
use loop_tasks::{LoopExt, create_task, timeout};

use certificates::{client_config, file, server_config};
use common::run;

async fn echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    loop {
        let bytes = reader.read(100_000).await?;
        if bytes.is_empty() {
            return Ok(());
        }
        writer.write(&bytes);
        writer.drain().await?;
    }
}

/// Large and small, both directions at once, and an end that is one.
#[test]
fn every_byte_comes_back_decrypted() {
    run(async {
        let server = start_server(echo, "127.0.0.1", 0)
            .tls(server_config())
            .await
            .unwrap();
        let port = server.sockets()[0].port().unwrap();
        let clients: Vec<_> = (0..8usize)
            .map(|number| {
                create_task(async move {
                    let mut config = (*client_config()).clone();
                    config.alpn_protocols = vec![b"other".to_vec(), b"echo".to_vec()];
                    let (mut reader, writer) = open_connection("127.0.0.1", port)
                        .tls(Arc::new(config))
                        .server_hostname("localhost")
                        .await
                        .unwrap();
                    let info = writer.get_extra_info().tls.unwrap();
                    assert_eq!(info.version, "TLSv1_3");
                    assert_eq!(info.alpn.as_deref(), Some(&b"echo"[..]));
                    assert_eq!(info.peer_certificates.len(), 1);
                    let text: Vec<u8> = (0..number * 100_000 + 10)
                        .map(|place| (place * 31 + number) as u8)
                        .collect();
                    let expected = text.clone();
                    let writing = create_task(async move {
                        for part in text.chunks(30_011) {
                            writer.write(part);
                            writer.drain().await.unwrap();
                        }
                        writer.write_eof();
                        writer
                    });
                    assert!(reader.read_all().await.unwrap() == expected);
                    let writer = writing.await.unwrap();
                    writer.close();
                    writer.wait_closed().await.unwrap();
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn a_certificate_for_somebody_else_is_refused() {
    let event_loop = EventLoop::new().unwrap();
    let reports = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    event_loop.set_exception_handler({
        let reports = std::rc::Rc::clone(&reports);
        move |_, context| reports.borrow_mut().push(context.to_string())
    });
    let main = timeout(Duration::from_secs(60), async {
        let server = start_server(echo, "127.0.0.1", 0)
            .tls(server_config())
            .await
            .unwrap();
        let port = server.sockets()[0].port().unwrap();
        let open = open_connection("127.0.0.1", port).tls(client_config());
        let error = open
            .clone()
            .server_hostname("example.org")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("not valid for name"), "{error}");
        let error = open.clone().server_hostname("no name").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        // The address is in the certificate too.
        open.await.unwrap();
        // Somebody who does not speak TLS at all.
        let (mut reader, writer) = open_connection("127.0.0.1", port).await.unwrap();
        writer.write(b"GET / HTTP/1.0\r\n\r\n");
        let _alert = reader.read_all().await;
        server.close();
        server.wait_closed().await;
    });
    event_loop
        .run_until_complete(main)
        .unwrap()
        .expect("it hangs");
    event_loop.close().unwrap();
    let reports = reports.borrow();
    assert!(
        reports
            .iter()
            .all(|report| report.contains("SSL handshake failed")),
        "{reports:?}"
    );
    assert_eq!(reports.len(), 3, "{reports:?}"); // "no name" went away before a word
}

/// Whoever says nothing is not waited for for ever.
#[test]
fn a_handshake_has_an_end() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = open_connection("127.0.0.1", port)
            .tls(client_config())
            .ssl_handshake_timeout(Duration::from_millis(30))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(
            error
                .to_string()
                .starts_with("SSL handshake is taking longer than 0.03")
        );
    });
}

/// An end that anybody on the way could have made is not taken for one.
#[test]
fn a_connection_that_is_cut_is_an_error() {
    run(async {
        let (near, far) = UnixStream::pair().unwrap();
        let serving = create_task(async move {
            let mut server = Some(TlsStream::accept(far, server_config()).await.unwrap());
            drop(server.take()); // without a word
        });
        let client = TlsStream::connect(near, client_config(), "localhost")
            .await
            .unwrap();
        serving.await.unwrap();
        let (mut reader, _writer) = streams_over(client).unwrap();
        let error = reader.read(10).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    });
}

#[test]
fn a_connection_goes_over_to_tls() {
    run(async {
        let server = start_server(
            async |mut reader: StreamReader, writer: StreamWriter| {
                assert_eq!(reader.readline().await?, b"STARTTLS\n");
                writer.write(b"ready\n");
                let config = server_config();
                writer
                    .start_tls(&mut reader, TlsSide::Server { config })
                    .await?;
                let line = reader.readline().await?;
                writer.write(&line);
                Ok::<_, loop_net::ReadError>(())
            },
            "127.0.0.1",
            0,
        )
        .await
        .unwrap();
        let port = server.sockets()[0].port().unwrap();
        let (mut reader, writer) = open_connection("127.0.0.1", port).await.unwrap();
        assert_eq!(writer.get_extra_info().tls, None);
        writer.write(b"STARTTLS\n");
        assert_eq!(reader.readline().await.unwrap(), b"ready\n");
        let side = |name: &str| TlsSide::Client {
            config: client_config(),
            server_hostname: name.to_owned(),
        };
        writer
            .start_tls(&mut reader, side("localhost"))
            .await
            .unwrap();
        assert!(writer.get_extra_info().tls.is_some());
        writer.write(b"secret\n");
        assert_eq!(reader.readline().await.unwrap(), b"secret\n");
        assert_eq!(reader.readline().await.unwrap(), b"");
        drop(writer); // the other side waits for our goodbye
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn a_connection_that_cannot_go_over_is_closed() {
    run(async {
        let (near, _far) = loop_net::UnixStream::pair().unwrap();
        let (mut reader, writer) = loop_net::streams_over(near).unwrap();
        let side = TlsSide::Client {
            config: client_config(),
            server_hostname: "no name at all".to_owned(),
        };
        let error = writer.start_tls(&mut reader, side).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(writer.is_closing());
    });
}

/// Whoever closes waits for the other side's goodbye, for so long and not longer.
#[test]
fn a_shutdown_waits_and_has_an_end() {
    run(async {
        for patient in [true, false] {
            let (near, far) = UnixStream::pair().unwrap();
            let serving = create_task(TlsStream::accept(far, server_config()));
            let near = TlsStream::connect(near, client_config(), "localhost");
            let near = near.await.unwrap();
            let most = if patient { 3_600_000 } else { 30 };
            near.set_ssl_shutdown_timeout(Duration::from_millis(most));
            let (mut reader, writer) = streams_over(near).unwrap();
            let far = serving.await.unwrap().unwrap();
            let (mut far_reader, far_writer) = streams_over(far).unwrap();
            writer.write(b"goodbye");
            writer.close();
            assert_eq!(far_reader.read_all().await.unwrap(), b"goodbye");
            // What comes now is not heard, and does no harm.
            far_writer.write(&[7; 100_000]);
            if patient {
                let closed = timeout(Duration::from_millis(20), writer.wait_closed());
                assert!(closed.await.is_err());
                far_writer.close();
                writer.wait_closed().await.unwrap();
            } else {
                let error = writer.wait_closed().await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                assert_eq!(error.to_string(), "SSL shutdown timed out");
            }
            // Nobody reads on a connection that is closed from here.
            let _closed = reader.read(1).await;
            drop(far_writer);
        }
    });
}

/// TLS does not ask what carries it.
#[test]
fn every_byte_comes_back_decrypted_over_a_path() {
    let folder = std::env::temp_dir().join(format!("loop-net-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    run(async move {
        let server = start_unix_server(echo, &path).tls(server_config()).await;
        let server = server.unwrap();
        let open = open_unix_connection(&path).tls(client_config(), "localhost");
        let (mut reader, writer) = open.clone().await.unwrap();
        assert!(writer.get_extra_info().tls.is_some());
        let text: Vec<u8> = (0..200_000).map(|place| (place * 31) as u8).collect();
        writer.write(&text);
        writer.write_eof();
        assert!(reader.read_all().await.unwrap() == text);
        writer.close();
        writer.wait_closed().await.unwrap();
        let error = open.tls(client_config(), "example.org").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        server.close();
        server.wait_closed().await;
        assert!(!path.exists());
    });
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Ends a program that would go on.
struct Kill(Child);

impl Drop for Kill {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn has_openssl() -> bool {
    let there = Command::new("openssl")
        .arg("version")
        .stdout(Stdio::null())
        .status()
        .is_ok();
    if !there {
        eprintln!("skipped: openssl is not installed");
    }
    there
}

/// A client that nobody here wrote, if it is installed, in both versions of TLS.
#[test]
fn openssl_asks_us() {
    if !has_openssl() {
        return;
    }
    for version in ["-tls1_2", "-tls1_3"] {
        run(async move {
            let server = start_server(
                async |mut reader: StreamReader, writer: StreamWriter| {
                    let line = reader.readline().await?;
                    writer.writelines([b"you said: ", &line[..]]);
                    Ok::<_, loop_net::ReadError>(())
                },
                "127.0.0.1",
                0,
            )
            .tls(server_config())
            .await
            .unwrap();
            let address = server.sockets()[0].to_string();
            let output = to_thread(move || {
                let mut child = Command::new("openssl")
                    .args(["s_client", "-quiet", "-verify_return_error", version])
                    .args(["-CAfile", &file("authority.pem"), "-connect", &address])
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap();
                let mut stdin = child.stdin.take().unwrap();
                stdin.write_all(b"hello\n").unwrap();
                let mut child = Kill(child);
                let mut line = String::new();
                let stdout = child.0.stdout.take().unwrap();
                io::BufRead::read_line(&mut io::BufReader::new(stdout), &mut line).unwrap();
                line
            });
            assert_eq!(output.await.unwrap(), "you said: hello\n");
            server.close();
            server.wait_closed().await;
        });
    }
}

/// A server that nobody here wrote, if it is installed.
#[test]
fn we_ask_openssl() {
    if !has_openssl() {
        return;
    }
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let child = Command::new("openssl")
        .args(["s_server", "-rev", "-accept", &format!("127.0.0.1:{port}")])
        .args(["-cert", &file("certificate.pem"), "-key", &file("key.pem")])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut child = Kill(child);
    // It says so when it accepts.
    let mut said = Vec::new();
    let mut stdout = child.0.stdout.take().unwrap();
    while !String::from_utf8_lossy(&said).contains("ACCEPT") {
        let mut byte = [0];
        assert_eq!(stdout.read(&mut byte).unwrap(), 1, "openssl has ended");
        said.push(byte[0]);
    }
    std::thread::spawn(move || io::copy(&mut stdout, &mut io::sink()));
    run(async move {
        let stream = TcpStream::connect(([127, 0, 0, 1], port)).await.unwrap();
        let stream = TlsStream::connect(stream, client_config(), "localhost")
            .await
            .unwrap();
        let (mut reader, writer) = streams_over(stream).unwrap();
        for word in ["hello", "again"] {
            writer.write(format!("{word}\n").as_bytes());
            let expected: String = word.chars().rev().chain(['\n']).collect();
            assert_eq!(reader.readline().await.unwrap(), expected.into_bytes());
        }
    });
}

/// Encrypted in its turn, since the system cannot: in pieces that wait for whoever reads, and with an end behind it.
#[test]
fn a_file_is_sent_under_tls() {
    run(async {
        let name = format!("loop-net-tls-sendfile-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let content: Vec<u8> = (0..3_000_000).map(|place| (place * 7 / 3) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let serve = move |_reader, writer: StreamWriter| {
            let file = file.try_clone().unwrap();
            async move {
                let refused = writer.sendfile(&file).fallback(false).await.unwrap_err();
                assert_eq!(refused.kind(), io::ErrorKind::Unsupported);
                writer.write(b"<");
                let sending = writer.sendfile(&file).offset(5).count(2_900_000);
                assert_eq!(sending.await?, 2_900_000);
                writer.write(b">");
                Ok::<_, io::Error>(())
            }
        };
        let server = start_server(serve, "127.0.0.1", 0)
            .tls(server_config())
            .await
            .unwrap();
        let port = server.sockets()[0].port().unwrap();
        let (mut reader, writer) = open_connection("127.0.0.1", port)
            .tls(client_config())
            .server_hostname("localhost")
            .await
            .unwrap();
        let all = reader.read_all().await.unwrap();
        assert!(all == [b"<", &content[5..2_900_005], b">"].concat());
        writer.close();
        writer.wait_closed().await.unwrap();
        server.close();
        server.wait_closed().await;
    });
}

/// Cut off in the middle, with a sender that waits for room.
#[test]
fn a_file_under_tls_that_is_cut_off_is_an_error() {
    run(async {
        let (near, far) = UnixStream::pair().unwrap();
        let serving = create_task(async move {
            let stream = TlsStream::accept(near, server_config()).await.unwrap();
            let (_reader, writer) = streams_over(stream).unwrap();
            let path = std::env::current_exe().unwrap(); // a large file that is there
            let file = std::fs::File::open(path).unwrap();
            writer.sendfile(&file).await
        });
        let client = TlsStream::connect(far, client_config(), "localhost").await;
        let (mut reader, writer) = streams_over(client.unwrap()).unwrap();
        reader.readexactly(100_000).await.unwrap();
        writer.abort();
        let error = serving.await.unwrap().unwrap_err().kind();
        let expected = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        assert!(expected.contains(&error), "{error:?}");
    });
}
