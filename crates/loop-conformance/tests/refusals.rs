//! What no program should say is told in the trace, and not passed over.

use loop_conformance::{Trace, run};

fn trace(main: &str) -> Trace {
    let line = format!(r#"{{"id": "p", "main": {main}}}"#);
    run(&serde_json::from_str(&line).expect("it is a program"))
}

fn ends_with(main: &str, what: &str) {
    let trace = trace(main);
    let end = trace.tasks["main"].to_string();
    assert!(end.contains(what), "{main} ended with {end}");
}

#[test]
fn an_op_on_a_thing_of_another_kind_is_an_error() {
    ends_with(r#"[["lock", "l"], ["await", "l"]]"#, "Internal:l");
    ends_with(r#"[["lock", "l"], ["cancel", "l"]]"#, "Internal:l");
    ends_with(r#"[["future", "f"], ["with", "f", []]]"#, "Internal:f");
}

#[test]
fn a_task_that_awaits_itself_is_an_error() {
    ends_with(r#"[["await", "main"]]"#, "cannot await on itself");
}

#[test]
fn nothing_to_raise_again_is_an_error() {
    ends_with(r#"[["reraise"]]"#, "Internal:nothing");
}

#[test]
fn a_program_that_never_ends_is_stuck_at_its_limit() {
    let trace = trace(
        r#"[["event", "e"], ["repeat", 2, [["try", [["event_wait", "e"]], [["Cancelled", []]], null]]]]"#,
    );
    let events = serde_json::to_string(&trace.trace).unwrap();
    let limit = r#"[60000000,"loop","limit",true]"#;
    let stuck = r#"[60000000,"main","stuck"]"#;
    assert!(
        events.contains(limit) && events.ends_with(&format!("{stuck}]")),
        "{events}"
    );
    assert_eq!(trace.tasks["main"].to_string(), r#""pending""#);
}
