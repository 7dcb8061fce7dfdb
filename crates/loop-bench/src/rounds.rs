//! The rounds: every engine has its turn at a workload, then all of them again.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use crate::child;
use crate::command_line::Options;
use crate::engine::Engine;
use crate::engines::{self, OURS, Visitor};
use crate::measure::{Metric, Stopwatch};
use crate::table::{Sample, Table};
use crate::workloads;

/// What is known of an engine before it is measured.
struct Candidate {
    name: &'static str,
    /// The names of the workloads that it can run.
    workloads: Vec<&'static str>,
    missing: Option<String>,
}

fn candidates() -> Vec<Candidate> {
    struct Collect(Vec<Candidate>);
    impl Visitor for Collect {
        fn visit<E: Engine>(&mut self) {
            let all = workloads::all::<E>();
            let runs = all.iter().filter(|workload| workload.runs_on::<E>());
            self.0.push(Candidate {
                name: E::NAME,
                workloads: runs.map(|workload| workload.name).collect(),
                missing: E::missing(),
            });
        }
    }
    let mut collect = Collect(Vec::new());
    engines::for_each(&mut collect);
    collect.0
}

/// Every workload's name and what it is.
fn descriptions() -> Vec<(&'static str, &'static str)> {
    struct Describe(Vec<(&'static str, &'static str)>);
    impl Visitor for Describe {
        fn visit<E: Engine>(&mut self) {
            if E::NAME == OURS {
                let all = workloads::all::<E>();
                self.0 = all.iter().map(|it| (it.name, it.about)).collect();
            }
        }
    }
    let mut describe = Describe(Vec::new());
    engines::for_each(&mut describe);
    describe.0
}

/// Prints the engines and the workloads.
pub(crate) fn list() {
    for candidate in candidates() {
        match candidate.missing {
            None => println!("{}", candidate.name),
            Some(why) => println!("{} (not here: {why})", candidate.name),
        }
    }
    println!();
    for (name, about) in descriptions() {
        println!("{name:20} {about}");
    }
}

/// Measures what is asked for, prints the table and writes every figure.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let mut engines = candidates();
    if let Some(unknown) = options
        .engines
        .iter()
        .find(|name| engines.iter().all(|engine| engine.name != **name))
    {
        return Err(format!("there is no engine `{unknown}`: see --list"));
    }
    engines.retain(|engine| options.engines.is_empty() || wanted(&options.engines, engine.name));
    for engine in &engines {
        if let Some(why) = &engine.missing {
            eprintln!("{} is skipped: {why}", engine.name);
        }
    }
    engines.retain(|engine| engine.missing.is_none());
    let (mut table, mut failures, mut left_out) = (Table::default(), Vec::new(), 0);
    let mut workloads: Vec<&str> = descriptions().into_iter().map(|(name, _)| name).collect();
    workloads.retain(|workload| {
        let starts = |prefix: &String| workload.starts_with(prefix.as_str());
        options.workloads.is_empty() || options.workloads.iter().any(starts)
    });
    let time = Time::start(options.within);
    for (number, &workload) in workloads.iter().enumerate() {
        let share = time.share(workloads.len() - number);
        eprint!("{workload}:");
        for round in 0..options.rounds {
            for engine in &engines {
                if !engine.workloads.contains(&workload) {
                    continue;
                }
                let left = share.left();
                if left.is_zero() {
                    left_out += 1;
                    continue;
                }
                eprint!(" {}", engine.name);
                match child::measure(engine.name, workload, options.scale, left) {
                    Ok(Some(metrics)) => record(&mut table, engine.name, round, metrics),
                    Ok(None) => left_out += 1,
                    Err(error) => {
                        let failure = format!("{workload} on {}: {error}", engine.name);
                        eprint!(" (failed)");
                        failures.push(failure);
                    }
                }
            }
        }
        eprintln!();
    }
    println!("{}", table.render());
    if left_out > 0 {
        eprintln!("{left_out} measurements were left out, for want of time");
    }
    write_csv(&table, options).map_err(|error| format!("{}: {error}", options.csv.display()))?;
    if failures.is_empty() {
        return Ok(());
    }
    for failure in &failures {
        eprintln!("{failure}");
    }
    // What a peer cannot do is its own business; this library must pass.
    let ours = |failure: &&String| failure.contains(&format!(" on {OURS}:"));
    match failures.iter().filter(ours).count() {
        0 => Ok(()),
        count => Err(format!("{count} measurements of {OURS} failed")),
    }
}

/// The time that there is.
struct Time {
    watch: Stopwatch,
    /// `None`: no end of it.
    limit: Option<Duration>,
}

impl Time {
    fn start(limit: Option<Duration>) -> Time {
        Time {
            watch: Stopwatch::start(),
            limit,
        }
    }

    fn left(&self) -> Duration {
        match self.limit {
            Some(limit) => limit.saturating_sub(self.watch.elapsed()),
            None => Duration::MAX,
        }
    }

    /// What is left, among so many.
    fn share(&self, among: usize) -> Time {
        let among = u32::try_from(among).unwrap_or(u32::MAX);
        Time::start(self.limit.map(|_| self.left() / among))
    }
}

fn wanted(names: &[String], name: &str) -> bool {
    names.iter().any(|wanted| wanted == name)
}

fn record(table: &mut Table, engine: &'static str, round: usize, metrics: Vec<Metric>) {
    for metric in metrics {
        table.push(Sample {
            engine,
            round,
            metric,
        });
    }
}

fn write_csv(table: &Table, options: &Options) -> std::io::Result<()> {
    if let Some(folder) = options.csv.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = File::create(&options.csv)?;
    file.write_all(table.csv().as_bytes())?;
    eprintln!("every figure: {}", options.csv.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_shared_among_what_is_to_come() {
        let time = Time::start(Some(Duration::from_secs(6_000)));
        assert!(time.share(3).left() <= Duration::from_secs(2_000));
        assert!(time.share(3).left() > Duration::from_secs(1_000));
        assert_eq!(Time::start(None).share(3).left(), Duration::MAX);
        assert!(Time::start(Some(Duration::ZERO)).share(1).left().is_zero());
    }
}
