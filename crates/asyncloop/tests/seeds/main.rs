//! The seed programs: asyncio programs written again in Rust, held to what CPython 3.13 printed.
//!
//! Each program is an example, `seed_NN_name`, and each has a contract, `contracts/NN_name.json`: the
//! lines, when each comes, and which of them are ordered. The contracts were recorded from CPython.
//! A test runs the example that cargo built beside it, and compares.
//!
//! Two programs run at a time on two cores (the test harness sees to that): they mostly sleep, so
//! that they do not disturb each other's times.

mod contract;
mod fault;
mod plain;
mod program;
mod teeth;
mod verdict;

use std::collections::BTreeSet;
use std::path::Path;

use contract::Contract;
use fault::Fault;

/// The real length of a program's second, in seconds.
const SCALE: f64 = 0.1;

/// How much slower a program runs again that was wrong in its times alone: the machine was busy.
const SLOWER: f64 = 3.0;

/// Makes a test of each program, and the list of all of them.
macro_rules! programs {
    ($($name:ident)*) => {
        const PROGRAMS: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                hold(stringify!($name));
            }
        )*
    };
}

programs! {
    seed_01_same_thread_wait
    seed_02_threadsafe_blocking_calls
    seed_03_threadsafe_coroutines
    seed_04_threadsafe_future_result
    seed_05_blocking_starves_wait_for
    seed_06_blocking_starves_wait_for_seed_order
    seed_07_sub_loop_no_timeouts
    seed_08_wrap_future_two_loops
    seed_09_loop_in_grandchild_thread
    seed_10_executor_two_functions
    seed_11_five_loops_one_pool
    seed_12_three_threads_three_loops
    seed_13_coroutine_object
    seed_14_run_until_complete_result
    seed_15_await_in_main
    seed_16_sequential_await
    seed_17_gather
    seed_18_ensure_future
    seed_19_create_task
    seed_20_wait_all
    seed_21_wait_first_exception
    seed_22_task_result
    seed_23_done_callback
    seed_24_never_run_task
    seed_25_stop_from_callback
    seed_26_stop_from_callback_ensure_future
    seed_27_two_tasks_run_forever
    seed_28_gather_with_callbacks
    seed_29_gather_coroutines_main2
    seed_30_plain_threads
    seed_31_call_soon_threadsafe_sync
    seed_32_executor_default
    seed_33_executor_threads2
    seed_34_executor_processes
    seed_35_threadsafe_four_coros
    seed_36_gather_everything
}

/// Runs a program and fails with all that is wrong with it.
fn hold(name: &str) {
    let contract = Contract::read(&name["seed_".len()..]);
    let mut faults = faults(name, &contract, SCALE);
    if !faults.is_empty() && faults.iter().all(Fault::is_about_time) {
        faults = self::faults(name, &contract, SCALE * SLOWER);
    }
    let list: Vec<String> = faults.iter().map(|fault| format!("  {fault}")).collect();
    assert!(
        list.is_empty(),
        "{name} does not keep its contract:\n{}\nIt shows: {}. Its times: {}.",
        list.join("\n"),
        contract.shows,
        contract.law,
    );
}

fn faults(name: &str, contract: &Contract, scale: f64) -> Vec<Fault> {
    match program::run(name, scale, contract.length()) {
        Ok(run) => verdict::faults(contract, &run, scale),
        Err(why) => vec![Fault::Run(why)],
    }
}

/// The source file of a program.
fn source(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(format!("{name}.rs"))
}

/// The names of a folder's files that start and end so, without their end.
fn names(folder: &str, start: &str, end: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return BTreeSet::new();
    };
    entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(start))
        .filter_map(|name| name.strip_suffix(end).map(str::to_owned))
        .collect()
}

#[test]
fn every_contract_has_a_test_and_every_program_a_contract() {
    let tested: BTreeSet<String> = PROGRAMS.iter().map(|name| (*name).to_owned()).collect();
    let contracts = names("tests/seeds/contracts", "", ".json");
    let contracts: BTreeSet<String> = contracts
        .iter()
        .map(|name| format!("seed_{name}"))
        .collect();
    assert_eq!(contracts, tested);
    assert_eq!(tested.len(), 36);
    let written = names("examples", "seed_", ".rs");
    assert_eq!(written, tested);
}
