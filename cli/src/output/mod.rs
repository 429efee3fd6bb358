//! How results are written: to standard output, and nothing else is.

mod table;
mod yaml;

use crate::failure::{Failure, Result};
use callboard::Code;
use clap::ValueEnum;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

pub(crate) use table::Column;

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// As the HTTP API has it.
    Json,
    /// The same, each item of a list on a line.
    Jsonl,
    /// The same in other words.
    Yaml,
}

/// Whether words have colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paint {
    Colours,
    Plain,
}

/// Where results go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) format: Format,
    paint: Paint,
}

impl Output {
    /// Colours are for terminals whose owner does not mind them.
    pub(crate) fn new(format: Format) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let paint = if wanted && io::stdout().is_terminal() { Paint::Colours } else { Paint::Plain };
        Self { format, paint }
    }

    /// What is not for people is lines of JSON, unless something else was asked for.
    pub(crate) fn for_programs(self) -> Self {
        let format = if self.format == Format::Table { Format::Jsonl } else { self.format };
        Self { format, ..self }
    }

    /// Writes an answer: a list by its columns, one thing by its members.
    pub(crate) fn show(self, json: &str, columns: &[Column]) -> Result<()> {
        let text = match self.format {
            Format::Json => json.trim_end().to_owned(),
            Format::Jsonl => lines(json)?,
            Format::Yaml => yaml::write(&value(json)?),
            Format::Table => match value(json)? {
                Value::Object(page) if page.contains_key("items") => {
                    let items = page.get("items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                    if let Some(next) = page.get("next").and_then(Value::as_str) {
                        eprintln!("there is more: --after {next}");
                    }
                    table::list(items, columns, self.paint == Paint::Colours, width())
                }
                one => table::members(&one),
            },
        };
        self.line(&text)
    }

    /// Writes what is JSON by its nature, in YAML if that is asked for.
    pub(crate) fn show_json(self, json: &str) -> Result<()> {
        match self.format {
            Format::Yaml => self.line(&yaml::write(&value(json)?)),
            Format::Jsonl => self.line(json),
            Format::Table | Format::Json => self.line(&format!("{:#}", value(json)?)),
        }
    }

    /// Writes a text as it is, and ends the line.
    pub(crate) fn line(self, text: &str) -> Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(text.trim_end_matches('\n').as_bytes()).and_then(|()| out.write_all(b"\n")) {
            // Whoever reads has had enough: `callboard run list | head -1`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            written => written.map_err(|error| Failure::new(Code::Internal, format!("cannot write: {error}"))),
        }
    }
}

/// How many characters fit on a line, where that is a terminal.
fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// A value as a table shows it.
pub(crate) fn cell(value: &Value) -> String {
    table::plain(value)
}

/// A member of an item as a table shows it; nothing if it has none.
pub(crate) fn member(item: &Value, key: &str) -> String {
    item.get(key).map_or_else(String::new, table::plain)
}

/// An answer of the node, which is JSON.
pub(crate) fn value(json: &str) -> Result<Value> {
    serde_json::from_str(json).map_err(|error| {
        let seen: String = json.chars().take(200).collect();
        Failure::new(Code::Internal, format!("the answer is no JSON: {error}")).seen(seen)
    })
}

/// The items of a list as they are, one a line; anything else as it is.
fn lines(json: &str) -> Result<String> {
    let page: BTreeMap<&str, &RawValue> = serde_json::from_str(json).unwrap_or_default();
    let Some(items) = page.get("items") else { return Ok(json.trim_end().to_owned()) };
    let items: Vec<&RawValue> = serde_json::from_str(items.get())
        .map_err(|error| Failure::new(Code::Internal, format!("the answer is no list: {error}")))?;
    Ok(items.iter().map(|item| item.get()).collect::<Vec<_>>().join("\n"))
}
