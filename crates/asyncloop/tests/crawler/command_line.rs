//! The command line: what is wrong with it is told, and what there is.

use crate::run::{crawler, said};

#[test]
fn a_wrong_command_line_is_told_so() {
    for (arguments, what) in [
        (&["no url"][..], "is no URL"),
        (&["ftp://example.org/"], "only http and https"),
        (&["--parse", "by-hand"], "on-loop, threads or processes"),
        (&["--timeout", "-1"], "negative"),
        (&["--jobs", "0"], "1 at least"),
        (&["--site", "no/such/folder"], "--site no/such/folder"),
        (&["--what"], "--what"),
    ] {
        let run = crawler(arguments);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert!(said(&run).contains(what), "{}", said(&run));
    }
}

#[test]
fn help_tells_every_option() {
    let run = crawler(&["--help"]);
    assert_eq!(run.status.code(), Some(0));
    let help = String::from_utf8(run.stdout).unwrap();
    let source = include_str!("../../examples/crawler/options.rs");
    let options: Vec<&str> = source
        .split("Long(\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(options.len() > 12, "{options:?}");
    for option in options {
        assert!(help.contains(&format!("--{option}")), "{option}");
    }
}
