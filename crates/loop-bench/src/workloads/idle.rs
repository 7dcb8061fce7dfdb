//! W13: what a loop costs that has nothing to do.

use std::net::TcpStream;
use std::time::Duration;

use super::{Scale, Workload, listener, on};
use crate::child::finish;
use crate::engine::{Engine, Feature};
use crate::measure::{Metric, process_cpu};

const CONNECTIONS: usize = 1_000;
const TIMERS: usize = 10_000;

pub(super) fn workloads<E: Engine>() -> Vec<Workload> {
    vec![Workload {
        name: "w13.idle",
        about: "processor time a second with 1,000 idle connections and 10,000 far timers",
        needs: &[Feature::Tasks, Feature::Timers, Feature::Net],
        run: idle::<E>,
    }]
}

fn idle<E: Engine>(scale: Scale) -> Vec<Metric> {
    let span = Duration::from_millis(scale.count(3_000).max(200) as u64);
    on(scale, move |engine: E| async move {
        let listener = listener();
        let address = listener.local_addr().expect("it is bound");
        engine.spawn_detached(engine.serve(listener, CONNECTIONS));
        let clients = std::thread::spawn(move || {
            let connect = |_| TcpStream::connect(address).expect("it listens");
            (0..CONNECTIONS).map(connect).collect::<Vec<_>>()
        });
        for i in 0..TIMERS {
            let far = Duration::from_micros(3_600_000_000 + i as u64);
            engine.spawn_detached(engine.sleep(far));
        }
        while !clients.is_finished() {
            engine.sleep(Duration::from_millis(10)).await;
        }
        engine.sleep(Duration::from_millis(100)).await;
        let clients = clients.join().expect("it connects");
        assert_eq!(clients.len(), CONNECTIONS);
        let before = process_cpu();
        engine.sleep(span).await;
        let used = process_cpu() - before;
        let micros = used.as_nanos() as f64 / 1e3 / span.as_secs_f64();
        finish(Metric::new("w13.idle", micros, "us/s"))
    })
}
