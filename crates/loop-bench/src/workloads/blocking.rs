//! W7: functions in the engine's own pool of threads.

use futures::future::join_all;

use super::{Scale, Workload, on};
use crate::engine::{Engine, Feature};
use crate::measure::{Metric, Processors, Stopwatch};

const NEEDS: &[Feature] = &[Feature::Tasks, Feature::Blocking];
const IN_FLIGHT: usize = 1_000;

pub(super) fn workloads<E: Engine>() -> Vec<Workload> {
    vec![
        Workload {
            name: "w7.one",
            about: "on one processor: a function in the pool, one at a time",
            needs: NEEDS,
            run: one::<E>,
        },
        Workload {
            name: "w7.many",
            about: "1,000 functions in flight",
            needs: NEEDS,
            run: many::<E>,
        },
    ]
}

fn one<E: Engine>(scale: Scale) -> Vec<Metric> {
    Processors::allowed().pin_to_last();
    let count = scale.count(50_000);
    let (time, sum) = on(scale, move |engine: E| async move {
        let mut sum = engine.blocking(|| 0).await; // The first thread starts.
        let watch = Stopwatch::start();
        for i in 0..count {
            sum += engine.blocking(move || i).await;
        }
        (watch.elapsed(), sum)
    });
    assert_eq!(sum, count * (count - 1) / 2, "each gave its own");
    vec![Metric::each("w7.one", time, count)]
}

fn many<E: Engine>(scale: Scale) -> Vec<Metric> {
    let batches = scale.count(200);
    let (time, sum) = on(scale, move |engine: E| async move {
        let mut sum = 0;
        let watch = Stopwatch::start();
        for _ in 0..batches {
            let jobs = (0..IN_FLIGHT).map(|i| engine.blocking(move || i));
            sum += join_all(jobs).await.into_iter().sum::<usize>();
        }
        (watch.elapsed(), sum)
    });
    let expected = batches * (IN_FLIGHT * (IN_FLIGHT - 1) / 2);
    assert_eq!(sum, expected, "each gave its own");
    vec![Metric::each("w7.many", time, batches * IN_FLIGHT)]
}
