//! One thing for people: a member a line.

#[cfg(test)]
mod tests;

use super::milliseconds;
use super::table::{one_line, plain};
use serde_json::Value;

/// The members by which a thing is known come first, in this order.
const FIRST: [&str; 9] = ["id", "code", "name", "title", "workflow", "capability", "status", "key", "version"];
/// What others have put in is shown as it is.
const THEIRS: [&str; 6] = ["output", "value", "progress", "input_schema", "output_schema", "input"];

/// One thing, a member a line; what has parts has a line for each of them, and milliseconds are told as people do.
pub(super) fn write(one: &Value) -> String {
    let Value::Object(_) = one else { return one.to_string() };
    let members = in_order(one);
    let name = |key: &str| key.strip_suffix("_ms").unwrap_or(key).to_owned();
    let width = members.iter().map(|(key, _)| name(key).len()).max().unwrap_or(0);
    let shown = members.into_iter().map(|(key, value)| {
        let lines = match value.as_u64().filter(|_| key.ends_with("_ms")) {
            Some(ms) => vec![milliseconds(ms)],
            None if THEIRS.contains(&key) => vec![theirs(value)],
            None => lines(value),
        };
        let key = name(key);
        // Nobody's words paint a terminal.
        let lines: Vec<String> =
            lines.iter().flat_map(|text| text.lines()).map(|line| one_line(line.to_owned())).collect();
        let rest = lines.get(1..).unwrap_or_default().iter().map(|line| format!("\n{:width$}  {line}", ""));
        format!("{key:<width$}  {}{}", lines.first().map_or("", String::as_str), rest.collect::<String>())
            .trim_end()
            .to_owned()
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// The members of an object, those by which it is known first.
fn in_order(one: &Value) -> Vec<(&str, &Value)> {
    let members = one.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value));
    let (mut first, rest): (Vec<_>, Vec<_>) = members.partition(|(key, _)| FIRST.contains(key));
    first.sort_by_key(|(key, _)| FIRST.iter().position(|first| first == key));
    first.into_iter().chain(rest).collect()
}

/// What others have put in: a text without quotes, anything else as JSON.
fn theirs(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A member in lines: a list of things has a line for each, and so has an object of such.
fn lines(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) if items.iter().any(has_parts) => items.iter().map(flat).collect(),
        Value::Object(members) if members.values().any(has_parts) => {
            let filled = members.iter().filter(|(_, value)| !is_empty(value));
            let lines: Vec<String> = filled.map(|(key, value)| format!("{key} {}", flat(value))).collect();
            if lines.is_empty() { vec!["none".to_owned()] } else { lines }
        }
        other => vec![flat(other)],
    }
}

/// A value on one line.
fn flat(value: &Value) -> String {
    match value {
        value if is_empty(value) => "none".to_owned(),
        Value::Array(items) => items.iter().map(flat).collect::<Vec<_>>().join(", "),
        Value::Object(_) => {
            let known = |(n, (key, value)): (usize, (&str, &Value))| match n {
                0 if FIRST.contains(&key) => plain(value),
                _ if has_parts(value) || THEIRS.contains(&key) => format!("{key} {value}"),
                _ => format!("{key} {}", plain(value)),
            };
            let filled = in_order(value).into_iter().filter(|(_, value)| !is_empty(value));
            filled.enumerate().map(known).collect::<Vec<_>>().join(", ")
        }
        other => plain(other),
    }
}

fn has_parts(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) => text.is_empty(),
        other => other.is_null(),
    }
}
