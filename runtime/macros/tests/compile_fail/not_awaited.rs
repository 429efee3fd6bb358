//! What does nothing before it is awaited, or started.
#![deny(unused_must_use)]
use callboard::prelude::*;

#[task(output = String)]
struct Greet {
    name: String,
}

async fn greet(board: Callboard) {
    board.call(Greet { name: "you".into() });
    board.start(Workflow::new("greetings"));
    Callboard::dev();
}

fn main() {
    let _ = greet;
}
