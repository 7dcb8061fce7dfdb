//! The facade holds nothing back: what the crates below give is reached through it.

use std::collections::BTreeSet;
use std::path::Path;

/// The names that a file gives with `pub use`.
fn given(text: &str) -> BTreeSet<String> {
    let uses = text.split("pub use ").skip(1);
    let lists = uses.filter_map(|rest| rest.split(';').next());
    lists.flat_map(names).collect()
}

/// The names in `path::{A, b as c}` or `path::A`.
fn names(list: &str) -> Vec<String> {
    let list = match list.split_once('{') {
        Some((_, list)) => list.trim_end_matches('}'),
        None => list.rsplit("::").next().unwrap_or(list),
    };
    let names = list.split(',').map(str::trim);
    let names = names.map(|name| name.rsplit(" as ").next().unwrap_or(name));
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn lib(name: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(name)
        .join("src/lib.rs");
    given(&std::fs::read_to_string(path).unwrap())
}

#[test]
fn what_the_crates_give_is_in_the_facade() {
    let facade = lib("asyncloop");
    for name in ["loop-tasks", "loop-sync"] {
        let given = lib(name);
        assert!(given.len() > 5, "{name} gives something");
        let missing: Vec<_> = given.difference(&facade).collect();
        assert!(
            missing.is_empty(),
            "asyncloop/src/lib.rs lacks {missing:?} of {name}"
        );
    }
    // These have names of their own that the root has for something else.
    assert!(facade.contains("concurrent") && facade.contains("executor"));
}

#[test]
fn names_are_read_from_every_form_of_a_list() {
    let text = "mod a;\npub use a::B;\npub use c::{\n    D, e,\n    f as g,\n};\npub use h as i;\n";
    let expected = ["B", "D", "e", "g", "i"].map(str::to_owned);
    assert_eq!(given(text), BTreeSet::from(expected));
}

/// Compiles only if the names are there.
#[test]
fn asyncios_names_stand_at_the_root_in_modules_and_in_the_prelude() {
    use asyncloop::prelude::*;
    fn is<T: ?Sized>() {}
    is::<asyncloop::concurrent::FutureState>();
    is::<asyncloop::executor::BrokenThreadPool>();
    is::<EventLoop>();
    is::<Task<()>>();
    let _: fn() -> std::io::Result<EventLoop> = asyncloop::new_event_loop;
    let _ = asyncloop::concurrent::wait::<(), Vec<ConcurrentFuture<()>>>;
    asyncloop::run(async {
        let (a, b) = asyncloop::gather!(async { 1 }, async { "b" })
            .await
            .unwrap();
        assert_eq!((a.unwrap(), b.unwrap()), (1, "b"));
    })
    .unwrap();
}
