//! How results are written: to standard output, and nothing else is.

mod members;
mod table;
mod yaml;

use crate::failure::{Failure, Result};
use callboard::Code;
use clap::ValueEnum;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, SystemTime};
use table::Look;

pub(crate) use table::{Column, cut, one_line, painted};

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
            Format::Jsonl => match lines(json)? {
                nothing if nothing.is_empty() => return Ok(()),
                lines => lines,
            },
            Format::Yaml => yaml::write(&value(json)?),
            Format::Table => match value(json)? {
                Value::Object(page) if page.contains_key("items") => {
                    let items = page.get("items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                    if items.is_empty() {
                        eprintln!("there is nothing to list");
                    }
                    if let Some(next) = page.get("next").and_then(Value::as_str) {
                        eprintln!("there is more: --after {next}");
                    }
                    table::list(items, columns, self.look())
                }
                one => members::write(&one),
            },
        };
        self.line(&text)
    }

    /// How a list looks here.
    fn look(self) -> Look {
        let now = io::stdout().is_terminal().then(now);
        Look { in_colour: self.is_in_colour(), room: room(), now }
    }

    /// Whether words have colours.
    pub(crate) fn is_in_colour(self) -> bool {
        self.paint == Paint::Colours
    }

    /// Writes what is JSON by its nature, in YAML if that is asked for.
    pub(crate) fn show_json(self, json: &str) -> Result<()> {
        match self.format {
            Format::Yaml => self.line(&yaml::write(&value(json)?)),
            Format::Jsonl => self.line(json),
            Format::Table | Format::Json => self.line(&format!("{:#}", value(json)?)),
        }
    }

    /// Whether something may be drawn over and over: for people, on a terminal that knows how.
    pub(crate) fn is_screen(self) -> bool {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        self.format == Format::Table && io::stdout().is_terminal() && !is_dumb
    }

    /// Writes a text as it is, and ends the line.
    pub(crate) fn line(self, text: &str) -> Result<()> {
        self.write(&format!("{}\n", text.trim_end_matches('\n')))
    }

    /// Writes a text as it is, at once.
    pub(crate) fn write(self, text: &str) -> Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            // Whoever reads has had enough: `callboard run list | head -1`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            written => written.map_err(|error| Failure::new(Code::Internal, format!("cannot write: {error}"))),
        }
    }
}

/// The moment at which something is shown.
#[expect(clippy::disallowed_methods, reason = "what a person sees is told by the clock on their wall")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// How many characters fit on a line, where that is a terminal.
fn room() -> Option<usize> {
    size().map(|(columns, _)| columns)
}

/// How many characters fit on a line, and how many lines on the screen, where that is a terminal.
pub(crate) fn size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some((size.ws_col.into(), size.ws_row.into())).filter(|(columns, _)| *columns > 0)
}

/// So many milliseconds as people read them.
pub(crate) fn milliseconds(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..120_000 => format!("{:.1}s", ms as f64 / 1_000.0),
        _ => humantime::format_duration(Duration::from_secs(ms / 1_000)).to_string(),
    }
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
