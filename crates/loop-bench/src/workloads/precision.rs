//! W12: how late a sleep ends.

use std::time::Duration;

use super::{Scale, Workload, on};
use crate::engine::{Engine, Feature};
use crate::measure::{Metric, Stopwatch, quantile};

pub(super) fn workloads<E: Engine>() -> Vec<Workload> {
    vec![Workload {
        name: "w12.overshoot",
        about: "overshoot of a sleep of 300 us, 1 ms and 5 ms: median and 99 %",
        needs: &[Feature::Tasks, Feature::Timers],
        run: overshoot::<E>,
    }]
}

fn overshoot<E: Engine>(scale: Scale) -> Vec<Metric> {
    let samples = scale.count(400);
    let delays = [("300us", 300), ("1ms", 1_000), ("5ms", 5_000)];
    let mut metrics = Vec::new();
    for (name, micros) in delays {
        let delay = Duration::from_micros(micros);
        let mut late = on(scale, move |engine: E| async move {
            let mut late = Vec::with_capacity(samples);
            for _ in 0..samples {
                let watch = Stopwatch::start();
                engine.sleep(delay).await;
                let took = watch.elapsed();
                assert!(took + Duration::from_millis(2) > delay, "it slept");
                late.push(took.saturating_sub(delay).as_nanos() as f64 / 1e3);
            }
            late
        });
        late.sort_by(f64::total_cmp);
        let row = |share: &str| format!("w12.{name}.{share}");
        metrics.push(Metric::new(row("median"), quantile(&late, 0.5), "us"));
        metrics.push(Metric::new(row("p99"), quantile(&late, 0.99), "us"));
    }
    metrics
}
