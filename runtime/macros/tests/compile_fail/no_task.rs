//! A plain struct where a task is wanted.
use callboard::prelude::*;

struct Greet {
    name: String,
}

async fn greet(board: Callboard) {
    let _ = board.call(Greet { name: "you".into() }).await;
    let _ = Workflow::new("greetings").task("greet", Greet { name: "you".into() });
}

fn main() {
    let _ = greet;
}
