//! A plain function whose result is not that of the task.
use callboard::prelude::*;

#[task(output = String)]
struct Greet {
    name: String,
}

fn main() {
    let _board = Callboard::dev().task_fn(|_, task: Greet| async move { Ok(task.name.len()) });
}
