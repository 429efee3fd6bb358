//! What can be sent is a struct or an enum.
use callboard::prelude::*;

#[payload]
fn greet() {}

#[task(output = String)]
async fn shout(text: String) -> String {
    text
}

fn main() {}
