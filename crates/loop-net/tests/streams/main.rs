//! Readers and writers: limits, errors, back-pressure, ends.

mod ends;
mod reading;
mod servers;
mod writing;

use std::time::Duration;

use loop_core::EventLoop;
use loop_net::{StreamReader, StreamWriter, TcpListener, TcpStream, UnixStream, streams_over};
use loop_tasks::{LoopExt, timeout};

/// Runs a coroutine on a loop of its own; a hang ends as a failure.
fn run<T: 'static>(main: impl Future<Output = T> + 'static) -> T {
    let event_loop = EventLoop::new().unwrap();
    let result = event_loop.run_until_complete(timeout(Duration::from_secs(60), main));
    let result = result.unwrap().expect("it hangs");
    event_loop.close().unwrap();
    result
}

fn pair() -> (StreamReader, StreamWriter, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    let (reader, writer) = streams_over(near).unwrap();
    (reader, writer, far)
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (far, _) = listener.accept().await.unwrap();
    (near, far)
}
