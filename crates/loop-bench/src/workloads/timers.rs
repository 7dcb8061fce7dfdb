//! W5: timers.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::{Scale, Workload, on};
use crate::engine::{Engine, Feature};
use crate::latch::Latch;
use crate::measure::{Metric, Stopwatch, process_cpu};

const NEEDS: &[Feature] = &[Feature::Tasks, Feature::Timers];

pub(super) fn workloads<E: Engine>() -> Vec<Workload> {
    vec![
        Workload {
            name: "w5.make-drop",
            about: "make and drop a timer among 100,000",
            needs: NEEDS,
            run: make_and_drop::<E>,
        },
        Workload {
            name: "w5.sleeps",
            about: "processor time of 100,000 random sleeps in 0 to 200 ms",
            needs: NEEDS,
            run: sleeps::<E>,
        },
        Workload {
            name: "w5.timeout",
            about: "a timeout around a future that is ready after one yield",
            needs: NEEDS,
            run: timeout::<E>,
        },
    ]
}

/// Random numbers, the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn make_and_drop<E: Engine>(scale: Scale) -> Vec<Metric> {
    let (among, count) = (scale.count(100_000), scale.count(1_000_000));
    let time = on(scale, move |engine: E| async move {
        let mut random = Random(88172645463325252);
        let mut far = move || Duration::from_millis(60_000 + random.below(60_000));
        let mut others: Vec<_> = (0..among).map(|_| Box::pin(engine.sleep(far()))).collect();
        poll_fn(|cx| {
            let ready = others.iter_mut().any(|it| it.as_mut().poll(cx).is_ready());
            assert!(!ready, "nobody sleeps for a minute in no time");
            Poll::Ready(())
        })
        .await;
        let watch = Stopwatch::start();
        for _ in 0..count {
            let mut timer = pin!(engine.sleep(far()));
            let ready = poll_fn(|cx| Poll::Ready(timer.as_mut().poll(cx).is_ready())).await;
            assert!(!ready, "nobody sleeps for a minute in no time");
        }
        let time = watch.elapsed();
        drop(others);
        time
    });
    vec![Metric::each("w5.make-drop", time, count)]
}

fn sleeps<E: Engine>(scale: Scale) -> Vec<Metric> {
    let count = scale.count(100_000);
    let time = on(scale, move |engine: E| async move {
        let mut random = Random(88172645463325252);
        let latch = Latch::new(count);
        let before = process_cpu();
        for _ in 0..count {
            let delay = Duration::from_nanos(random.below(200_000_000));
            let (latch, sleep) = (latch.clone(), engine.sleep(delay));
            let watch = Stopwatch::start();
            engine.spawn_detached(async move {
                sleep.await;
                assert!(watch.elapsed() + Duration::from_millis(2) >= delay);
                latch.count_down();
            });
        }
        latch.wait().await;
        process_cpu() - before
    });
    vec![Metric::each("w5.sleeps", time, count)]
}

fn timeout<E: Engine>(scale: Scale) -> Vec<Metric> {
    let count = scale.count(500_000);
    let time = on(scale, move |engine: E| async move {
        let watch = Stopwatch::start();
        for i in 0..count {
            let inner = async {
                E::yield_now().await;
                i
            };
            let result = engine.timeout(Duration::from_secs(10), inner).await;
            assert_eq!(result, Some(i), "it was in time");
        }
        watch.elapsed()
    });
    vec![Metric::each("w5.timeout", time, count)]
}
