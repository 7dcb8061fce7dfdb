//! The main thread gets a current loop on demand, once. A program of its own, since a test harness runs every test
//! on another thread.

#![expect(clippy::unwrap_used, reason = "all of this program is a test")]

use loop_core::{get_event_loop, get_running_loop, set_event_loop};

fn main() {
    let made = get_event_loop().expect("the main thread gets a loop on demand");
    assert_eq!(get_event_loop().unwrap(), made, "the same one every time");
    assert!(get_running_loop().is_err());
    made.call_soon(|| {
        let running = get_running_loop().unwrap();
        assert_eq!(get_event_loop().unwrap(), running);
        running.stop();
    })
    .unwrap();
    made.run_forever().unwrap();

    std::thread::spawn(|| assert!(get_event_loop().is_err(), "no other thread does"))
        .join()
        .unwrap();

    set_event_loop(None);
    let refused = get_event_loop().expect_err("somebody chose to have none");
    assert_eq!(
        refused.to_string(),
        "There is no current event loop in thread 'main'."
    );
    made.close().unwrap();
    println!("the main thread's loop is made on demand, once: ok");
}
