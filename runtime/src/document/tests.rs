mod faults;
mod formats;
mod round_trip;
mod schema;

use super::{Format, parse};
use crate::Workflow;
use callboard_core::Graph;

/// The graph of a document, or its faults, one a line.
fn read(format: Format, text: &str) -> Result<Graph, String> {
    parse(format, text, "it").map_err(|error| error.causes().collect::<Vec<_>>().join("\n"))
}

fn yaml(text: &str) -> Graph {
    read(Format::Yaml, text).unwrap()
}

/// A document with one task that has this input, in YAML's flow style.
fn with_input(input: &str) -> String {
    format!("{{name: w, tasks: {{t: {{capability: c, input: {input}}}}}}}")
}

/// What the first task of a good document is given.
#[track_caller]
fn input(format: Format, text: &str) -> String {
    read(format, text).unwrap().tasks[0].input.as_str().to_owned()
}

fn sample() -> Workflow {
    Workflow::from_yaml(include_str!("../../../config/workflows/release-notes.yaml")).unwrap()
}
