//! An agent that does not perform the task it is added for.
use callboard::prelude::*;

#[task(output = String)]
struct Greet {
    name: String,
}

#[derive(Default)]
struct Greeter;

fn main() {
    let _agent = Callboard::dev().agent::<Greet, _>(Greeter::default);
    let _pool = Callboard::dev().pool(Greeter::default).handles::<Greet>();
}
