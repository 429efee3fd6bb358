//! A field that has no JSON form.
use callboard::prelude::*;

#[payload]
struct Greeting {
    since: std::time::Instant,
}

fn main() {}
