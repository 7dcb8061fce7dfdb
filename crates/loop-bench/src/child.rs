//! One measurement, in a process of its own: what one engine leaves behind is not there when the next one comes.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::engine::Engine;
use crate::engines::{self, Visitor};
use crate::measure::{Metric, Stopwatch};
use crate::workloads::{self, Scale};

/// The argument that makes this program a child.
pub(crate) const ARGUMENT: &str = "--child";

/// No measurement of all the work takes half of this. A part of the work has a part of it, but no less than
/// [`LEAST`].
const LIMIT: Duration = Duration::from_secs(60);
const LEAST: Duration = Duration::from_secs(4);

/// Measures in a new process, which says nothing but its figures. `None`: it took longer than the time `left`.
pub(crate) fn measure(
    engine: &str,
    workload: &str,
    scale: Scale,
    left: Duration,
) -> Result<Option<Vec<Metric>>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args([ARGUMENT, engine, workload]);
    command.args(["--part", &scale.part.to_string()]);
    command.args(scale.listen.then_some("--listen"));
    command.stdout(Stdio::piped());
    // Some engines, ours among them, tell of the tasks that are left at the end.
    command.stderr(Stdio::null());
    let limit = (LIMIT / u32::try_from(scale.part).unwrap_or(u32::MAX)).max(LEAST);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let watch = Stopwatch::start();
    while child
        .try_wait()
        .map_err(|error| error.to_string())?
        .is_none()
    {
        if watch.elapsed() > limit.min(left) {
            let _ = child.kill();
            let _ = child.wait();
            if left < limit {
                return Ok(None);
            }
            return Err(format!("killed after {:.1} s", limit.as_secs_f64()));
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        let again = format!("{ARGUMENT} {engine} {workload}");
        return Err(format!("{}; to see why: {again}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(parse).collect::<Result<_, _>>().map(Some)
}

/// Prints what [`measure`] reads.
pub(crate) fn print(metrics: &[Metric]) {
    for metric in metrics {
        println!("{} {} {}", metric.row, metric.value, metric.unit);
    }
}

/// Prints, and ends the process: taking a million tasks apart is not measured, and takes some peers long.
pub(crate) fn finish(metric: Metric) -> Vec<Metric> {
    print(&[metric]);
    std::process::exit(0)
}

fn parse(line: &str) -> Result<Metric, String> {
    let mut words = line.split(' ');
    match (words.next(), words.next().map(str::parse), words.next()) {
        (Some(row), Some(Ok(value)), Some(unit)) => Ok(Metric::new(row, value, unit)),
        _ => Err(format!("no figure: {line}")),
    }
}

/// Runs one workload on one engine in this process.
pub(crate) fn run(engine: &str, workload: &str, scale: Scale) -> Result<(), String> {
    struct Find<'a> {
        engine: &'a str,
        workload: &'a str,
        scale: Scale,
        found: bool,
    }
    impl Visitor for Find<'_> {
        fn visit<E: Engine>(&mut self) {
            if E::NAME != self.engine {
                return;
            }
            let all = workloads::all::<E>();
            if let Some(workload) = all.iter().find(|workload| workload.name == self.workload) {
                self.found = true;
                print(&(workload.run)(self.scale));
            }
        }
    }
    let mut find = Find {
        engine,
        workload,
        scale,
        found: false,
    };
    engines::for_each(&mut find);
    if find.found {
        Ok(())
    } else {
        Err(format!("there is no {engine} with {workload}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read() {
        let metric = Metric::new("w1.again", 12.5, "ns");
        assert_eq!(parse("w1.again 12.5 ns"), Ok(metric));
        assert!(parse("thread panicked").is_err());
    }
}
