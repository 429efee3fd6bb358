//! A handler that returns something else than the task says.
use callboard::prelude::*;

#[task(output = String)]
struct Greet {
    name: String,
}

struct Greeter;

impl Agent<Greet> for Greeter {
    async fn run(&mut self, _: &Ctx, task: Greet) -> Result<usize> {
        Ok(task.name.len())
    }
}

fn main() {}
