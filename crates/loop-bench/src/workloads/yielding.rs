//! W3: a switch from one task to the next.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;

use super::{Scale, Workload, on};
use crate::engine::{Engine, Feature::Tasks};
use crate::latch::{Latch, yield_once};
use crate::measure::{Metric, Stopwatch};

const TASKS: usize = 1_000;

pub(super) fn workloads<E: Engine>() -> Vec<Workload> {
    vec![
        Workload {
            name: "w3.yield",
            about: "1,000 tasks that yield 1,000 times each, as the engine does it",
            needs: &[Tasks],
            run: |scale| switches::<E, _>("w3.yield", scale, E::yield_now),
        },
        Workload {
            name: "w3.wake",
            about: "the same by `wake_by_ref` and `Pending`",
            needs: &[Tasks],
            run: |scale| switches::<E, _>("w3.wake", scale, yield_once),
        },
    ]
}

fn switches<E: Engine, F: Future<Output = ()> + 'static>(
    row: &str,
    scale: Scale,
    make: fn() -> F,
) -> Vec<Metric> {
    let times = scale.count(1_000);
    let (time, count) = on(scale, move |engine: E| async move {
        let (latch, count) = (Latch::new(TASKS), Rc::new(Cell::new(0)));
        let watch = Stopwatch::start();
        for _ in 0..TASKS {
            let (latch, count) = (latch.clone(), Rc::clone(&count));
            engine.spawn_detached(async move {
                for _ in 0..times {
                    make().await;
                    count.set(count.get() + 1);
                }
                latch.count_down();
            });
        }
        latch.wait().await;
        (watch.elapsed(), count.get())
    });
    assert_eq!(count, TASKS * times, "nobody was left out");
    vec![Metric::each(row, time, TASKS * times)]
}
