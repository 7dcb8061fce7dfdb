//! Whether a run keeps its contract.

use std::collections::{BTreeSet, HashMap};

use crate::contract::Contract;
use crate::fault::Fault;
use crate::plain::Plainer;
use crate::program::Run;

/// Finds what is wrong with a run in which the program's second was `scale` seconds long.
///
/// Where lines are missing, nothing more is said about order and time: one cause, one fault.
pub(crate) fn faults(contract: &Contract, run: &Run, scale: f64) -> Vec<Fault> {
    let mut faults: Vec<Fault> = run.failure.iter().cloned().map(Fault::Run).collect();
    let mut plainer = Plainer::new(scale);
    let printed: Vec<String> = run
        .lines
        .iter()
        .map(|line| plainer.line(&line.text))
        .collect();
    match positions(contract, &printed) {
        Ok(positions) => {
            faults.extend(disorder(contract, &positions));
            faults.extend(delays(contract, run, scale, &positions));
            faults.extend(peaks(contract, run));
            faults.extend(names(contract, run));
        }
        Err(lines) => faults.extend(lines),
    }
    let seen = run.stderr.trim();
    if contract.stderr == seen.is_empty() {
        faults.push(Fault::Stderr {
            expected: contract.stderr,
            seen: seen.to_owned(),
        });
    }
    faults
}

/// Finds where each line of the contract was printed. Of equal lines, the first one printed is the
/// contract's first, and so on.
fn positions(contract: &Contract, printed: &[String]) -> Result<Vec<usize>, Vec<Fault>> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (position, text) in printed.iter().enumerate().rev() {
        places.entry(text).or_default().push(position);
    }
    let (mut positions, mut faults) = (Vec::new(), Vec::new());
    for line in &contract.lines {
        match places.get_mut(line.text.as_str()).and_then(Vec::pop) {
            Some(position) => positions.push(position),
            None => faults.push(Fault::Missing(line.text.clone())),
        }
    }
    let mut extra: Vec<usize> = places.into_values().flatten().collect();
    extra.sort_unstable();
    faults.extend(
        extra
            .into_iter()
            .map(|position| Fault::Extra(printed[position].clone())),
    );
    if faults.is_empty() {
        Ok(positions)
    } else {
        Err(faults)
    }
}

fn disorder(contract: &Contract, positions: &[usize]) -> Vec<Fault> {
    let text = |line: usize| contract.lines[line].text.clone();
    let mut faults = Vec::new();
    let mut expect = |first: usize, second: usize| {
        if positions[first] > positions[second] {
            faults.push(Fault::Order {
                first: text(first),
                second: text(second),
            });
        }
    };
    for chain in contract.ordered() {
        for pair in chain.windows(2) {
            expect(pair[0], pair[1]);
        }
    }
    for (early, late) in &contract.before {
        let last = early.iter().copied().max_by_key(|line| positions[*line]);
        let first = late.iter().copied().min_by_key(|line| positions[*line]);
        if let (Some(last), Some(first)) = (last, first) {
            expect(last, first);
        }
    }
    faults
}

fn delays(contract: &Contract, run: &Run, scale: f64, positions: &[usize]) -> Vec<Fault> {
    let start = run.lines[0].seconds;
    let lines = contract.lines.iter().zip(positions);
    let timed =
        lines.map(|(line, position)| (line, (run.lines[*position].seconds - start) / scale));
    timed
        .filter(|(line, at)| {
            let allowed = line.at - contract.tolerance.early..=line.at + contract.tolerance.late;
            !allowed.contains(at)
        })
        .map(|(line, at)| Fault::Time {
            text: line.text.clone(),
            at,
            expected: line.at,
        })
        .collect()
}

fn peaks(contract: &Contract, run: &Run) -> Vec<Fault> {
    let mut faults = Vec::new();
    for peak in &contract.peak {
        let (mut open, mut seen) = (0_usize, 0);
        for line in &run.lines {
            if line.text.contains(&peak.open) {
                open += 1;
            } else if line.text.contains(&peak.close) {
                open = open.saturating_sub(1);
            }
            seen = seen.max(open);
        }
        if seen != peak.max {
            faults.push(Fault::Peak {
                open: peak.open.clone(),
                seen,
                max: peak.max,
            });
        }
    }
    faults
}

fn names(contract: &Contract, run: &Run) -> Vec<Fault> {
    let mut faults = Vec::new();
    for distinct in &contract.distinct {
        let lines = run
            .lines
            .iter()
            .filter(|line| line.text.contains(&distinct.inside));
        let seen: BTreeSet<String> = lines
            .flat_map(|line| line.text.split(&distinct.after).skip(1).map(first_word))
            .filter(|word| !word.is_empty())
            .collect();
        if seen.len() != distinct.count {
            let (after, seen) = (distinct.after.clone(), seen.into_iter().collect());
            faults.push(Fault::Distinct {
                after,
                seen,
                count: distinct.count,
            });
        }
    }
    faults
}

fn first_word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "_-".contains(*c))
        .collect()
}
