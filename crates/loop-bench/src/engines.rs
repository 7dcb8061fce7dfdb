//! The engines, one file each. A new one is a file here and a line in `peers`.

mod asyncloop;
mod bare;
#[cfg(feature = "peers")]
mod calloop;
#[cfg(feature = "peers")]
mod compio;
#[cfg(feature = "peers")]
mod glommio;
#[cfg(feature = "peers")]
mod local_pool;
#[cfg(feature = "peers")]
mod monoio;
#[cfg(feature = "peers")]
mod smol;
#[cfg(feature = "peers")]
mod tokio;

use crate::engine::Engine;

/// What is done with every engine: a closure cannot be generic.
pub(crate) trait Visitor {
    fn visit<E: Engine>(&mut self);
}

/// Visits every engine, this library first.
pub(crate) fn for_each(visitor: &mut impl Visitor) {
    visitor.visit::<asyncloop::Asyncloop>();
    #[cfg(feature = "peers")]
    peers(visitor);
    visitor.visit::<bare::Bare>();
}

#[cfg(feature = "peers")]
fn peers(visitor: &mut impl Visitor) {
    visitor.visit::<tokio::Tokio>();
    visitor.visit::<smol::Smol>();
    visitor.visit::<monoio::Monoio<false>>();
    visitor.visit::<monoio::Monoio<true>>();
    visitor.visit::<compio::Compio<true>>();
    visitor.visit::<compio::Compio<false>>();
    visitor.visit::<glommio::Glommio>();
    visitor.visit::<calloop::Calloop>();
    visitor.visit::<local_pool::LocalPool>();
}

/// The engine that is measured against the others.
pub(crate) const OURS: &str = "asyncloop";

/// The engine that is no peer: a limit that nobody reaches who does anything else.
pub(crate) const LIMIT: &str = "bare";
