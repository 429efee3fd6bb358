//! A task that does not say what it results in.
use callboard::prelude::*;

#[task]
struct Greet {
    name: String,
}

#[task(capability = "greet")]
struct GreetAgain {
    name: String,
}

fn main() {}
