//! The table: medians of ratios to the best peer of the same round.
//!
//! Two measurements a minute apart differ by what else the machine does; two of one round differ less. So each
//! figure is first divided by the best peer's of its round, and the median is taken of the quotients.

use std::fmt::Write;

use crate::engines::{LIMIT, OURS};
use crate::measure::{Metric, median};

/// One figure of one engine in one round.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) engine: &'static str,
    pub(crate) round: usize,
    pub(crate) metric: Metric,
}

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Sample>);

impl Table {
    pub(crate) fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    /// Every figure, a line each.
    pub(crate) fn csv(&self) -> String {
        let mut text = String::from("row,engine,round,value,unit\n");
        for sample in &self.0 {
            let Metric { row, value, unit } = &sample.metric;
            let _ = writeln!(
                text,
                "{row},{},{},{value},{unit}",
                sample.engine, sample.round
            );
        }
        text
    }

    /// The table as Markdown.
    pub(crate) fn render(&self) -> String {
        let mut engines: Vec<&str> = Vec::new();
        let mut rows: Vec<&str> = Vec::new();
        for sample in &self.0 {
            if !engines.contains(&sample.engine) {
                engines.push(sample.engine);
            }
            if !rows.contains(&sample.metric.row.as_str()) {
                rows.push(&sample.metric.row);
            }
        }
        // The order of a round is not that of the first workload if an engine lacks that.
        engines.sort_by_key(|engine| (*engine != OURS, *engine == LIMIT));
        let mut text = format!("| row | best peer | {} |\n", engines.join(" | "));
        text.push_str("| --- | --- |");
        text.push_str(&" ---: |".repeat(engines.len()));
        text.push('\n');
        for row in rows {
            let best = self.best_peer(row, &engines);
            let _ = write!(text, "| {row} | {best} |");
            for engine in &engines {
                let _ = match self.ratio(row, engine) {
                    Some(ratio) => write!(text, " {ratio:.2} |"),
                    None => write!(text, " |"),
                };
            }
            text.push('\n');
        }
        text
    }

    fn values<'a>(&'a self, row: &'a str, engine: &'a str) -> impl Iterator<Item = &'a Sample> {
        let of = move |sample: &&Sample| sample.metric.row == row && sample.engine == engine;
        self.0.iter().filter(of)
    }

    /// The best figure of a peer in a round; without any peer, our own.
    fn best_of_round(&self, row: &str, round: usize) -> Option<f64> {
        let of_round = |sample: &&Sample| sample.metric.row == row && sample.round == round;
        let best = |peers: bool| {
            let samples = self.0.iter().filter(of_round);
            let samples = samples.filter(|it| !peers || ![OURS, LIMIT].contains(&it.engine));
            samples.map(|it| it.metric.value).min_by(f64::total_cmp)
        };
        best(true).or_else(|| best(false))
    }

    fn ratio(&self, row: &str, engine: &str) -> Option<f64> {
        let ratios: Vec<f64> = self
            .values(row, engine)
            .filter_map(|it| Some(it.metric.value / self.best_of_round(row, it.round)?))
            .collect();
        (!ratios.is_empty()).then(|| median(&ratios))
    }

    /// The peer whose median ratio is the least, with its median figure.
    fn best_peer(&self, row: &str, engines: &[&str]) -> String {
        let peers = engines.iter().filter(|it| ![OURS, LIMIT].contains(*it));
        let best = peers
            .filter_map(|peer| Some((self.ratio(row, peer)?, *peer)))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        let Some((_, peer)) = best.or_else(|| Some((0.0, *engines.first()?))) else {
            return String::new();
        };
        let samples: Vec<&Sample> = self.values(row, peer).collect();
        let Some(first) = samples.first() else {
            return String::new();
        };
        let values: Vec<f64> = samples.iter().map(|it| it.metric.value).collect();
        format!("{peer} {}", figure(median(&values), &first.metric.unit))
    }
}

/// A figure as a person writes it.
fn figure(value: f64, unit: &str) -> String {
    match (unit, value) {
        ("ns", value) if value >= 1_000.0 => format!("{:.1} us", value / 1e3),
        (_, value) if value >= 10.0 => format!("{value:.0} {unit}"),
        _ => format!("{value:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(samples: &[(&'static str, usize, f64)]) -> Table {
        let mut table = Table::default();
        for &(engine, round, value) in samples {
            table.push(Sample {
                engine,
                round,
                metric: Metric::new("row", value, "ns"),
            });
        }
        table
    }

    #[test]
    fn ratios_are_to_the_best_peer_of_their_round() {
        let samples = [
            (OURS, 0, 10.0),
            ("a", 0, 20.0),
            ("b", 0, 40.0),
            (LIMIT, 0, 1.0),
            (OURS, 1, 100.0),
            ("a", 1, 400.0),
            ("b", 1, 200.0),
            (LIMIT, 1, 1.0),
        ];
        let table = table(&samples);
        assert_eq!(table.ratio("row", OURS), Some(0.5));
        assert_eq!(table.ratio("row", "a"), Some(1.5));
        assert_eq!(table.ratio("row", "c"), None);
        assert!(
            table
                .render()
                .contains("| row | a 210 ns | 0.50 | 1.50 | 1.50 |")
        );
    }

    #[test]
    fn alone_it_is_measured_against_itself() {
        let table = table(&[(OURS, 0, 1500.0)]);
        assert_eq!(table.ratio("row", OURS), Some(1.0));
        assert!(table.render().contains("asyncloop 1.5 us"));
    }

    #[test]
    fn every_figure_is_a_line() {
        let table = table(&[("a", 3, 2.5)]);
        assert_eq!(table.csv(), "row,engine,round,value,unit\nrow,a,3,2.5,ns\n");
    }
}
