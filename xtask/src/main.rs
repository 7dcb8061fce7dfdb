//! The project's own tools: `cargo xtask VERB`.

fn main() {}
