//! What every error can do: go through `?` into whatever an application calls its error.

#![cfg(unix)]

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};

/// Compiles for what can be boxed, sent to another thread, and kept by `anyhow` and the like.
fn goes_anywhere<E: Error + Send + Sync + 'static>(known: &mut BTreeSet<&str>) {
    let name = std::any::type_name::<E>();
    let name = name.split('<').next().unwrap_or(name);
    known.insert(name.rsplit("::").next().unwrap_or(name));
}

/// The public errors. What hands something back is as free as that.
fn errors() -> BTreeSet<&'static str> {
    let mut known = BTreeSet::new();
    let k = &mut known;
    goes_anywhere::<asyncloop::BrokenBarrier>(k);
    goes_anywhere::<asyncloop::Cancelled>(k);
    goes_anywhere::<asyncloop::ConcurrentError>(k);
    goes_anywhere::<asyncloop::Elapsed>(k);
    goes_anywhere::<asyncloop::EmptySet>(k);
    goes_anywhere::<asyncloop::Failure>(k);
    goes_anywhere::<asyncloop::GetNowaitError>(k);
    goes_anywhere::<asyncloop::GroupClosed>(k);
    goes_anywhere::<asyncloop::GroupErrors<String>>(k);
    goes_anywhere::<asyncloop::InvalidDelay>(k);
    goes_anywhere::<asyncloop::InvalidState<()>>(k);
    goes_anywhere::<asyncloop::JobPanicked>(k);
    goes_anywhere::<asyncloop::LoopClosed<()>>(k);
    goes_anywhere::<asyncloop::LoopError>(k);
    goes_anywhere::<asyncloop::NoCurrentLoop>(k);
    goes_anywhere::<asyncloop::NoRunningLoop>(k);
    goes_anywhere::<asyncloop::NotActive>(k);
    goes_anywhere::<asyncloop::NotReady>(k);
    goes_anywhere::<asyncloop::Panicked>(k);
    goes_anywhere::<asyncloop::PoolError>(k);
    goes_anywhere::<asyncloop::PutNowaitError<()>>(k);
    goes_anywhere::<asyncloop::QueueShutDown<()>>(k);
    goes_anywhere::<asyncloop::ReleasedTooOften>(k);
    goes_anywhere::<asyncloop::RunError>(k);
    goes_anywhere::<asyncloop::RunnerError>(k);
    goes_anywhere::<asyncloop::StillRunning>(k);
    goes_anywhere::<asyncloop::SubmitError<()>>(k);
    goes_anywhere::<asyncloop::TaskError>(k);
    goes_anywhere::<asyncloop::TooManyTaskDone>(k);
    goes_anywhere::<asyncloop::WouldDeadlock>(k);
    goes_anywhere::<asyncloop::WrongLoop>(k);
    goes_anywhere::<asyncloop::concurrent::InvalidState<()>>(k);
    goes_anywhere::<asyncloop::concurrent::WaitError>(k);
    goes_anywhere::<asyncloop::executor::BrokenThreadPool>(k);
    goes_anywhere::<asyncloop::BrokenProcessPool>(k);
    goes_anywhere::<asyncloop::JobError>(k);
    goes_anywhere::<asyncloop::WorkerDied>(k);
    goes_anywhere::<asyncloop::ReadError>(k);
    goes_anywhere::<asyncloop::net::ConnectErrors>(k);
    goes_anywhere::<asyncloop::net::IncompleteRead>(k);
    goes_anywhere::<asyncloop::net::LimitOverrun>(k);
    goes_anywhere::<asyncloop::SignalError>(k);
    known
}

/// Those that are bound to their thread or are nobody's outside, each with a reason.
const OTHERS: [(&str, &str); 4] = [
    (
        "GroupError",
        "its errors stay in their tasks; GroupErrors is what they are without",
    ),
    (
        "ReuniteError",
        "it hands back two halves, which are of one thread",
    ),
    (
        "FrameError",
        "what goes wrong between a pool and its processes: a pool's own",
    ),
    (
        "DescriptorError",
        "goes into an io::Error, and is seen there",
    ),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// `TaskError` of `impl Error for TaskError {`, whatever is generic about it.
fn error_of(line: &str) -> Option<&str> {
    let (what, name) = line.strip_prefix("impl")?.split_once(" for ")?;
    let is_error = what.ends_with(" Error") || what.ends_with("error::Error");
    let end = name.find(|c: char| !c.is_alphanumeric())?;
    is_error.then_some(&name[..end])
}

#[test]
fn every_error_goes_anywhere_or_has_a_reason() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for name in "core tasks bridge executor sync net process signal".split(' ') {
        sources(&crates.join(format!("loop-{name}/src")), &mut files);
    }
    sources(&crates.join("asyncloop/src"), &mut files);
    let texts: Vec<String> = files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let found: BTreeSet<&str> = texts
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(error_of)
        .collect();
    assert!(found.len() > 30, "{found:?}");
    let mut known = errors();
    known.extend(OTHERS.map(|(name, _)| name));
    let unknown: Vec<_> = found.difference(&known).collect();
    assert!(unknown.is_empty(), "no errors of this test: {unknown:?}");
}

#[test]
fn errors_are_found_in_every_form_of_an_impl() {
    for (line, name) in [
        ("impl Error for A {}", Some("A")),
        ("impl<T: Send> std::error::Error for B<T> {", Some("B")),
        ("impl From<A> for io::Error {", None),
        ("impl fmt::Display for A {", None),
    ] {
        assert_eq!(error_of(line), name, "{line}");
    }
}
