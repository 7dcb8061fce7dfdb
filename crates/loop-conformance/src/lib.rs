//! The script runner: programs that must leave the traces that asyncio leaves.
//!
//! A *program* is a script of ops: make tasks, await them, cancel them, contend for locks. Run by
//! CPython 3.13 in virtual time it leaves a *trace*: what happened, in which order, at which
//! microsecond. Run by this project's loop in virtual time, it must leave the same. The *oracle* (a
//! folder of Python beside this one) makes programs and their traces; the *corpus* keeps some of
//! both.
//!
//! 1. A line is read into a [`Program`] of typed ops, or, with the trace expected of it, into an
//!    [`Entry`].
//! 2. The *machine* ([`run`]) does what a program says, on a loop in virtual time: each op is a line or two of what a
//!    user of the loop would write.
//! 3. Two traces are compared event by event: [`Trace::difference`] finds the first that differs.
//! 4. A [`Tally`] runs programs, of the corpus ([`check_corpus`]) or new from the [`Oracle`], and
//!    keeps those that failed.
//!
//! What the runner needs and the public API lacks is a gap in the API: nothing here knows the corpus.

#![forbid(unsafe_code)]

mod at_once;
mod body;
mod check;
mod command_line;
mod corpus;
mod failure;
mod machine;
mod many;
mod one;
mod oracle;
mod program;
mod raised;
mod table;
mod trace;
mod value;

pub use check::{Failed, Tally, check_corpus};
pub use command_line::command_line;
pub use corpus::{Entry, corpus_entries, corpus_files};
pub use failure::{Failure, Pattern};
pub use machine::run;
pub use oracle::{Oracle, PROFILES};
pub use program::{Body, Handler, Name, Names, Next, Op, Program, When};
pub use trace::{Difference, Event, Trace};
pub use value::Value;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
