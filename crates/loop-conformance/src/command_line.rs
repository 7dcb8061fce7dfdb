//! The command line: run programs, check the corpus, or make new programs and check those.

use std::fmt;
use std::io::{self, BufRead, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::check::{Tally, check_corpus};
use crate::oracle::{Oracle, PROFILES};
use crate::program::Program;
use crate::trace::Trace;

const USAGE: &str = "\
usage: loop-conformance                       read programs, write traces
       loop-conformance check [FOLDER]        run the corpus and compare
       loop-conformance fresh COUNT [--profile NAME] [--seed SEED]
                                              the same for new programs, of one profile or of each";

/// What `fresh` ends with where no CPython 3.13 is found: skipped, neither equal nor different.
const SKIPPED: u8 = 77;

/// How many of a profile's failing programs are made small: each takes seconds.
const SHRUNK: usize = 3;

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
enum Verb {
    Run,
    Check(String),
    Fresh {
        count: u64,
        profile: Option<String>,
        seed: Option<u64>,
    },
}

/// Does what the arguments say, with this runner of programs, and says how it ended.
///
/// The exit code is 0 if every trace is equal, 1 if one is not or something failed, 2 if the
/// arguments say nothing that can be done, and 77 if there is no CPython 3.13 to compare with.
///
/// # Examples
/// ```
/// use std::process::ExitCode;
/// use loop_conformance::{Trace, command_line};
///
/// let code = command_line(&["frobnicate".to_owned()], &mut |_| Trace::default());
/// assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(2)));
/// ```
pub fn command_line(args: &[String], run: &mut dyn FnMut(&Program) -> Trace) -> ExitCode {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let verb = match read(&args) {
        Ok(verb) => verb,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let done = match verb {
        Verb::Run => run_lines(io::stdin().lock(), io::stdout().lock(), run),
        Verb::Check(folder) => check(&folder, run),
        Verb::Fresh {
            count,
            profile,
            seed,
        } => fresh(count, profile, seed, run),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

/// Reads the arguments; an error says what is wrong with them.
fn read(args: &[&str]) -> Result<Verb, String> {
    match args {
        [] => Ok(Verb::Run),
        ["check"] => Ok(Verb::Check(
            concat!(env!("CARGO_MANIFEST_DIR"), "/corpus").into(),
        )),
        ["check", folder] => Ok(Verb::Check((*folder).into())),
        ["fresh", count, options @ ..] => {
            let (mut profile, mut seed) = (None, None);
            for option in options.chunks(2) {
                match option {
                    ["--profile", name] if PROFILES.contains(name) => {
                        profile = Some((*name).to_owned());
                    }
                    ["--profile", name] => return Err(format!("there is no profile `{name}`")),
                    ["--seed", text] => seed = Some(number(text)?),
                    _ => return Err(format!("`{}` is no option", option[0])),
                }
            }
            Ok(Verb::Fresh {
                count: number(count)?,
                profile,
                seed,
            })
        }
        [verb, ..] => Err(format!("`{verb}` is no verb, or has other arguments")),
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

fn run_lines(
    input: impl BufRead,
    output: impl Write,
    run: &mut dyn FnMut(&Program) -> Trace,
) -> io::Result<ExitCode> {
    let mut output = BufWriter::new(output);
    for line in input.lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let trace = run(&serde_json::from_str(&line)?);
        serde_json::to_writer(&mut output, &trace)?;
        output.write_all(b"\n")?;
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn check(folder: &str, run: &mut dyn FnMut(&Program) -> Trace) -> io::Result<ExitCode> {
    let tally = check_corpus(Path::new(folder), run)?;
    println!("{tally}");
    Ok(judged(&tally))
}

fn judged(tally: &Tally) -> ExitCode {
    if tally.is_equal() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn fresh(
    count: u64,
    profile: Option<String>,
    seed: Option<u64>,
    run: &mut dyn FnMut(&Program) -> Trace,
) -> io::Result<ExitCode> {
    let Some(oracle) = Oracle::find() else {
        println!("skipped: there is no CPython 3.13 to compare with");
        return Ok(ExitCode::from(SKIPPED));
    };
    let seed = seed.unwrap_or_else(any_seed);
    let profiles = match &profile {
        Some(name) => vec![name.as_str()],
        None => PROFILES.to_vec(),
    };
    let mut total = Tally::default();
    for name in profiles {
        let mut tally = Tally::default();
        for entry in oracle.fresh(name, seed, count)? {
            tally.add(entry?, run);
        }
        println!("{}", Line(name, seed, &tally));
        for failure in tally.failures.iter().take(SHRUNK) {
            println!("{}", oracle.shrink(&failure.line, &this_program()?)?);
        }
        total.compared += tally.compared;
        total.failed += tally.failed;
    }
    println!("{total}");
    Ok(judged(&total))
}

/// What is said of one profile.
struct Line<'a>(&'a str, u64, &'a Tally);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from seed {}: {}", self.0, self.1, self.2)
    }
}

/// A seed that is another one each time, small enough to be typed.
fn any_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(1, |time| {
        u64::from(time.subsec_nanos()) + 1_000_000 * (time.as_secs() % 1_000)
    })
}

/// The shell command that runs this very program.
fn this_program() -> io::Result<String> {
    let path = std::env::current_exe()?;
    Ok(format!("'{}'", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read() {
        assert_eq!(read(&[]), Ok(Verb::Run));
        assert_eq!(read(&["check", "x"]), Ok(Verb::Check("x".into())));
        let fresh = |profile: Option<&str>, seed| {
            Ok(Verb::Fresh {
                count: 9,
                profile: profile.map(Into::into),
                seed,
            })
        };
        assert_eq!(read(&["fresh", "9"]), fresh(None, None));
        let all = ["fresh", "9", "--seed", "4", "--profile", "sync"];
        assert_eq!(read(&all), fresh(Some("sync"), Some(4)));
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        for args in [
            &["frobnicate"][..],
            &["fresh"],
            &["fresh", "many"],
            &["fresh", "1", "--seed"],
            &["fresh", "1", "--profile", "none"],
            &["check", "a", "b"],
        ] {
            assert!(read(args).is_err(), "{args:?}");
        }
    }

    #[test]
    fn a_trace_is_written_for_each_program() {
        let input = "{\"id\": \"a\", \"main\": []}\n\n{\"id\": \"b\", \"main\": []}\n";
        let mut output = Vec::new();
        let mut run = |program: &Program| Trace {
            id: program.id.clone(),
            ..Trace::default()
        };
        run_lines(input.as_bytes(), &mut output, &mut run).unwrap();
        let text = String::from_utf8(output).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(
            text.starts_with(r#"{"id":"a","trace":[],"tasks":{}}"#),
            "{text}"
        );
    }
}
