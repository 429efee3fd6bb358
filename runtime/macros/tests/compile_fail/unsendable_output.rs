//! An output that nobody has made fit to be sent.
use callboard::prelude::*;

struct Greeting {
    text: String,
}

#[task(output = Greeting)]
struct Greet {
    name: String,
}

fn main() {}
