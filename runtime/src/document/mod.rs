//! A workflow as a document: YAML, JSON and TOML are one model.
//!
//! Each format is read into one small tree whose values know their places ([`tree`]); the tree is read into the core's
//! graph ([`read`]); what the core says of the graph is brought back to the places that it speaks of ([`trace`]).

mod drawing;
mod fault;
mod json;
mod lines;
mod model;
mod read;
mod toml;
mod trace;
mod tree;
mod yaml;

#[cfg(test)]
mod tests;

use crate::workflow::Workflow;
use crate::{Error, ErrorKind, Result};
use callboard_core::{Graph, GraphLimits, Json};
use fault::{Fault, Faults, Path};
use std::ffi::OsStr;
use std::io::Read;
use tree::Place;

/// The largest document, in bytes.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 16 << 20;

/// What a document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Yaml,
    Json,
    Toml,
}

impl Format {
    /// The format of a file of this name, by its extension.
    fn of(file: &std::path::Path) -> Option<Self> {
        match file.extension().and_then(OsStr::to_str)?.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }
}

/// Workflows as documents.
///
/// ```yaml
#[doc = include_str!("../../../config/workflows/release-notes.yaml")]
/// ```
///
/// - `name` and `tasks` are required; `timeout` of the run, `labels` and `tenant` are not.
/// - A task has a `capability` and perhaps an `input` (`{}` if left out), `after`, `priority` (`critical`, `high`,
///   `medium`, `low`, `background`, or 0 to 10), `retry: {retries, base, factor, cap}`, `timeout` of each attempt,
///   `start_timeout`, `heartbeat_timeout`, `losses`, and `requires`, a list such as `[gpu, zone=eu, "tool:git"]`.
/// - Durations are texts with a unit: `250ms`, `30s`, `1h 30m`; a millisecond is the shortest.
/// - In an input `{$from: task}` stands for the output of a task, `{$all: [a, b]}` for a list of outputs, and
///   `{$literal: ...}` for data that has such keys.
/// - Numbers keep every digit. What has no JSON form is refused: infinities, the dates of TOML, YAML's tags but `!!str`,
///   and keys that are no texts. YAML is version 1.2: `yes` and `no` are texts, and there are no merge keys. Aliases
///   may be used; what they stand for counts each time.
/// - A document has at most 16 MiB, 2,000,000 values nested 120 deep, and 100,000 tasks.
impl Workflow {
    /// Reads a workflow from YAML.
    ///
    /// ```
    /// # use callboard::prelude::*;
    /// let faulty = "name: notes\ntasks:\n  log: {capability: fetch-log, tiemout: 30}\n  send: {input: {$from: lgo}}";
    /// let error = Workflow::from_yaml(faulty).unwrap_err();
    /// let faults: Vec<&str> = error.causes().collect();
    /// assert_eq!(faults, [
    ///     "line 3, column 32: tasks.log.tiemout: there is no such key; the closest is \"timeout\"",
    ///     "line 4, column 9: tasks.send: the key \"capability\" is missing",
    ///     "line 4, column 25: tasks.send.input: \"lgo\" is no task of this workflow; the closest is \"log\"",
    /// ]);
    /// ```
    ///
    /// # Errors
    ///
    /// `Invalid` for a document with faults. All of them are told, each with its line, column and path.
    pub fn from_yaml(text: &str) -> Result<Self> {
        parse(Format::Yaml, text, "the workflow document").map(Self::of_graph)
    }

    /// Reads a workflow from JSON.
    ///
    /// # Errors
    ///
    /// As [`from_yaml`](Self::from_yaml).
    pub fn from_json(text: &str) -> Result<Self> {
        parse(Format::Json, text, "the workflow document").map(Self::of_graph)
    }

    /// Reads a workflow from TOML, with a table `[tasks.NAME]` for each task.
    ///
    /// # Errors
    ///
    /// As [`from_yaml`](Self::from_yaml).
    pub fn from_toml(text: &str) -> Result<Self> {
        parse(Format::Toml, text, "the workflow document").map(Self::of_graph)
    }

    /// Reads a workflow from a file, whose extension says what it is written in: `yaml`, `yml`, `json` or `toml`. It
    /// blocks while it reads.
    ///
    /// # Errors
    ///
    /// As [`from_yaml`](Self::from_yaml); `Invalid` as well for another extension or more than 16 MiB, `NotFound` or
    /// `Unavailable` if the file can not be read.
    pub fn from_file(file: impl AsRef<std::path::Path>) -> Result<Self> {
        let file = file.as_ref();
        let shown = format!("the workflow document {}", file.display());
        let Some(format) = Format::of(file) else {
            let message = format!("{shown} is told by its name to be no yaml, yml, json or toml");
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        let text = read_file(file).map_err(|error| {
            let kind = match error.kind() {
                std::io::ErrorKind::NotFound => ErrorKind::NotFound,
                std::io::ErrorKind::InvalidData => ErrorKind::Invalid,
                _ => ErrorKind::Unavailable,
            };
            Error::new(kind, format!("{shown} can not be read")).because(error)
        })?;
        parse(format, &text, &shown).map(Self::of_graph)
    }

    /// The JSON Schema of a workflow document, for editors and other programs. It says of the form what can be said by a
    /// schema: not that references lead somewhere, nor that tasks do not wait for one another.
    pub fn json_schema() -> Json {
        model::schema()
    }

    /// The workflow as a JSON document, which [`from_json`](Self::from_json) reads again.
    ///
    /// # Errors
    ///
    /// `Invalid` if a task has no JSON form.
    pub fn to_json(&self) -> Result<String> {
        Ok(model::to_json(&self.graph()?.0)?)
    }

    /// The workflow as a drawing for Graphviz: tasks with their capabilities, edges without data dashed.
    ///
    /// # Errors
    ///
    /// `Invalid` if a task has no JSON form.
    pub fn to_dot(&self) -> Result<String> {
        Ok(drawing::dot(&self.graph()?.0))
    }

    /// The workflow as a flow chart for Mermaid: tasks with their capabilities, edges without data dotted.
    ///
    /// # Errors
    ///
    /// `Invalid` if a task has no JSON form.
    pub fn to_mermaid(&self) -> Result<String> {
        Ok(drawing::mermaid(&self.graph()?.0))
    }
}

/// No more of the file than one byte above the limit.
fn read_file(file: &std::path::Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(file)?.take(DOCUMENT_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// The graph of a document, or all of its faults. `shown` is what the document is called in the error.
fn parse(format: Format, text: &str, shown: &str) -> Result<Graph> {
    let faults = match tree(format, text) {
        Ok(mut root) => {
            let mut faults = Faults::default();
            root.settle(&mut Path::default(), &mut faults);
            let graph = read::graph(&root, &mut faults);
            trace::trace(&graph, &root, &graph.faults(&GraphLimits::default()), &mut faults);
            if faults.is_empty() {
                return Ok(graph);
            }
            faults
        }
        Err(faults) => Faults::from(faults),
    };
    Err(faults.into_error(shown))
}

fn tree(format: Format, text: &str) -> Result<tree::Located, Vec<Fault>> {
    if text.len() > DOCUMENT_BYTES_MAX {
        let message = format!("a document has at most {DOCUMENT_BYTES_MAX} bytes, and this one has {}", text.len());
        return Err(vec![Fault::at(Place { line: 1, column: 1 }, message)]);
    }
    match format {
        Format::Yaml => yaml::read(text).map_err(|fault| vec![fault]),
        Format::Json => json::read(text).map_err(|fault| vec![fault]),
        Format::Toml => toml::read(text),
    }
}
