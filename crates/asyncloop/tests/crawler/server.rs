//! Servers of the tests: plain threads and sockets, so that they can do what no HTTP library would.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A server that answers until the test ends.
pub(crate) struct Server {
    /// Without a slash at its end.
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<Mutex<usize>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Method and path.
    pub(crate) line: String,
    /// In lower case.
    pub(crate) headers: HashMap<String, String>,
}

impl Server {
    /// Lets `answer` write whatever it likes; a connection goes on for as long as it gives `true`.
    pub(crate) fn start(
        answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<bool> + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server {
            url: format!("http://{}", listener.local_addr().unwrap()),
            requests: Arc::default(),
            connections: Arc::default(),
        };
        let (requests, connections) = (
            Arc::clone(&server.requests),
            Arc::clone(&server.connections),
        );
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                *connections.lock().unwrap() += 1;
                let (answer, requests) = (Arc::clone(&answer), Arc::clone(&requests));
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    while let Some(request) = request(&mut reader) {
                        requests.lock().unwrap().push(request.clone());
                        let path = request.line.split_once(' ').unwrap().1;
                        if !answer(path, &mut stream).unwrap_or(false) {
                            break; // done, or the client went away
                        }
                    }
                });
            }
        });
        server
    }

    /// Serves documents, each at a path with the head and the body of its answer; all else is missing.
    pub(crate) fn of(documents: &[(&str, &str, &[u8])]) -> Server {
        let documents: HashMap<String, (String, Vec<u8>)> = documents
            .iter()
            .map(|(path, head, body)| ((*path).to_owned(), ((*head).to_owned(), body.to_vec())))
            .collect();
        Server::start(move |path, stream| {
            let missing = ("404 Not Found".to_owned(), Vec::new());
            let (head, body) = documents.get(path).unwrap_or(&missing);
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n"
            )?;
            stream.write_all(body)?;
            Ok(true)
        })
    }

    /// What has been asked for, in order.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// What has been asked for, as `GET /path`, sorted.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .requests()
            .into_iter()
            .map(|asked| asked.line)
            .collect();
        lines.sort();
        lines
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

/// The head of a page.
pub(crate) const HTML: &str = "200 OK\r\ncontent-type: text/html";

fn request(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let line = line.strip_suffix(" HTTP/1.1\r\n")?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        match header.trim_end().split_once(": ") {
            Some((name, value)) => {
                headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
            None => return Some(Request { line, headers }),
        }
    }
}
