//! Jobs in other processes.
//!
//! From the outside in: a *[call](call)* of a *[function](function)* is submitted to the
//! *[pool]*, which leaves it in what it *[shares](shared)* with its *[manager]*. That gives it to a
//! *[link]*, one for each worker, which writes it as a *[frame]* to a *[pipe]*. At its other end
//! the *[worker]* reads it, makes the call and answers.

pub(crate) mod call;
pub(crate) mod call_job;
pub(crate) mod calls;
mod content;
mod frame;
pub(crate) mod function;
pub(crate) mod job_error;
mod link;
mod manager;
pub(crate) mod map;
mod nothing;
mod owed;
mod pipe;
pub(crate) mod pool;
mod remote_panic;
pub(crate) mod settings;
mod shared;
mod sys;
pub(crate) mod travel;
mod wire;
pub(crate) mod worker;
