//! `wrk` asks hyper's server on this loop, from many connections at once.

use std::process::Command;

use loop_executor::to_thread;

use crate::program::is_installed;
use crate::run;
use crate::server::Echo;

#[test]
fn wrk_counts_no_error() {
    if !is_installed("wrk") {
        return;
    }
    run(async {
        let server = Echo::start().await;
        let url = format!("http://{}/page", server.address);
        let output = to_thread(move || {
            Command::new("wrk")
                .args(["--threads", "1", "--connections", "64", "--duration", "1s"])
                .args(["--timeout", "60s", &url])
                .output()
        });
        let output = output.await.unwrap().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        // It mentions them only if there were any.
        for trouble in ["Socket errors", "Non-2xx"] {
            assert!(!text.contains(trouble), "{text}");
        }
        let answered = text
            .lines()
            .find_map(|line| line.split_once(" requests in "))
            .and_then(|(count, _)| count.trim().parse::<usize>().ok())
            .unwrap_or_else(|| panic!("{text}"));
        let served = server.served.get();
        assert!(answered > 0 && answered <= served, "{served}: {text}");
    });
}
