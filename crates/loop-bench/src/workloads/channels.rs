//! W4: queues and one-shots between the tasks of one thread.

use super::{Scale, Workload, on};
use crate::engine::{Engine, Feature, LocalReceiver, LocalSender, OneSender};
use crate::measure::{Metric, Stopwatch};

const NEEDS: &[Feature] = &[Feature::Tasks, Feature::Channels];
const BURST: usize = 64;

pub(super) fn workloads<E: Engine>() -> Vec<Workload> {
    vec![
        Workload {
            name: "w4.ping-pong",
            about: "two tasks and two queues: there and back",
            needs: NEEDS,
            run: ping_pong::<E>,
        },
        Workload {
            name: "w4.stream",
            about: "a stream of 1,000,000 values in bursts of 64",
            needs: NEEDS,
            run: stream::<E>,
        },
        Workload {
            name: "w4.one-shot-ready",
            about: "make a one-shot, send, await",
            needs: NEEDS,
            run: one_shot_ready::<E>,
        },
        Workload {
            name: "w4.one-shot-waited",
            about: "await a one-shot that a new task sends",
            needs: NEEDS,
            run: one_shot_waited::<E>,
        },
    ]
}

fn ping_pong<E: Engine>(scale: Scale) -> Vec<Metric> {
    let rounds = scale.count(500_000);
    let (time, last) = on(scale, move |engine: E| async move {
        let (ping, mut pings) = engine.queue::<usize>();
        let (pong, mut pongs) = engine.queue::<usize>();
        engine.spawn_detached(async move {
            for _ in 0..rounds {
                let value = pings.recv().await;
                pong.send(value + 1);
            }
        });
        let watch = Stopwatch::start();
        let mut value = 0;
        for _ in 0..rounds {
            ping.send(value);
            value = pongs.recv().await;
        }
        (watch.elapsed(), value)
    });
    assert_eq!(last, rounds, "every value came back");
    vec![Metric::each("w4.ping-pong", time, rounds)]
}

fn stream<E: Engine>(scale: Scale) -> Vec<Metric> {
    let bursts = scale.count(1_000_000) / BURST;
    let (time, sum) = on(scale, move |engine: E| async move {
        let (sender, mut receiver) = engine.queue::<usize>();
        engine.spawn_detached(async move {
            for burst in 0..bursts {
                for i in 0..BURST {
                    sender.send(burst * BURST + i);
                }
                E::yield_now().await;
            }
        });
        let watch = Stopwatch::start();
        let mut sum = 0;
        for expected in 0..bursts * BURST {
            let value = receiver.recv().await;
            assert_eq!(value, expected, "in order");
            sum += value;
        }
        (watch.elapsed(), sum)
    });
    let count = bursts * BURST;
    assert_eq!(sum, count * (count - 1) / 2, "nothing was lost");
    vec![Metric::each("w4.stream", time, count)]
}

fn one_shot_ready<E: Engine>(scale: Scale) -> Vec<Metric> {
    let count = scale.count(1_000_000);
    let (time, sum) = on(scale, move |engine: E| async move {
        let watch = Stopwatch::start();
        let mut sum = 0;
        for i in 0..count {
            let (sender, receiver) = engine.oneshot::<usize>();
            sender.send(i);
            sum += receiver.await;
        }
        (watch.elapsed(), sum)
    });
    assert_eq!(sum, count * (count - 1) / 2, "each gave its own");
    vec![Metric::each("w4.one-shot-ready", time, count)]
}

fn one_shot_waited<E: Engine>(scale: Scale) -> Vec<Metric> {
    let count = scale.count(500_000);
    let (time, sum) = on(scale, move |engine: E| async move {
        let watch = Stopwatch::start();
        let mut sum = 0;
        for i in 0..count {
            let (sender, receiver) = engine.oneshot::<usize>();
            engine.spawn_detached(async move { sender.send(i) });
            sum += receiver.await;
        }
        (watch.elapsed(), sum)
    });
    assert_eq!(sum, count * (count - 1) / 2, "each gave its own");
    vec![Metric::each("w4.one-shot-waited", time, count)]
}
