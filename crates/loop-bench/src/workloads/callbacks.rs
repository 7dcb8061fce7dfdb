//! W1: callbacks. An engine that has only tasks spawns a detached one for each.

use std::cell::Cell;
use std::rc::Rc;

use super::{Scale, Workload, on};
use crate::engine::{Engine, Feature::Callbacks};
use crate::latch::Latch;
use crate::measure::{Metric, Stopwatch};

pub(super) fn workloads<E: Engine>() -> Vec<Workload> {
    vec![
        Workload {
            name: "w1.batches",
            about: "callbacks, queued in batches of 10,000",
            needs: &[Callbacks],
            run: |scale| queued::<E>("w1.batches", scale, scale.count(100), 10_000),
        },
        Workload {
            name: "w1.burst",
            about: "1,000,000 callbacks in one burst",
            needs: &[Callbacks],
            run: |scale| queued::<E>("w1.burst", scale, 1, scale.count(1_000_000)),
        },
        Workload {
            name: "w1.again",
            about: "a callback that schedules itself again",
            needs: &[Callbacks],
            run: again::<E>,
        },
    ]
}

fn queued<E: Engine>(row: &str, scale: Scale, batches: usize, size: usize) -> Vec<Metric> {
    let (time, sum) = on(scale, move |engine: E| async move {
        let sum = Rc::new(Cell::new(0));
        let watch = Stopwatch::start();
        for _ in 0..batches {
            let latch = Latch::new(1);
            for _ in 0..size - 1 {
                let sum = Rc::clone(&sum);
                engine.call_soon(move || sum.set(sum.get() + 1));
            }
            let last = (Rc::clone(&sum), latch.clone());
            engine.call_soon(move || {
                let (sum, latch) = last;
                sum.set(sum.get() + 1);
                latch.count_down();
            });
            latch.wait().await;
        }
        (watch.elapsed(), sum.get())
    });
    assert_eq!(sum, batches * size, "every callback ran once");
    vec![Metric::each(row, time, batches * size)]
}

fn again<E: Engine>(scale: Scale) -> Vec<Metric> {
    let count = scale.count(1_000_000);
    let time = on(scale, move |engine: E| async move {
        let latch = Latch::new(count);
        let watch = Stopwatch::start();
        step(engine, latch.clone());
        latch.wait().await;
        watch.elapsed()
    });
    vec![Metric::each("w1.again", time, count)]
}

fn step<E: Engine>(engine: E, latch: Latch) {
    engine.clone().call_soon(move || {
        latch.count_down();
        if latch.left() > 0 {
            step(engine, latch);
        }
    });
}
