//! Files sent as they are, whole and in part, also those that the system does not send by itself.

mod common;

use std::fs::File;
use std::io::Write;

use loop_net::{TcpListener, TcpStream};
use loop_tasks::create_task;

use common::run;

/// Sends what a file has from `offset` on, at most `count` of it, and gives what arrives.
fn send(path: std::path::PathBuf, offset: u64, count: Option<u64>) -> Vec<u8> {
    run(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let sending = create_task(async move {
            let file = File::open(path).unwrap();
            near.sendfile(&file, offset, count).await.unwrap()
        });
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        assert_eq!(sending.await.unwrap(), all.len() as u64);
        all
    })
}

#[test]
fn files_arrive_whole_or_in_part() {
    let path = std::env::temp_dir().join(format!("loop-net-sendfile-{}", std::process::id()));
    let content: Vec<u8> = (0..3_000_000u32)
        .map(|place| (place * 7 / 3) as u8)
        .collect();
    File::create(&path).unwrap().write_all(&content).unwrap();
    assert!(send(path.clone(), 0, None) == content);
    assert!(send(path.clone(), 1_000_001, None) == content[1_000_001..]);
    assert!(send(path.clone(), 5, Some(700_000)) == content[5..700_005]);
    assert!(send(path.clone(), 2_999_990, Some(700_000)) == content[2_999_990..]);
    assert_eq!(send(path.clone(), 9_000_000, None), b"");
    assert_eq!(send(path.clone(), 0, Some(0)), b"");
    std::fs::remove_file(path).unwrap();
}

/// A file that the system makes up as it is read.
#[test]
fn files_of_any_kind_arrive() {
    let path = std::path::PathBuf::from("/proc/self/status");
    if path.exists() {
        let text = String::from_utf8(send(path, 0, None)).unwrap();
        assert!(text.starts_with("Name:"), "{text}");
    }
}
