//! A reference to the agent itself in a task that may outlive it.
use callboard::prelude::*;

#[task(output = usize)]
struct Count {
    text: String,
}

#[derive(Default)]
struct Counter {
    seen: usize,
}

impl Agent<Count> for Counter {
    async fn run(&mut self, _: &Ctx, task: Count) -> Result<usize> {
        let counting = tokio::spawn(async move {
            self.seen += task.text.len();
        });
        counting.await?;
        Ok(self.seen)
    }
}

fn main() {}
