//! Calling a function runs it; calling an async function only makes a coroutine.

mod seed_support;

use std::any::type_name_of_val;

use seed_support::Result;

fn add2(x: i32) -> i32 {
    say!(x + 2);
    x + 2
}

async fn add3(x: i32) -> i32 {
    say!("in async fun add");
    x + 3
}

fn main() -> Result {
    let result = add2(2);
    say!(result);

    let result = add3(2);
    say!(
        format!("<coroutine {}>", type_name_of_val(&result))
            .replace("{{", "(")
            .replace("}}", ")")
    );
    drop(result);
    Ok(())
}
