//! A handler that keeps over an await what only one thread may have.
use callboard::prelude::*;
use std::rc::Rc;

#[task(output = String)]
struct Greet {
    name: String,
}

struct Greeter;

impl Agent<Greet> for Greeter {
    async fn run(&mut self, _: &Ctx, task: Greet) -> Result<String> {
        let name = Rc::new(task.name);
        std::future::ready(()).await;
        Ok(name.to_string())
    }
}

fn main() {
    let _board = Callboard::dev().task_fn(|_, task: Greet| async move {
        let name = Rc::new(task.name);
        std::future::ready(()).await;
        Ok(name.to_string())
    });
}
