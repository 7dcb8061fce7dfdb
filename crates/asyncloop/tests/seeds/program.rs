//! Running an example: where it is, what it printed and when, and what if it hangs.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What a program left.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Its lines, in the order in which they were printed.
    pub(crate) lines: Vec<Printed>,
    /// What stood on standard error.
    pub(crate) stderr: String,
    /// How it ended badly, if it did.
    pub(crate) failure: Option<String>,
}

/// A line and its time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Printed {
    /// Seconds on the program's clock if it stamps its lines, else since it was started.
    pub(crate) seconds: f64,
    /// The text without the stamp.
    pub(crate) text: String,
}

/// How long a program may hang before it is ended, over and above the time that it needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs an example whose second is `scale` seconds long.
///
/// # Errors
/// Says why there is nothing to judge: the example is not built, or it hangs.
pub(crate) fn run(name: &str, scale: f64, length: f64) -> Result<Run, String> {
    let mut child = Command::new(executable(name)?)
        .env("SCALE", scale.to_string())
        .env("SEEDS_STAMP", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{name}: {error}"))?;
    let lines = reader(child.stdout.take().expect("it is piped"), read_lines);
    let stderr = reader(child.stderr.take().expect("it is piped"), read_text);
    // Both pipes end when the program does, or a process that it left behind.
    let limit = PATIENCE + Duration::from_secs_f64(length * scale * 2.0);
    let lines = wait(&mut child, &lines, limit)?;
    let stderr = wait(&mut child, &stderr, PATIENCE)?;
    let status = child.wait().map_err(|error| format!("{name}: {error}"))?;
    Ok(Run {
        lines,
        failure: failure(status, &stderr),
        stderr,
    })
}

/// Finds the example that cargo built beside this test.
fn executable(name: &str) -> Result<PathBuf, String> {
    let test = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = test
        .ancestors()
        .nth(2)
        .expect("a test stands in `deps`")
        .join("examples");
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let age = |path: &PathBuf| path.metadata().and_then(|file| file.modified());
    match (age(&path), age(&crate::source(name))) {
        (Ok(built), Ok(written)) if built >= written => Ok(path),
        (Ok(_), _) => Err(format!(
            "{} is older than its source: {BUILD}",
            path.display()
        )),
        (Err(_), _) => Err(format!("{} is not built: {BUILD}", path.display())),
    }
}

const BUILD: &str = "`cargo build --examples` (with `--release` if the tests have it) builds it";

/// Reads a pipe to its end on a thread of its own.
fn reader<P, T>(pipe: P, read: impl FnOnce(P) -> T + Send + 'static) -> Receiver<T>
where
    P: Send + 'static,
    T: Send + 'static,
{
    let (sender, receiver) = channel();
    thread::spawn(move || sender.send(read(pipe)));
    receiver
}

fn read_lines(pipe: impl Read) -> Vec<Printed> {
    #[expect(
        clippy::disallowed_methods,
        reason = "lines of another process, which has no loop here"
    )]
    let start = Instant::now();
    let lines = BufReader::new(pipe).split(b'\n').map_while(Result::ok);
    lines
        .map(|line| printed(&String::from_utf8_lossy(&line), start.elapsed()))
        .collect()
}

fn read_text(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    // A pipe that breaks ends the text: the program's status says why.
    let _ = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Takes the stamp off a line: `\x1eSECONDS\x1f`, on a clock that all threads and children share.
fn printed(line: &str, arrival: Duration) -> Printed {
    let stamped = line
        .strip_prefix('\x1e')
        .and_then(|rest| rest.split_once('\x1f'));
    let stamped = stamped.and_then(|(stamp, text)| Some((stamp.parse().ok()?, text)));
    let (seconds, text) = stamped.unwrap_or((arrival.as_secs_f64(), line));
    Printed {
        seconds,
        text: text.to_owned(),
    }
}

fn wait<T>(child: &mut Child, pipe: &Receiver<T>, limit: Duration) -> Result<T, String> {
    pipe.recv_timeout(limit).map_err(|error| {
        // It may have ended since, which is as good.
        let _ = child.kill();
        let _ = child.wait();
        match error {
            RecvTimeoutError::Timeout => format!("it hangs: ended after {} s", limit.as_secs()),
            RecvTimeoutError::Disconnected => "the thread that reads it panicked".to_owned(),
        }
    })
}

fn failure(status: ExitStatus, stderr: &str) -> Option<String> {
    let last: Vec<&str> = stderr.lines().rev().take(5).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    (!status.success()).then(|| format!("{status}\n{}", last.join("\n")))
}

#[test]
fn a_stamp_is_the_time_of_its_line() {
    let arrival = Duration::from_millis(1500);
    let stamped = Printed {
        seconds: 12.25,
        text: "hello".to_owned(),
    };
    assert_eq!(printed("\x1e12.25\x1fhello", arrival), stamped);
    let bare = Printed {
        seconds: 1.5,
        text: "hello".to_owned(),
    };
    assert_eq!(printed("hello", arrival), bare);
}

#[test]
fn an_example_that_was_not_built_is_an_error() {
    let why = executable("seed_00_none").unwrap_err();
    assert!(why.contains("is not built"), "{why}");
}
