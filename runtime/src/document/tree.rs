//! One small tree for every format: values, and where each stands.

use super::fault::{Faults, Path};
use std::collections::HashSet;
use std::fmt::Write;

/// A place in a text, both numbers from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(super) struct Located {
    pub(super) value: Value,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// As JSON writes it, of any size.
    Number(String),
    Text(String),
    List(Vec<Located>),
    /// In the order of the text.
    Map(Vec<Member>),
    /// What has no JSON form; says why.
    Refused(String),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) key: Key,
    pub(super) value: Located,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) place: Place,
    /// Why it can not be a key, if it can not.
    pub(super) refused: Option<String>,
}

impl Located {
    /// Reports keys that stand twice and what has no JSON form, and takes those keys away.
    pub(super) fn settle(&mut self, path: &mut Path, faults: &mut Faults) {
        match &mut self.value {
            Value::Refused(reason) => faults.add(self.place, path, reason.clone()),
            Value::List(items) => {
                for (n, item) in items.iter_mut().enumerate() {
                    path.at_index(n, |path| item.settle(path, faults));
                }
            }
            Value::Map(members) => {
                let mut seen = HashSet::with_capacity(members.len());
                members.retain_mut(|Member { key, value }| {
                    path.at_key(&key.name, |path| {
                        if let Some(reason) = key.refused.take() {
                            faults.add(key.place, path, reason);
                            return false;
                        }
                        value.settle(path, faults);
                        let is_new = seen.insert(key.name.clone());
                        if !is_new {
                            faults.add(key.place, path, "this key stands here for the second time");
                        }
                        is_new
                    })
                });
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
        }
    }

    /// Its members, if it is a map.
    pub(super) fn members(&self) -> &[Member] {
        match &self.value {
            Value::Map(members) => members,
            _ => &[],
        }
    }

    /// The value of this key, if it is a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Located> {
        self.members().iter().find(|member| member.key.name == key).map(|member| &member.value)
    }

    /// Appends its JSON text.
    pub(super) fn write_json(&self, out: &mut String) {
        match &self.value {
            Value::Null | Value::Refused(_) => out.push_str("null"),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Number(text) => out.push_str(text),
            Value::Text(text) => write_text(text, out),
            Value::List(items) => {
                for (n, item) in items.iter().enumerate() {
                    out.push(if n == 0 { '[' } else { ',' });
                    item.write_json(out);
                }
                out.push_str(if items.is_empty() { "[]" } else { "]" });
            }
            Value::Map(members) => {
                for (n, member) in members.iter().enumerate() {
                    out.push(if n == 0 { '{' } else { ',' });
                    write_text(&member.key.name, out);
                    out.push(':');
                    member.value.write_json(out);
                }
                out.push_str(if members.is_empty() { "{}" } else { "}" });
            }
        }
    }

    /// What it is, for a message; long texts are cut.
    pub(super) fn seen(&self) -> String {
        match &self.value {
            Value::Null | Value::Refused(_) => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(text) => format!("the number {}", cut(text)),
            Value::Text(text) => format!("the text {:?}", cut(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }
}

/// Appends `text` as a JSON string.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                // Writing to a text does not fail.
                let _written = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// As much of a text as a message repeats.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// A decimal number as JSON writes it; `None` if it is none. Leading zeros, a plus sign and a bare point are what YAML
/// and TOML allow and JSON does not; no digit that counts is lost.
pub(super) fn decimal(text: &str) -> Option<String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = exponent.map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    let is_number = (digits(whole) && digits(fraction.unwrap_or("")))
        && !(whole.is_empty() && fraction.unwrap_or("").is_empty())
        && unsigned.is_none_or(|exponent| !exponent.is_empty() && digits(exponent));
    if !is_number {
        return None;
    }
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let fraction = fraction.map(|fraction| if fraction.is_empty() { ".0".to_owned() } else { format!(".{fraction}") });
    let exponent = exponent.map(|exponent| format!("e{exponent}"));
    Some(format!("{sign}{whole}{}{}", fraction.unwrap_or_default(), exponent.unwrap_or_default()))
}

/// What a document may be at most while it is read. An alias counts as often as it is used.
#[derive(Debug)]
pub(super) struct Budget {
    values: usize,
    bytes: usize,
    pub(super) values_max: usize,
    pub(super) bytes_max: usize,
}

/// How deep values may be nested; serde_json reads no deeper.
pub(super) const DEPTH_MAX: usize = 120;

impl Budget {
    /// No more than a document of the greatest size can need.
    pub(super) fn new() -> Self {
        Self { values: 0, bytes: 0, values_max: 2_000_000, bytes_max: 2 * super::DOCUMENT_BYTES_MAX }
    }

    /// Spends room for one value, or says what the limit is.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), String> {
        self.values += 1;
        self.bytes += bytes;
        if self.values > self.values_max {
            return Err(format!(
                "the document has more than {} values, aliases counted where they stand",
                self.values_max
            ));
        }
        if self.bytes > self.bytes_max {
            return Err(format!(
                "the values take more than {} bytes, aliases counted where they stand",
                self.bytes_max
            ));
        }
        Ok(())
    }

    /// Spends room for a copy.
    pub(super) fn spend_copy(&mut self, of: &Located) -> Result<(), String> {
        match &of.value {
            Value::List(items) => {
                self.spend(0)?;
                items.iter().try_for_each(|item| self.spend_copy(item))
            }
            Value::Map(members) => {
                self.spend(0)?;
                members.iter().try_for_each(|member| {
                    self.spend(member.key.name.len())?;
                    self.spend_copy(&member.value)
                })
            }
            Value::Number(text) | Value::Text(text) | Value::Refused(text) => self.spend(text.len()),
            Value::Null | Value::Bool(_) => self.spend(0),
        }
    }
}

pub(super) fn too_deep() -> String {
    format!("the values are nested deeper than {DEPTH_MAX} levels")
}
