//! What becomes of what is written: back-pressure, and fairness to others.

use std::cell::Cell;
use std::rc::Rc;

use loop_net::start_server;
use loop_tasks::{all_tasks, create_task, current_task, yield_now};

use crate::{pair, run};

/// Strictly above the high mark a writer waits, until the low one.
#[test]
fn writers_are_held_back_by_slow_readers() {
    run(async {
        let (_reader, writer, far) = pair();
        writer.set_write_buffer_limits(1000, 200);
        // As much as the system keeps.
        while writer.get_write_buffer_size() == 0 {
            writer.write(&[1; 4096]);
        }
        let waiting = writer.get_write_buffer_size();
        writer.write(&vec![1; 1000usize.saturating_sub(waiting)]);
        if waiting <= 1000 {
            assert_eq!(writer.get_write_buffer_size(), 1000);
            writer.drain().await.unwrap(); // not strictly above
        }
        writer.write(&[1; 500]);
        let draining = create_task({
            let writer = writer.clone();
            async move {
                writer.drain().await.unwrap();
                writer.get_write_buffer_size()
            }
        });
        for _ in 0..20 {
            yield_now().await;
        }
        assert!(!draining.done());
        let mut buffer = vec![0; 100_000];
        while !draining.done() {
            far.read(&mut buffer).await.unwrap();
            yield_now().await;
        }
        assert!(draining.await.unwrap() <= 200);
    });
}

/// A program that waits for all of its tasks does not meet those who flush and accept.
#[test]
fn the_background_is_no_task() {
    run(async {
        let server = start_server(async |_, _| (), "127.0.0.1", 0).await.unwrap();
        let (_reader, writer, _far) = pair();
        writer.write(&vec![0; 3_000_000]);
        yield_now().await;
        // This one, and what runs it.
        let tasks = all_tasks();
        assert!(
            tasks.len() <= 1 + usize::from(current_task().is_some()),
            "{tasks:?}"
        );
        server.close();
    });
}

/// Somebody who writes and drains without ever being held back.
#[test]
fn a_writer_that_never_waits_lets_others_run() {
    run(async {
        let (_reader, writer, far) = pair();
        let received = Rc::new(Cell::new(0));
        let reading = create_task({
            let received = Rc::clone(&received);
            async move {
                let mut buffer = [0; 1024];
                loop {
                    let read = far.read(&mut buffer).await.unwrap();
                    received.set(received.get() + read);
                }
            }
        });
        for _ in 0..1000 {
            writer.write(b"x");
            writer.drain().await.unwrap();
        }
        assert!(received.get() > 500, "{}", received.get());
        reading.cancel();
    });
}
