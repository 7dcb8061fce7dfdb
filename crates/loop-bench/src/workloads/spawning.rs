//! W2: tasks that do nothing.

use super::{Scale, Workload, on};
use crate::engine::{Engine, Feature::Tasks};
use crate::latch::Latch;
use crate::measure::{Metric, Stopwatch};

const BATCH: usize = 1_000;

pub(super) fn workloads<E: Engine>() -> Vec<Workload> {
    vec![
        Workload {
            name: "w2.await",
            about: "spawn and await 1,000,000 trivial tasks in batches of 1,000",
            needs: &[Tasks],
            run: awaited::<E>,
        },
        Workload {
            name: "w2.detached",
            about: "the same detached",
            needs: &[Tasks],
            run: detached::<E>,
        },
    ]
}

fn awaited<E: Engine>(scale: Scale) -> Vec<Metric> {
    let batches = scale.count(1_000);
    let (time, sum) = on(scale, move |engine: E| async move {
        let mut sum = 0;
        let watch = Stopwatch::start();
        for _ in 0..batches {
            let tasks: Vec<_> = (0..BATCH).map(|i| engine.spawn(async move { i })).collect();
            for task in tasks {
                sum += E::join(task).await;
            }
        }
        (watch.elapsed(), sum)
    });
    assert_eq!(
        sum,
        batches * (BATCH * (BATCH - 1) / 2),
        "each gave its own"
    );
    vec![Metric::each("w2.await", time, batches * BATCH)]
}

fn detached<E: Engine>(scale: Scale) -> Vec<Metric> {
    let batches = scale.count(1_000);
    let time = on(scale, move |engine: E| async move {
        let watch = Stopwatch::start();
        for _ in 0..batches {
            let latch = Latch::new(BATCH);
            for _ in 0..BATCH {
                let latch = latch.clone();
                engine.spawn_detached(async move { latch.count_down() });
            }
            latch.wait().await;
        }
        watch.elapsed()
    });
    vec![Metric::each("w2.detached", time, batches * BATCH)]
}
