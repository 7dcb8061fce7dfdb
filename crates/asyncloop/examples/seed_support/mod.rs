//! What the seed programs share: a scale for their seconds, lines that are printed whole, threads with names.
#![allow(dead_code, reason = "every program uses a part of it")]

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

/// What a seed program's `main` returns.
pub(crate) type Result = std::result::Result<(), Box<dyn std::error::Error>>;

/// So many seconds of the program: the environment variable `SCALE` says how long one is, by default 0.1 s.
pub(crate) fn seconds(n: f64) -> Duration {
    static SCALE: LazyLock<f64> = LazyLock::new(|| {
        let scale = std::env::var("SCALE").ok();
        scale.and_then(|scale| scale.parse().ok()).unwrap_or(0.1)
    });
    Duration::from_secs_f64(n * *SCALE)
}

/// Blocks the thread: what these programs do on purpose.
pub(crate) fn block(n: f64) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program shows what blocking does"
    )]
    thread::sleep(seconds(n));
}

/// The seconds of the clock that Python's `time.time()` reads.
pub(crate) fn time() -> f64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0.0, |since| since.as_secs_f64())
}

/// A clock for durations.
pub(crate) fn perf_counter() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program measures real time, outside of any loop"
    )]
    Instant::now()
}

/// Prints a line with one write, so that lines of several threads never mix; with the time in front of it if
/// the environment variable `SEEDS_STAMP` is set.
pub(crate) fn print(line: impl Display) {
    let mut text = String::new();
    if std::env::var_os("SEEDS_STAMP").is_some() {
        text = format!("\u{1e}{:.6}\u{1f}", time());
    }
    text += &format!("{line}\n");
    std::io::stdout()
        .write_all(text.as_bytes())
        .expect("standard output is open");
}

/// The date and the time of day as Python's `str(datetime.now())` gives them, in UTC.
pub(crate) fn now() -> String {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Years are counted from March, so that the day that leaps is the last one.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!(
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02}.{:06}",
        second % 60,
        since.subsec_micros()
    )
}

/// Prints what is given as Python's `print` does: with a space between.
#[macro_export]
macro_rules! say {
    ($($part:expr),+ $(,)?) => {
        $crate::seed_support::print([$(format!("{}", $part)),+].join(" "))
    };
}

static THREADS: Mutex<BTreeMap<usize, String>> = Mutex::new(BTreeMap::new());

fn threads() -> std::sync::MutexGuard<'static, BTreeMap<usize, String>> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a thread that is named as Python names it: `Thread-1 (target)`.
pub(crate) fn start_thread<T: Send + 'static>(
    target: &str,
    f: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    static COUNT: Mutex<usize> = Mutex::new(0);
    let mut count = COUNT.lock().unwrap_or_else(PoisonError::into_inner);
    *count += 1;
    let number = *count;
    let name = format!("Thread-{number} ({target})");
    threads().insert(number, name.clone());
    let body = move || {
        /// Takes the thread off the list, also after a panic.
        struct Leave(usize);
        impl Drop for Leave {
            fn drop(&mut self) {
                threads().remove(&self.0);
            }
        }
        let _leave = Leave(number);
        f()
    };
    thread::Builder::new()
        .name(name)
        .spawn(body)
        .expect("the system has a thread left")
}

/// This thread, as it is printed.
pub(crate) fn current_thread() -> String {
    let thread = thread::current();
    match thread.name() {
        Some("main") | None => "<MainThread>".to_owned(),
        Some(name) => format!("<Thread({name}, started)>"),
    }
}

/// The name alone.
pub(crate) fn thread_name() -> String {
    thread::current().name().unwrap_or("?").to_owned()
}

/// The main thread and those that [`start_thread`] started, as they are printed.
pub(crate) fn enumerate() -> String {
    let mut all = vec!["<MainThread>".to_owned()];
    all.extend(
        threads()
            .values()
            .map(|name| format!("<Thread({name}, started)>")),
    );
    format!("[{}]", all.join(", "))
}
