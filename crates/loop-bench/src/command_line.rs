//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

use crate::workloads::Scale;

/// What is wanted.
#[derive(Debug)]
pub(crate) enum Command {
    Run(Options),
    List,
    /// Instructions instead of time.
    Count {
        accept: bool,
        /// Only paths whose names start with one of these; none: all.
        only: Vec<String>,
    },
    /// One path, so many times: this program started itself below valgrind.
    Path {
        name: String,
        count: usize,
    },
    /// One measurement: this program started itself.
    Child {
        engine: String,
        workload: String,
        scale: Scale,
    },
}

/// What to measure, and how.
#[derive(Debug)]
pub(crate) struct Options {
    /// Only workloads whose name starts with one of these; none: all.
    pub(crate) workloads: Vec<String>,
    /// Only these engines; none: all.
    pub(crate) engines: Vec<String>,
    pub(crate) rounds: usize,
    /// When to come to an end, whatever has been measured by then.
    pub(crate) within: Option<Duration>,
    pub(crate) scale: Scale,
    /// Where every figure goes.
    pub(crate) csv: PathBuf,
}

/// How much of the work a look does, and how long it may take.
const QUICK_PART: usize = 20;
const QUICK: Duration = Duration::from_secs(60);

const HELP: &str = "\
Measures this library beside its peers.

  --quick            a look: --part 20 --rounds 1 --within 60, unless another of the three is given
  --part N           the Nth part of the work (1: all of it)
  --within SECONDS   ends by then: what has no turn before is left out; each workload gets its share of the time
  --workload NAME    only workloads whose names start so (w1, w4.stream); may be given again
  --engine NAME      only this engine; may be given again
  --rounds N         rounds, in each of which every engine has its turn (5)
  --listen           with a listening socket on every loop
  --csv FILE         where every figure goes (target/bench.csv)
  --list             names the engines and the workloads
  --count            instructions of the hot paths instead of time, beside the accepted ones
  --accept           with --count: accepts what comes out";

pub(crate) fn parse() -> Result<Command, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let mut options = Options {
        workloads: Vec::new(),
        engines: Vec::new(),
        rounds: 5,
        within: None,
        scale: Scale {
            part: 1,
            listen: false,
        },
        csv: PathBuf::from("target/bench.csv"),
    };
    let (mut child, mut count, mut accept, mut quick) = (None, false, false, false);
    let (mut part, mut rounds) = (None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("child") => child = Some((parser.value()?.string()?, parser.value()?.string()?)),
            Long("quick") => quick = true,
            Long("part") => part = Some(parser.value()?.parse::<NonZeroUsize>()?),
            Long("within") => {
                options.within = Some(Duration::from_secs(parser.value()?.parse()?));
            }
            Long("listen") => options.scale.listen = true,
            Long("workload") => options.workloads.push(parser.value()?.string()?),
            Long("engine") => options.engines.push(parser.value()?.string()?),
            Long("rounds") => rounds = Some(parser.value()?.parse::<NonZeroUsize>()?),
            Long("csv") => options.csv = parser.value()?.into(),
            Long("count") => count = true,
            Long("accept") => accept = true,
            Long("path") => {
                let (name, count) = (parser.value()?.string()?, parser.value()?.parse()?);
                return Ok(Command::Path { name, count });
            }
            Long("list") => return Ok(Command::List),
            Long("help") | Short('h') => {
                println!("{HELP}");
                std::process::exit(0);
            }
            other => return Err(other.unexpected()),
        }
    }
    if quick {
        options.scale.part = QUICK_PART;
        options.rounds = 1;
        options.within = options.within.or(Some(QUICK));
    }
    options.scale.part = part.map_or(options.scale.part, NonZeroUsize::get);
    options.rounds = rounds.map_or(options.rounds, NonZeroUsize::get);
    if let Some((engine, workload)) = child {
        let scale = options.scale;
        return Ok(Command::Child {
            engine,
            workload,
            scale,
        });
    }
    if count {
        let only = options.workloads;
        return Ok(Command::Count { accept, only });
    }
    Ok(Command::Run(options))
}
