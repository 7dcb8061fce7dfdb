//! W8: waiting for many at once.

use std::time::Duration;

use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt};

use super::{Scale, Workload, on};
use crate::engine::{Engine, Feature::Tasks};
use crate::latch::{Gate, Latch};
use crate::measure::{Metric, Stopwatch};

const MEMBERS: usize = 10_000;
const SUM: usize = MEMBERS * (MEMBERS - 1) / 2;

pub(super) fn workloads<E: Engine>() -> Vec<Workload> {
    vec![
        Workload {
            name: "w8.gather",
            about: "spawn and gather 10,000 tasks, per task",
            needs: &[Tasks],
            run: gather::<E>,
        },
        Workload {
            name: "w8.first",
            about: "wait for the first of 10,000 tasks that all wait, per task",
            needs: &[Tasks],
            run: first::<E>,
        },
        Workload {
            name: "w8.join-all",
            about: "`join_all` of 10,000 futures that yield once, per future",
            needs: &[Tasks],
            run: all_joined::<E>,
        },
        Workload {
            name: "w8.unordered",
            about: "`FuturesUnordered` of 10,000 futures that yield once, per future",
            needs: &[Tasks],
            run: unordered::<E>,
        },
    ]
}

fn gather<E: Engine>(scale: Scale) -> Vec<Metric> {
    let times = scale.count(40);
    let time = on(scale, move |engine: E| async move {
        let watch = Stopwatch::start();
        for _ in 0..times {
            let tasks = (0..MEMBERS).map(|i| engine.spawn(async move { i }));
            let results = engine.gather(tasks.collect()).await;
            assert_eq!(results.len(), MEMBERS);
            assert_eq!(results.into_iter().sum::<usize>(), SUM, "each its own");
        }
        watch.elapsed()
    });
    vec![Metric::each("w8.gather", time, times * MEMBERS)]
}

fn first<E: Engine>(scale: Scale) -> Vec<Metric> {
    let times = scale.count(40);
    let time = on(scale, move |engine: E| async move {
        let mut time = Duration::ZERO;
        for _ in 0..times {
            let (early, late) = (Gate::default(), Gate::default());
            let (started, ended) = (Latch::new(MEMBERS), Latch::new(MEMBERS));
            let tasks: Vec<_> = (0..MEMBERS)
                .map(|i| {
                    let gate = if i == MEMBERS / 2 { &early } else { &late };
                    let (open, started, ended) = (gate.wait(), started.clone(), ended.clone());
                    engine.spawn(async move {
                        started.count_down();
                        open.await;
                        ended.count_down();
                        i
                    })
                })
                .collect();
            // No first step is within the time.
            started.wait().await;
            let watch = Stopwatch::start();
            early.open();
            let (value, rest) = engine.first(tasks).await;
            time += watch.elapsed();
            assert_eq!(value, MEMBERS / 2, "the only one that could be");
            late.open();
            drop(rest); // A peer that cancels what nobody awaits ends the others here.
            if E::NAME == crate::engines::OURS {
                ended.wait().await;
            } else {
                E::yield_now().await;
            }
        }
        time
    });
    vec![Metric::each("w8.first", time, times * MEMBERS)]
}

fn all_joined<E: Engine>(scale: Scale) -> Vec<Metric> {
    let times = scale.count(40);
    let time = on(scale, move |_: E| async move {
        let watch = Stopwatch::start();
        for _ in 0..times {
            let results = join_all((0..MEMBERS).map(|i| yielded::<E>(i))).await;
            assert_eq!(results.into_iter().sum::<usize>(), SUM, "each its own");
        }
        watch.elapsed()
    });
    vec![Metric::each("w8.join-all", time, times * MEMBERS)]
}

fn unordered<E: Engine>(scale: Scale) -> Vec<Metric> {
    let times = scale.count(40);
    let time = on(scale, move |_: E| async move {
        let watch = Stopwatch::start();
        for _ in 0..times {
            let mut futures: FuturesUnordered<_> = (0..MEMBERS).map(|i| yielded::<E>(i)).collect();
            let mut sum = 0;
            while let Some(i) = futures.next().await {
                sum += i;
            }
            assert_eq!(sum, SUM, "each its own");
        }
        watch.elapsed()
    });
    vec![Metric::each("w8.unordered", time, times * MEMBERS)]
}

async fn yielded<E: Engine>(i: usize) -> usize {
    E::yield_now().await;
    i
}
