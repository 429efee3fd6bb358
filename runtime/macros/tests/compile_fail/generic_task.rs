//! A task of any type: a capability names one request.
use callboard::prelude::*;

#[task(output = String)]
struct Show<T> {
    value: T,
}

fn main() {}
