//! What a program promises: its lines, their times, their order.

use std::path::Path;

use serde::Deserialize;

/// A program's contract, as its file says it. Numbers in `chains` and `before` count `lines` from 0.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contract {
    /// What the program is there to show.
    pub(crate) shows: String,
    /// How long it takes, and why.
    pub(crate) law: String,
    /// What it prints, in one of the orders allowed.
    pub(crate) lines: Vec<Line>,
    /// Whether all lines come in the order given, or only those that the next two lists name.
    pub(crate) order: Order,
    /// Lines that keep their order among themselves.
    #[serde(default)]
    pub(crate) chains: Vec<Vec<usize>>,
    /// Lines of which every one comes before every one of others.
    #[serde(default)]
    pub(crate) before: Vec<(Vec<usize>, Vec<usize>)>,
    /// How many of something are open at a time.
    #[serde(default)]
    pub(crate) peak: Vec<Peak>,
    /// How many different names something has.
    #[serde(default)]
    pub(crate) distinct: Vec<Distinct>,
    /// How far from its time a line may come.
    pub(crate) tolerance: Tolerance,
    /// Whether something must stand on standard error, or nothing may.
    pub(crate) stderr: bool,
}

/// A line: its text without what differs from run to run, and the second in which it comes, counted
/// from the first line.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    pub(crate) at: f64,
    pub(crate) text: String,
}

/// Which lines are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// All of them.
    Total,
    /// Those that `chains` and `before` name; any other two may change places.
    Partial,
}

/// The lines with `open` less those with `close` reach `max`, and never more.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peak {
    pub(crate) open: String,
    pub(crate) close: String,
    pub(crate) max: usize,
}

/// In the lines that contain `in`, there are `count` different words after `after`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Distinct {
    #[serde(rename = "in")]
    pub(crate) inside: String,
    pub(crate) after: String,
    pub(crate) count: usize,
}

/// How many seconds of the program a line may come early or late.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tolerance {
    pub(crate) early: f64,
    pub(crate) late: f64,
}

impl Contract {
    /// Reads the contract of a program.
    pub(crate) fn read(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds/contracts");
        let path = folder.join(format!("{name}.json"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let contract: Self = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            !contract.lines.is_empty(),
            "{} has no lines",
            path.display()
        );
        contract
    }

    /// The second of its last line.
    pub(crate) fn length(&self) -> f64 {
        self.lines.iter().map(|line| line.at).fold(0.0, f64::max)
    }

    /// The lines that keep their order among themselves.
    pub(crate) fn ordered(&self) -> Vec<Vec<usize>> {
        match self.order {
            Order::Total => vec![(0..self.lines.len()).collect()],
            Order::Partial => self.chains.clone(),
        }
    }
}
