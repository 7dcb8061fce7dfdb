//! `curl` asks hyper's server on this loop.

use std::process::{Command, Output};

use loop_executor::to_thread;

use crate::program::{Folder, content, is_installed};
use crate::run;
use crate::server::Echo;

async fn curl(arguments: Vec<String>) -> Output {
    let output = to_thread(move || {
        Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*"])
            .args(arguments)
            .output()
    });
    let output = output.await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

#[test]
fn curl_is_served_twice_over_one_connection() {
    if !is_installed("curl") {
        return;
    }
    run(async {
        let server = Echo::start().await;
        let address = server.address;
        let pages = ["a?b", "c"].map(|page| format!("http://{address}/{page}"));
        let body = ["--data".to_owned(), "body".to_owned()];
        let output = curl([&body[..], &pages[..]].concat()).await;
        assert_eq!(String::from_utf8_lossy(&output.stdout), "/abody/cbody");
        assert_eq!(server.served.get(), 2);
    });
}

/// `curl` asks whether it may send so much before it does (`100-continue`).
#[test]
fn curl_gets_back_megabytes_that_it_sent() {
    if !is_installed("curl") {
        return;
    }
    run(async {
        let server = Echo::start().await;
        let folder = Folder::new();
        let sent = content(5_000_000);
        let file = folder.file("sent", &sent);
        let output = curl(vec![
            "--upload-file".into(),
            file.display().to_string(),
            format!("http://{}/", server.address),
        ]);
        // Behind the last slash, curl puts the name of the file.
        let expected = [&b"/sent"[..], &sent].concat();
        assert!(output.await.stdout == expected);
    });
}

/// A client that goes away in the middle of an answer is gone, and that is all.
#[test]
fn curl_may_leave_before_the_end() {
    if !is_installed("curl") {
        return;
    }
    run(async {
        let server = Echo::start().await;
        let folder = Folder::new();
        let file = folder.file("sent", content(5_000_000));
        let address = server.address;
        let output = to_thread(move || {
            Command::new("curl")
                .args(["--silent", "--noproxy", "*", "--max-filesize", "1000"])
                .arg("--data-binary")
                .arg(format!("@{}", file.display()))
                .arg(format!("http://{address}/"))
                .output()
        });
        assert!(!output.await.unwrap().unwrap().status.success());
        let page = format!("http://{address}/after");
        assert_eq!(curl(vec![page]).await.stdout, b"/after");
    });
}
