//! nginx answers hyper's client on this loop, and stands between that and hyper's server.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use loop_net::{StreamReader, TcpStream, open_connection};
use loop_tasks::{create_task, sleep};

use crate::program::{Folder, Running, content, is_installed};
use crate::run;
use crate::server::Echo;

/// nginx on a port of its own: files at `/`, another server behind `/behind/`.
struct Nginx {
    address: SocketAddr,
    // The order of the drops: the program, then its files.
    _running: Running,
    _folder: Folder,
}

impl Nginx {
    async fn start(files: &[(&str, &[u8])], behind: SocketAddr) -> Nginx {
        // Somebody else may take a port that was free a moment ago.
        for _ in 0..5 {
            if let Some(nginx) = Nginx::try_to_start(files, behind).await {
                return nginx;
            }
        }
        panic!("nginx does not start");
    }

    async fn try_to_start(files: &[(&str, &[u8])], behind: SocketAddr) -> Option<Nginx> {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = port.local_addr().unwrap();
        drop(port);
        let folder = Folder::new();
        for (name, content) in files {
            folder.file(name, content);
        }
        let root = folder.0.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {root}/{name};\n"))
            .concat();
        let settings = folder.file(
            "nginx.conf",
            format!(
                "daemon off; master_process off; pid {root}/pid; error_log {root}/log;
                events {{ worker_connections 512; }}
                http {{
                    access_log off; client_max_body_size 16m;
                    {temporary}
                    server {{
                        listen {address}; root {root};
                        location /behind/ {{
                            proxy_pass http://{behind}/; proxy_http_version 1.1; proxy_set_header Connection '';
                        }}
                    }}
                }}"
            ),
        );
        let mut running = Running::start(
            Command::new("nginx")
                .args(["-p", &root.to_string(), "-c", &settings.to_string_lossy()])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        );
        while TcpStream::connect(address).await.is_err() {
            if running.has_ended() {
                return None;
            }
            sleep(Duration::from_millis(10)).await;
        }
        Some(Nginx {
            address,
            _running: running,
            _folder: folder,
        })
    }
}

/// Sends requests over one connection, and gives what was answered.
async fn ask(address: SocketAddr, requests: Vec<Request<Full<Bytes>>>) -> Vec<(StatusCode, Bytes)> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    let connection = create_task(connection);
    let mut answers = Vec::new();
    for request in requests {
        let answer = sender.send_request(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        answers.push((status, body));
    }
    drop(sender);
    connection.await.unwrap().unwrap();
    answers
}

fn get(page: &str) -> Request<Full<Bytes>> {
    Request::get(page)
        .header("host", "here")
        .body(Full::default())
        .unwrap()
}

#[test]
fn files_come_from_nginx_over_many_connections() {
    if !is_installed("nginx") {
        return;
    }
    run(async {
        let (small, large) = (content(100), content(3_000_000));
        let files = [("small", &small[..]), ("large", &large[..])];
        let nobody = "127.0.0.1:1".parse().unwrap();
        let nginx = Nginx::start(&files, nobody).await;
        let address = nginx.address;
        let clients: Vec<_> = (0..20)
            .map(|_| {
                let pages = ["/small", "/large", "/none", "/small"];
                create_task(ask(address, pages.map(get).into()))
            })
            .collect();
        for client in clients {
            let answers = client.await.unwrap();
            assert_eq!(answers.len(), 4);
            assert_eq!(answers[0], (StatusCode::OK, small.clone().into()));
            assert!(answers[1] == (StatusCode::OK, large.clone().into()));
            assert_eq!(answers[2].0, StatusCode::NOT_FOUND);
            assert_eq!(answers[3], (StatusCode::OK, small.clone().into()));
        }
        // The streams of asyncio, without hyper: the answer ends with the connection.
        let (mut reader, writer) = open_connection("127.0.0.1", address.port()).await.unwrap();
        writer.write(b"GET /large HTTP/1.0\r\n\r\n");
        let head = head(&mut reader).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(reader.read_all().await.unwrap() == large);
        drop(nginx);
    });
}

async fn head(reader: &mut StreamReader) -> String {
    let head = reader.readuntil(b"\r\n\r\n").await.unwrap();
    String::from_utf8(head).unwrap()
}

/// What nginx asks and answers on both of its sides goes through this loop.
#[test]
fn nginx_stands_between_client_and_server() {
    if !is_installed("nginx") {
        return;
    }
    run(async {
        let server = Echo::start().await;
        let nginx = Nginx::start(&[], server.address).await;
        let address = nginx.address;
        let clients: Vec<_> = (1..=10usize)
            .map(|number| {
                create_task(async move {
                    let body = Bytes::from(content(number * number * 10_007));
                    let post = Request::post(format!("/behind/{number}"))
                        .header("host", "here")
                        .body(Full::new(body.clone()))
                        .unwrap();
                    let answers = ask(address, vec![post, get("/behind/page")]).await;
                    let expected = [format!("/{number}").as_bytes(), &body].concat();
                    assert!(answers[0] == (StatusCode::OK, expected.into()));
                    assert_eq!(answers[1], (StatusCode::OK, "/page".into()));
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        assert_eq!(server.served.get(), 20);
        drop(nginx);
    });
}
