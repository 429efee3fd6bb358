//! An argument of a task that is none.
use callboard::prelude::*;

#[task(output = String, capabilty = "greet")]
struct Greet {
    name: String,
}

#[task(output = String, capability = "say hello")]
struct Hello {
    name: String,
}

#[payload(output = String)]
struct Greeting {
    text: String,
}

fn main() {}
