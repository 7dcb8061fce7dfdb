//! The crawler among the examples, as its users run it: on its own site, on sites with all that HTML and HTTP have, on
//! servers that misbehave, and on one that nobody here has written.
#![cfg(all(feature = "net", feature = "process"))]
#![expect(clippy::unwrap_used, reason = "a test fails by that")]

#[expect(dead_code, reason = "the crawl reads what these tests only carry")]
#[path = "../../examples/crawler/frontier.rs"]
mod frontier;
#[path = "../../examples/crawler/links.rs"]
mod links;
mod robots;

mod busy;
mod command_line;
mod deaths;
mod hostile;
mod nginx;
mod own_site;
mod packed;
mod pages;
mod politeness;
mod run;
mod server;
mod trust;
mod website;
