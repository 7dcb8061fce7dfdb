//! W11: what a sleeping task weighs.

use std::time::Duration;

use super::{Scale, Workload, on};
use crate::child::finish;
use crate::engine::{Engine, Feature};
use crate::measure::{Metric, resident_bytes};

pub(super) fn workloads<E: Engine>() -> Vec<Workload> {
    vec![Workload {
        name: "w11.memory",
        about: "memory of a sleeping task, 1,000,000 of them",
        needs: &[Feature::Tasks, Feature::Timers],
        run: sleeping::<E>,
    }]
}

fn sleeping<E: Engine>(scale: Scale) -> Vec<Metric> {
    let count = scale.count(1_000_000);
    on(scale, move |engine: E| async move {
        let before = resident_bytes();
        for i in 0..count {
            let sleep = engine.sleep(Duration::from_micros(3_600_000_000 + i as u64));
            engine.spawn_detached(sleep);
        }
        // Every one of them takes its first step.
        E::yield_now().await;
        engine.sleep(Duration::from_millis(20)).await;
        let bytes = resident_bytes().saturating_sub(before);
        finish(Metric::new("w11.memory", bytes as f64 / count as f64, "B"))
    })
}
