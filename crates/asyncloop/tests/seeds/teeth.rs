//! The checker itself: what it lets through, and what it must not.

use crate::contract::{Contract, Order};
use crate::fault::Fault;
use crate::program::{Printed, Run};
use crate::{PROGRAMS, SCALE, verdict};

/// The contracts, by the names of their programs.
fn contracts() -> Vec<(&'static str, Contract)> {
    let read = |name: &&'static str| (*name, Contract::read(&name["seed_".len()..]));
    PROGRAMS.iter().map(read).collect()
}

/// A run that keeps a contract to the letter. Where a contract counts names, the run has as many.
fn kept(contract: &Contract) -> Run {
    let lines = contract
        .lines
        .iter()
        .enumerate()
        .map(|(number, line)| Printed {
            seconds: 1000.0 + line.at * SCALE,
            text: live(contract, number, &line.text),
        });
    let stderr = if contract.stderr {
        "Task was destroyed but it is pending!\n"
    } else {
        ""
    };
    Run {
        lines: lines.collect(),
        stderr: stderr.to_owned(),
        failure: None,
    }
}

/// A line as a program would print it: with times, names and process ids in it.
fn live(contract: &Contract, number: usize, text: &str) -> String {
    let mut text = text.to_owned();
    for (mark, base) in [("{+", 1.7e9), ("{t=", 0.0)] {
        while let Some((before, rest)) = text.clone().split_once(mark) {
            let (units, after) = rest.split_once('}').expect("the mark ends");
            let seconds = base + units.parse::<f64>().expect("a number is in it") * SCALE;
            text = format!("{before}{seconds:.3}{after}");
        }
    }
    for distinct in &contract.distinct {
        let earlier = &contract.lines[..number];
        let earlier = earlier
            .iter()
            .filter(|line| line.text.contains(&distinct.inside));
        let name = earlier.count() % distinct.count;
        if distinct.after.contains("ID") {
            text = text.replace("PID", &format!("{}", 100 + name));
        } else {
            text = text.replace(
                "<>",
                &format!("<Thread({}{name}, 7)>", thread(&distinct.after)),
            );
        }
    }
    text
}

fn thread(after: &str) -> String {
    after.replace("Thread(", "asyncio_")
}

fn faults(contract: &Contract, run: &Run) -> Vec<Fault> {
    verdict::faults(contract, run, SCALE)
}

/// The names of the programs for which a spoiled run is let through.
fn let_through(spoil: impl Fn(&mut Run)) -> Vec<&'static str> {
    let mut names = Vec::new();
    for (name, contract) in contracts() {
        let mut run = kept(&contract);
        spoil(&mut run);
        if faults(&contract, &run).is_empty() {
            names.push(name);
        }
    }
    names
}

#[test]
fn a_run_that_keeps_its_contract_has_no_faults() {
    for (name, contract) in contracts() {
        assert_eq!(faults(&contract, &kept(&contract)), [], "{name}");
    }
}

#[test]
fn lines_printed_backwards_are_found_everywhere() {
    let backwards = |run: &mut Run| {
        let times: Vec<f64> = run.lines.iter().map(|line| line.seconds).collect();
        run.lines.reverse();
        for (line, seconds) in run.lines.iter_mut().zip(times) {
            line.seconds = seconds;
        }
    };
    assert_eq!(let_through(backwards), Vec::<&str>::new());
}

#[test]
fn lines_printed_all_at_once_are_found_wherever_time_passes() {
    let at_once = |run: &mut Run| {
        let start = run.lines[0].seconds;
        run.lines.iter_mut().for_each(|line| line.seconds = start);
    };
    let instant: Vec<&str> = contracts()
        .into_iter()
        .filter(|(_, contract)| contract.length() == 0.0)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(let_through(at_once), instant);
    assert_eq!(instant.len(), 4);
}

#[test]
fn a_line_too_few_or_too_many_is_found_everywhere() {
    assert_eq!(let_through(|run| drop(run.lines.pop())), Vec::<&str>::new());
    assert_eq!(
        let_through(|run| run.lines.push(run.lines[0].clone())),
        Vec::<&str>::new()
    );
    assert_eq!(let_through(|run| run.lines.clear()), Vec::<&str>::new());
}

