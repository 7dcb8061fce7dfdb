//! W9: an echo server.

use super::clients::Load;
use super::{Scale, Workload, listener, on};
use crate::engine::{Engine, Feature};
use crate::measure::{Metric, Processors, thread_cpu};

const NEEDS: &[Feature] = &[Feature::Net];

pub(super) fn workloads<E: Engine>() -> Vec<Workload> {
    fn workload(name: &'static str, run: fn(Scale) -> Vec<Metric>) -> Workload {
        Workload {
            name,
            about: "TCP echo: connections x bytes, wall and server's processor time a request",
            needs: NEEDS,
            run,
        }
    }
    vec![
        workload("w9.1x64", |scale| echo::<E>("w9.1x64", scale, 1, 64)),
        workload("w9.64x64", |scale| echo::<E>("w9.64x64", scale, 64, 64)),
        workload("w9.1000x64", |scale| {
            echo::<E>("w9.1000x64", scale, 1_000, 64)
        }),
        workload("w9.1x4096", |scale| echo::<E>("w9.1x4096", scale, 1, 4096)),
        workload("w9.64x4096", |scale| {
            echo::<E>("w9.64x4096", scale, 64, 4096)
        }),
        workload("w9.1000x4096", |scale| {
            echo::<E>("w9.1000x4096", scale, 1_000, 4096)
        }),
    ]
}

fn echo<E: Engine>(name: &str, scale: Scale, connections: usize, bytes: usize) -> Vec<Metric> {
    let requests = scale.count(200_000).max(connections);
    let (wall, cpu) = on(scale, move |engine: E| async move {
        let processors = Processors::allowed();
        processors.pin_to_first();
        let listener = listener();
        let load = Load {
            address: listener.local_addr().expect("it is bound"),
            connections,
            requests,
            request: Box::new(move |number| vec![number as u8; bytes]),
            is_whole,
        };
        let server = engine.serve(listener, connections);
        let clients = std::thread::spawn(move || {
            processors.pin_to_last();
            load.run()
        });
        let before = thread_cpu();
        server.await;
        let cpu = thread_cpu() - before;
        (clients.join().expect("every answer was right"), cpu)
    });
    vec![
        Metric::each(format!("{name}.wall"), wall, requests),
        Metric::each(format!("{name}.cpu"), cpu, requests),
    ]
}

fn is_whole(request: &[u8], answer: &[u8]) -> bool {
    let is_whole = answer.len() >= request.len();
    assert!(!is_whole || answer == request, "an echo is what was said");
    is_whole
}
