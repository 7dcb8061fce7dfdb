//! Readers and writers: limits, errors, back-pressure, ends.

#[path = "../common/mod.rs"]
mod common;
mod ends;
mod reading;
mod servers;
mod writing;

use loop_net::{StreamReader, StreamWriter, TcpListener, TcpStream, UnixStream, streams_over};

use common::run;

fn pair() -> (StreamReader, StreamWriter, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    let (reader, writer) = streams_over(near).unwrap();
    (reader, writer, far)
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (far, _) = listener.accept().await.unwrap();
    (near, far)
}
