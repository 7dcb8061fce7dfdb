//! The workloads, one file a family. Each checks that what it measured was done, and done right.

mod blocking;
mod callbacks;
mod channels;
mod clients;
mod combinators;
mod http;
mod idle;
mod memory;
mod precision;
mod spawning;
mod tcp;
mod threads;
mod timers;
mod yielding;

use std::net::{Ipv4Addr, TcpListener};

use crate::engine::{Engine, Feature};
use crate::measure::Metric;
pub(crate) use http::{PAGE, REQUEST, serve_connection};

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Which part of the work: 1 is all of it, 20 the twentieth part.
    pub(crate) part: usize,
    /// With a listening socket on the loop: what polling costs is seen.
    pub(crate) listen: bool,
}

impl Scale {
    /// The part of `full` that is wanted.
    pub(crate) fn count(self, full: usize) -> usize {
        (full / self.part).max(1)
    }
}

/// A workload for one engine.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) needs: &'static [Feature],
    pub(crate) run: fn(Scale) -> Vec<Metric>,
}

impl Workload {
    /// Whether an engine has what it needs.
    pub(crate) fn runs_on<E: Engine>(&self) -> bool {
        self.needs.iter().all(|feature| E::supports(*feature))
    }
}

/// Every workload, in the order of the table.
pub(crate) fn all<E: Engine>() -> Vec<Workload> {
    [
        callbacks::workloads::<E>(),
        spawning::workloads::<E>(),
        yielding::workloads::<E>(),
        channels::workloads::<E>(),
        timers::workloads::<E>(),
        threads::workloads::<E>(),
        blocking::workloads::<E>(),
        combinators::workloads::<E>(),
        tcp::workloads::<E>(),
        http::workloads::<E>(),
        memory::workloads::<E>(),
        precision::workloads::<E>(),
        idle::workloads::<E>(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Runs `main` on an engine, beside a listening socket if that is wanted.
pub(crate) fn on<E: Engine, F>(scale: Scale, main: impl FnOnce(E) -> F + 'static) -> F::Output
where
    F: Future<Output: 'static> + 'static,
{
    E::run(move |engine: E| async move {
        if scale.listen && E::supports(Feature::Net) && E::supports(Feature::Tasks) {
            engine.spawn_detached(engine.serve(listener(), 1));
            E::yield_now().await;
        }
        main(engine).await
    })
}

/// A socket that listens here, at a port that the system chooses.
pub(crate) fn listener() -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    // A thousand clients come at once: one that finds no room tries again a second later.
    rustix::net::listen(&listener, 4096).expect("it listens already");
    listener
}

/// What an echo reads into.
pub(crate) fn buffer() -> Vec<u8> {
    vec![0; 8 * 1024]
}
