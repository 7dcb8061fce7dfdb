//! The named programs of the corpus: one for each rule, and whatever once failed.

use std::path::Path;

use loop_conformance::{Tally, corpus_entries, run};

#[test]
fn named_programs_leave_the_traces_that_asyncio_leaves() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/named.jsonl");
    let mut tally = Tally::default();
    for entry in corpus_entries(&file).unwrap() {
        tally.add(entry.unwrap(), &mut run);
    }
    assert!(tally.is_equal(), "{tally}");
}
