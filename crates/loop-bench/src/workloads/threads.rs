//! W6: functions from other threads, and hand-overs between threads on one processor.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};

use super::{Scale, Workload, on};
use crate::engine::{Engine, Feature, Remote};
use crate::latch::{count_down_here, set_here};
use crate::measure::{Metric, Processors, Stopwatch};

const NEEDS: &[Feature] = &[Feature::Remote];

pub(super) fn workloads<E: Engine>() -> Vec<Workload> {
    vec![
        Workload {
            name: "w6.push-1",
            about: "closures from one other thread",
            needs: NEEDS,
            run: |scale| push::<E>("w6.push-1", scale, 1),
        },
        Workload {
            name: "w6.push-4",
            about: "closures from four other threads",
            needs: NEEDS,
            run: |scale| push::<E>("w6.push-4", scale, 4),
        },
        Workload {
            name: "w6.loop-to-loop",
            about: "on one processor: a closure to another loop, and one back",
            needs: NEEDS,
            run: loop_to_loop::<E>,
        },
        Workload {
            name: "w6.blocked-thread",
            about: "on one processor: a blocked thread waits for a result from the loop",
            needs: NEEDS,
            run: blocked_thread::<E>,
        },
    ]
}

fn push<E: Engine>(row: &str, scale: Scale, threads: usize) -> Vec<Metric> {
    let each = scale.count(1_000_000) / threads;
    let (time, sum) = on(scale, move |engine: E| async move {
        let latch = set_here(threads * each);
        let (sum, start) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(Barrier::new(threads + 1)),
        );
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (remote, sum, start) = (engine.remote(), Arc::clone(&sum), Arc::clone(&start));
                std::thread::spawn(move || {
                    start.wait();
                    for i in 0..each {
                        let sum = Arc::clone(&sum);
                        remote.post(move || {
                            // Only the loop's thread adds: what is measured is the way there.
                            sum.store(sum.load(Ordering::Relaxed) + i, Ordering::Relaxed);
                            count_down_here();
                        });
                    }
                })
            })
            .collect();
        start.wait();
        let watch = Stopwatch::start();
        latch.wait().await;
        let time = watch.elapsed();
        for worker in workers {
            worker.join().expect("it only posts");
        }
        (time, sum.load(Ordering::Relaxed))
    });
    assert_eq!(sum, threads * (each * (each - 1) / 2), "each came once");
    vec![Metric::each(row, time, threads * each)]
}

fn loop_to_loop<E: Engine>(scale: Scale) -> Vec<Metric> {
    Processors::allowed().pin_to_last();
    let rounds = scale.count(100_000);
    let time = on(scale, move |engine: E| async move {
        let (sender, receiver) = mpsc::channel();
        let other = std::thread::spawn(move || {
            E::run(move |engine: E| async move {
                let stop = set_here(1);
                sender.send(engine.remote()).expect("it is awaited");
                stop.wait().await;
            });
        });
        let there = receiver.recv().expect("the other loop starts");
        let back = engine.remote();
        let watch = Stopwatch::start();
        for _ in 0..rounds {
            let (latch, back) = (set_here(1), back.clone());
            there.post(move || back.post(count_down_here));
            latch.wait().await;
        }
        let time = watch.elapsed();
        there.post(count_down_here);
        other.join().expect("it ends when it is told");
        time
    });
    vec![Metric::each("w6.loop-to-loop", time, rounds)]
}

fn blocked_thread<E: Engine>(scale: Scale) -> Vec<Metric> {
    Processors::allowed().pin_to_last();
    let rounds = scale.count(100_000);
    let (time, sum) = on(scale, move |engine: E| async move {
        let (latch, remote) = (set_here(1), engine.remote());
        let thread = std::thread::spawn(move || {
            let watch = Stopwatch::start();
            let sum: usize = (0..rounds).map(|i| remote.call(move || i)).sum();
            let time = watch.elapsed();
            remote.post(count_down_here);
            (time, sum)
        });
        latch.wait().await;
        thread.join().expect("it gets its results")
    });
    assert_eq!(sum, rounds * (rounds - 1) / 2, "each got its own");
    vec![Metric::each("w6.blocked-thread", time, rounds)]
}
