//! An edge from an output of one type to an input of another.
use callboard::prelude::*;

#[task(output = u64)]
struct Count {
    text: String,
}

#[task(output = ())]
struct Print {
    text: In<String>,
    texts: In<Vec<String>>,
}

fn main() {
    let workflow = Workflow::new("edges");
    let count = workflow.task("count", Count { text: "abc".into() });
    let _ = workflow.task("print", Print { text: count.out(), texts: [count].gather() });
}