#[test]
fn a_bad_end_and_a_wrong_stderr_are_found_everywhere() {
    let panicked = |run: &mut Run| run.failure = Some("exit status: 101".to_owned());
    assert_eq!(let_through(panicked), Vec::<&str>::new());
    let other = |run: &mut Run| {
        run.stderr = if run.stderr.is_empty() {
            "a warning\n"
        } else {
            ""
        }
        .to_owned();
    };
    assert_eq!(let_through(other), Vec::<&str>::new());
}

#[test]
fn two_ordered_lines_that_change_places_are_found() {
    for (name, contract) in contracts() {
        if contract.order == Order::Partial {
            continue;
        }
        for first in 1..contract.lines.len() {
            let mut run = kept(&contract);
            let (one, two) = (
                run.lines[first - 1].text.clone(),
                run.lines[first].text.clone(),
            );
            if one != two {
                run.lines[first - 1].text = two;
                run.lines[first].text = one;
                assert_ne!(faults(&contract, &run), [], "{name} {first}");
            }
        }
    }
}

#[test]
fn lines_without_an_order_may_change_places() {
    let contract = Contract::read("02_threadsafe_blocking_calls");
    let mut run = kept(&contract);
    run.lines.swap(0, 1);
    assert_eq!(faults(&contract, &run), []);
    run.lines.swap(0, 4);
    assert_ne!(faults(&contract, &run), []);
}

#[test]
fn a_late_line_is_about_time_and_an_early_one_too() {
    let contract = Contract::read("17_gather");
    for late in [-0.4, 0.9] {
        let mut run = kept(&contract);
        run.lines.last_mut().unwrap().seconds += late * SCALE;
        let faults = faults(&contract, &run);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].is_about_time());
    }
    let mut run = kept(&contract);
    run.lines.last_mut().unwrap().seconds += 0.7 * SCALE;
    assert_eq!(faults(&contract, &run), []);
}

#[test]
fn a_wrong_duration_in_a_line_is_about_time_and_a_wrong_word_is_not() {
    let contract = Contract::read("01_same_thread_wait");
    let mut run = kept(&contract);
    run.lines.last_mut().unwrap().text = "0.81".to_owned();
    assert!(faults(&contract, &run).iter().all(Fault::is_about_time));
    run.lines[0].text = "5 after".to_owned();
    assert!(!faults(&contract, &run).iter().all(Fault::is_about_time));
}

#[test]
fn the_number_of_open_jobs_is_exact() {
    // Three jobs at a time where the pool has two threads; then one at a time.
    let contract = Contract::read("33_executor_threads2");
    let three = [0, 1, 2, 6, 3, 4, 5, 7, 8, 9, 10, 11];
    let one = [0, 1, 3, 4, 5, 2, 7, 8, 6, 9, 10, 11];
    for order in [three, one] {
        let mut run = kept(&contract);
        run.lines = order.iter().map(|line| run.lines[*line].clone()).collect();
        let found = faults(&contract, &run);
        assert!(
            found
                .iter()
                .any(|fault| matches!(fault, Fault::Peak { .. })),
            "{found:?}"
        );
    }
}

#[test]
fn the_number_of_names_is_exact() {
    let contract = Contract::read("33_executor_threads2");
    let mut run = kept(&contract);
    for line in &mut run.lines {
        line.text = line.text.replace("Executor-0_1", "Executor-0_0");
    }
    let found = faults(&contract, &run);
    assert!(
        matches!(found.as_slice(), [Fault::Distinct { count: 2, .. }]),
        "{found:?}"
    );
    let mut run = kept(&contract);
    run.lines[1].text = run.lines[1].text.replace("进程ID为: 100", "进程ID为: 101");
    let found = faults(&contract, &run);
    assert!(
        matches!(found.as_slice(), [Fault::Distinct { count: 1, .. }]),
        "{found:?}"
    );
}
