//! More connections than descriptors: a pause, not a spin; nobody is lost.
//!
//! The limit is the process's, so a child runs the storm: this test program again, told so by its environment.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;
use std::{cell::RefCell, io::Read};

use loop_core::EventLoop;
use loop_net::TcpListener;
use loop_tasks::{LoopExt, create_task, timeout};

const CONNECTIONS: usize = 200;

/// Connects, says its number, and waits for the answer: in the parent, with as many descriptors as it likes.
fn clients(address: SocketAddr) -> Vec<std::thread::JoinHandle<u8>> {
    (0..CONNECTIONS)
        .map(|number| {
            std::thread::Builder::new()
                .stack_size(64 * 1024)
                .spawn(move || {
                    let mut stream = std::net::TcpStream::connect(address).unwrap();
                    stream.write_all(&[number as u8]).unwrap();
                    let mut answer = [0];
                    stream.read_exact(&mut answer).unwrap();
                    assert_eq!(answer[0], number as u8);
                    1
                })
                .unwrap()
        })
        .collect()
}

/// Accepts all, keeps each for a while so that they pile up, and says what the loop's handler was told.
fn serve() {
    rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::Rlimit {
            current: Some(64),
            maximum: Some(64),
        },
    )
    .unwrap();
    let event_loop = EventLoop::new().unwrap();
    let reports = Rc::new(RefCell::new(Vec::new()));
    event_loop.set_exception_handler({
        let reports = Rc::clone(&reports);
        move |_, context| reports.borrow_mut().push(context.to_string())
    });
    let began = event_loop.time();
    let served = event_loop.run_until_complete(timeout(Duration::from_secs(60), async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        let mut tasks = Vec::new();
        for _ in 0..CONNECTIONS {
            let (stream, _) = listener.accept().await.unwrap();
            tasks.push(create_task(async move {
                let mut byte = [0];
                stream.read_exact(&mut byte).await.unwrap();
                loop_tasks::sleep(Duration::from_millis(300)).await;
                stream.write_all(&byte).await.unwrap();
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    }));
    served.unwrap().expect("somebody was lost");
    let reports = reports.borrow();
    assert!(!reports.is_empty());
    // Each comes with a pause of 100 ms.
    let most = (event_loop.time() - began).as_millis() / 100 + 1;
    assert!(
        reports.len() as u128 <= most,
        "{} in {most} pauses",
        reports.len()
    );
    for report in &*reports {
        assert!(
            report.contains("socket.accept() out of system resource"),
            "{report}"
        );
    }
    // It slept for most of the time: a spin would have burnt all of it.
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let busy = Duration::new(time.tv_sec as u64, time.tv_nsec as u32);
    assert!(busy < Duration::from_millis(700), "busy for {busy:?}");
    event_loop.close().unwrap();
    println!("all served");
}

#[test]
fn all_are_served_once_descriptors_free_up() {
    if std::env::var_os("LOOP_NET_STORM").is_some() {
        return serve();
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "all_are_served_once_descriptors_free_up",
            "--exact",
            "--nocapture",
        ])
        .env("LOOP_NET_STORM", "1")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let address = lines
        .by_ref()
        .map(Result::unwrap)
        .find_map(|line| line.rsplit(' ').next()?.parse().ok())
        .unwrap();
    let answered: usize = clients(address)
        .into_iter()
        .map(|client| usize::from(client.join().unwrap()))
        .sum();
    assert_eq!(answered, CONNECTIONS);
    // To the end: a child that cannot say how it ends fails.
    let said: Vec<_> = lines.map_while(Result::ok).collect();
    assert!(
        said.iter().any(|line| line.contains("all served")),
        "{said:?}"
    );
    assert!(child.wait().unwrap().success());
}
