//! Jobs in processes, here and in CPython, turn by turn: how many there are in a second, and how many times as many.
//!
//! `cargo run --release -p loop-executor --all-features --example beside_cpython [ROUNDS [JOBS_OF_8_MIB]]`
//!
//! The other side is `beside_cpython.py`, run by `python3`, or by what `PYTHON` says. Both start two workers, and keep so
//! many jobs in flight that none of them waits.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use loop_executor::{Call, ExecutorExt, ProcessFn, ProcessPoolExecutor, process_fn, worker_main};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

process_fn! {
    /// Sends back what it is sent.
    fn echo(bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    fn next(number: u64) -> u64 {
        number + 1
    }
}

/// How many jobs there are in a second.
fn rate<F: ProcessFn>(
    pool: &ProcessPoolExecutor,
    in_flight: usize,
    jobs: usize,
    job: impl Fn() -> Call<F>,
    check: impl Fn(F::Output),
) -> Result<f64> {
    #[expect(clippy::disallowed_methods, reason = "a measurement of real time")]
    let start = Instant::now();
    let mut futures = VecDeque::new();
    for submitted in 0..jobs + in_flight {
        if submitted >= in_flight {
            let first: Option<loop_bridge::ConcurrentFuture<_>> = futures.pop_front();
            check(first.ok_or("a future for each job")?.take_result(None)?);
        }
        if submitted < jobs {
            futures.push_back(pool.submit(job())?);
        }
    }
    Ok(jobs as f64 / start.elapsed().as_secs_f64())
}

/// Large and small jobs in a second, in a pool of this library.
fn ours(large: usize, small: usize) -> Result<[f64; 2]> {
    let pool = ProcessPoolExecutor::new(2)?;
    let bytes = vec![7; 8 << 20];
    let warm = [(); 4].map(|()| pool.submit(next::job(0)));
    for job in warm {
        assert_eq!(job?.result(None)?, 1);
    }
    let large = rate(
        &pool,
        8.min(large),
        large,
        || echo::job(bytes.clone()),
        |back| {
            assert_eq!(back.len(), 8 << 20);
        },
    )?;
    let small = rate(
        &pool,
        100.min(small),
        small,
        || next::job(1),
        |next| assert_eq!(next, 2),
    )?;
    pool.shutdown(true, false)?;
    Ok([large, small])
}

/// The same in CPython, which prints the two numbers.
fn theirs(large: usize, small: usize) -> Result<[f64; 2]> {
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/beside_cpython/beside_cpython.py");
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let output = Command::new(python)
        .arg(script)
        .args([large.to_string(), small.to_string()])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = text
        .split_whitespace()
        .map(str::parse)
        .collect::<std::result::Result<_, _>>()?;
    Ok(numbers
        .try_into()
        .map_err(|_| "the script prints two numbers")?)
}

fn main() -> Result<()> {
    worker_main();
    let mut arguments = std::env::args()
        .skip(1)
        .map(|argument| argument.parse::<usize>());
    let rounds = arguments.next().transpose()?.unwrap_or(3).max(1);
    let large = arguments.next().transpose()?.unwrap_or(200).max(1);
    let small = 20_000;
    let mut ratios = [Vec::new(), Vec::new()];
    for round in 1..=rounds {
        let (here, there) = (ours(large, small)?, theirs(large, small / 10)?);
        for (what, which) in ["8 MiB", "small"].iter().zip(0..) {
            let (here, there) = (here[which], there[which]);
            println!(
                "{round}: {what} {here:>9.1}/s, CPython {there:>9.1}/s: {:.2}",
                here / there
            );
            ratios[which].push(here / there);
        }
    }
    for (what, mut ratios) in ["8 MiB", "small"].into_iter().zip(ratios) {
        ratios.sort_by(f64::total_cmp);
        println!(
            "{what}: {:.2} times as many as CPython (median)",
            ratios[ratios.len() / 2]
        );
    }
    Ok(())
}
