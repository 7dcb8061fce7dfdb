//! What a loop takes from the system, it gives back. One test, for its process must have no other at work.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "clippy excuses the tests themselves, not what they call"
)]

use std::os::unix::net::UnixStream;
use std::time::Duration;

use loop_core::EventLoop;

fn entries(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn loops_give_back_their_descriptors() {
    let (near, _far) = UnixStream::pair().unwrap();
    let before = (entries("/proc/self/fd"), entries("/proc/self/task"));
    let mut handles = Vec::new();
    for round in 0..1_000 {
        let event_loop = EventLoop::new().unwrap();
        event_loop.add_reader(&near, || ()).unwrap();
        event_loop.run_once(Some(Duration::ZERO)).unwrap();
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        event_loop.add_reader(&file, || ()).unwrap_err();
        // Handles outlive their loops, and cost memory only.
        handles.push(event_loop.handle());
        if round % 2 == 0 {
            event_loop.close().unwrap();
        }
    }
    assert!(handles.iter().all(loop_core::LoopHandle::is_closed));
    let after = (entries("/proc/self/fd"), entries("/proc/self/task"));
    assert_eq!(after, before);
}
