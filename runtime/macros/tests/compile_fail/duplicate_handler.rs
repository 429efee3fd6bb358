//! Two handlers of one task in one agent.
use callboard::prelude::*;

#[task(output = String)]
struct Greet {
    name: String,
}

struct Greeter;

impl Agent<Greet> for Greeter {
    async fn run(&mut self, _: &Ctx, task: Greet) -> Result<String> {
        Ok(format!("hello, {}", task.name))
    }
}

impl Agent<Greet> for Greeter {
    async fn run(&mut self, _: &Ctx, task: Greet) -> Result<String> {
        Ok(format!("goodbye, {}", task.name))
    }
}

fn main() {}
