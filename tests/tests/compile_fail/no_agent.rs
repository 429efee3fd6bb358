//! An agent that does not perform the task it is added for.
use callboard::prelude::*;

#[task(output = String)]
struct Greet {
    name: String,
}

struct Greeter;

fn main() {
    let _board = Callboard::dev().agent::<Greet, _>(|| Greeter);
}
