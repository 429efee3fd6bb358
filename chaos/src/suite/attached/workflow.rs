//! A workflow of somebody else's, as it is submitted.

use crate::suite::Error;
use serde_json::Value;
use std::path::Path;

/// The label by which the runs of the suite are found again.
pub(super) const LABEL: &str = "chaos";

/// A workflow with the label of this time.
#[derive(Debug)]
pub(super) struct Workflow {
    /// As JSON.
    pub(super) document: String,
}

impl Workflow {
    /// Reads a file as `callboard task submit` takes it.
    ///
    /// # Errors
    ///
    /// All that is wrong with it, each with its line.
    pub(super) fn read(file: &Path, label: &str) -> Result<Self, Error> {
        let document = callboard::Workflow::from_file(file).and_then(|workflow| workflow.label(LABEL, label).to_json());
        let said = |error| Error::Workflow { file: file.to_owned(), said: format!("{error:#}") };
        document.map(|document| Self { document }).map_err(said)
    }

    /// Each task with one that it needs: those that its input refers to, and those that it is after.
    pub(super) fn needs(&self) -> Vec<(String, String)> {
        let document: Value = serde_json::from_str(&self.document).unwrap_or_default();
        let mut needs = Vec::new();
        for (name, task) in document["tasks"].as_object().into_iter().flatten() {
            let mut of = Vec::new();
            names(&task["after"], &mut of);
            referred(&task["input"], &mut of);
            of.sort();
            of.dedup();
            needs.extend(of.into_iter().map(|need| (name.clone(), need)));
        }
        needs
    }
}

/// The tasks to whose outputs an input refers.
fn referred(input: &Value, of: &mut Vec<String>) {
    match input {
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    "$from" | "$all" => names(value, of),
                    "$literal" => {}
                    _ => referred(value, of),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| referred(value, of)),
        _ => {}
    }
}

fn names(value: &Value, of: &mut Vec<String>) {
    match value {
        Value::String(name) => of.push(name.clone()),
        Value::Array(values) => values.iter().for_each(|value| names(value, of)),
        _ => {}
    }
}
