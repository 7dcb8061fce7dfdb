//! hyper's server on this loop.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use loop_net::{HyperTimer, TcpListener};
use loop_tasks::{Task, create_task};

/// A server that sends back what it gets, behind the path.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    /// How many requests it has answered.
    pub(crate) served: Rc<Cell<usize>>,
    serving: Task<()>,
}

impl Echo {
    pub(crate) async fn start() -> Echo {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = Rc::new(Cell::new(0));
        let serving = create_task(serve(listener, Rc::clone(&served)));
        Echo {
            address,
            served,
            serving,
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.serving.cancel();
    }
}

async fn serve(listener: TcpListener, served: Rc<Cell<usize>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let served = Rc::clone(&served);
        let service = service_fn(move |request: Request<Incoming>| {
            let served = Rc::clone(&served);
            async move {
                let path = request.uri().path().to_owned();
                let body = request.into_body().collect().await?.to_bytes();
                served.set(served.get() + 1);
                let answer = [path.as_bytes(), &body].concat();
                Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(answer))))
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(HyperTimer)
            .header_read_timeout(Duration::from_secs(60))
            .serve_connection(stream, service);
        create_task(async {
            // A client that goes away in the middle is not the server's failure.
            let _gone = connection.await;
            Ok::<_, Infallible>(())
        });
    }
}
