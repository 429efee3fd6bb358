//! Takes the keys of a table one by one, and notes every fault on the way.

use super::tree::{Located, Value};
use crate::fault::Fault;
use bytesize::ByteSize;
use callboard::Json;
use callboard::closest;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The faults of one file so far: line, key, what is wrong.
#[derive(Debug, Default)]
pub(super) struct Notes(RefCell<Vec<(usize, String, String)>>);

impl Notes {
    pub(super) fn add(&self, line: usize, key: impl Into<String>, message: impl Into<String>) {
        self.0.borrow_mut().push((line, key.into(), message.into()));
    }

    /// In the order of the lines.
    pub(super) fn into_sorted(self) -> Vec<(usize, String, String)> {
        let mut notes = self.0.into_inner();
        notes.sort();
        notes.dedup();
        notes
    }
}

/// A value with its key, as a path from the top of the file.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    notes: &'a Notes,
    pub(super) key: String,
    line: usize,
    located: &'a Located,
}

/// A table whose keys are being taken.
pub(super) struct Section<'a> {
    entry: Entry<'a>,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Entry<'a> {
    pub(super) fn top(notes: &'a Notes, located: &'a Located) -> Self {
        Self { notes, key: String::new(), line: 1, located }
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    pub(super) fn fault(&self, message: impl Into<String>) {
        self.notes.add(self.line, self.key.clone(), message);
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        match &self.located.value {
            Value::Refused(why) => self.fault(*why),
            _ => self.fault(format!("{what} is expected, not {}", self.located.seen())),
        }
        None
    }

    /// Notes the faults of settings that stand below this key, each at its line.
    pub(super) fn faults(&self, faults: Vec<Fault>) {
        for fault in faults {
            let below = self.located.line_of(&fault.key);
            let line = if below == self.located.line { self.line } else { below };
            self.notes.add(line, join(&self.key, &fault.key), fault.message);
        }
    }

    pub(super) fn text(&self) -> Option<String> {
        match &self.located.value {
            Value::Text(text) => Some(text.clone()),
            _ => self.expected("a text"),
        }
    }

    /// A text of so many bytes.
    pub(super) fn text_of(&self, bytes: RangeInclusive<usize>) -> Option<String> {
        let text = self.text()?;
        if bytes.contains(&text.len()) {
            return Some(text);
        }
        self.fault(format!("{} to {} bytes are expected, not {}", bytes.start(), bytes.end(), text.len()));
        None
    }

    /// A whole number in the range.
    pub(super) fn whole(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let what = format!("a whole number from {} to {}", range.start(), range.end());
        match &self.located.value {
            Value::Number(text) => match text.parse() {
                Ok(number) if range.contains(&number) => Some(number),
                _ => self.expected(&what),
            },
            _ => self.expected(&what),
        }
    }

    /// A number as it is written.
    pub(super) fn number(&self) -> Option<String> {
        match &self.located.value {
            Value::Number(text) => Some(text.clone()),
            _ => self.expected("a number"),
        }
    }

    pub(super) fn truth(&self) -> Option<bool> {
        match &self.located.value {
            Value::Bool(truth) => Some(*truth),
            _ => self.expected("true or false"),
        }
    }

    pub(super) fn duration(&self) -> Option<Duration> {
        const WHAT: &str = "a time such as \"30s\"";
        let Value::Text(text) = &self.located.value else { return self.expected(WHAT) };
        humantime::parse_duration(text).ok().or_else(|| self.expected(WHAT))
    }

    pub(super) fn bytes(&self) -> Option<usize> {
        const WHAT: &str = "a size such as \"1MiB\"";
        let Value::Text(text) = &self.located.value else { return self.expected(WHAT) };
        let size = text.parse::<ByteSize>().ok().and_then(|size| usize::try_from(size.as_u64()).ok());
        size.or_else(|| self.expected(WHAT))
    }

    pub(super) fn list(&self) -> Vec<Entry<'a>> {
        let Value::List(items) = &self.located.value else { return self.expected("a list").unwrap_or_default() };
        let entry = |(index, located): (usize, &'a Located)| Entry {
            notes: self.notes,
            key: format!("{}[{index}]", self.key),
            line: located.line,
            located,
        };
        items.iter().enumerate().map(entry).collect()
    }

    pub(super) fn texts<C: FromIterator<String>>(&self) -> C {
        self.list().iter().filter_map(Self::text).collect()
    }

    /// All members of a table whose keys are free.
    pub(super) fn members(&self) -> Vec<(&'a str, Entry<'a>)> {
        if !self.is_table() {
            return self.expected("a table").unwrap_or_default();
        }
        let member = |member: &'a super::tree::Member| {
            let key = join(&self.key, &member.key);
            (&*member.key, Entry { notes: self.notes, key, line: member.line, located: &member.value })
        };
        self.located.members().iter().map(member).collect()
    }

    pub(super) fn text_members(&self) -> BTreeMap<String, String> {
        self.members().into_iter().filter_map(|(key, entry)| Some((key.to_owned(), entry.text()?))).collect()
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.located.value, Value::Table(_))
    }

    pub(super) fn section(&self) -> Option<Section<'a>> {
        if !self.is_table() {
            return self.expected("a table");
        }
        Some(Section { entry: self.clone(), known: RefCell::default() })
    }

    pub(super) fn json(&self) -> Option<Json> {
        let json =
            self.located.json().and_then(|value| Json::of(&value).map_err(|error| (self.line, error.to_string())));
        json.map_err(|(line, message)| self.notes.add(line, self.key.clone(), message)).ok()
    }
}

impl<'a> Section<'a> {
    /// The value of a key, if it is there.
    pub(super) fn take(&self, key: &'static str) -> Option<Entry<'a>> {
        self.known.borrow_mut().push(key);
        self.entry.members().into_iter().find(|(name, _)| *name == key).map(|(_, entry)| entry)
    }

    /// The same; that it is not there is a fault.
    pub(super) fn require(&self, key: &'static str) -> Option<Entry<'a>> {
        let taken = self.take(key);
        if taken.is_none() {
            self.notes().add(self.entry.line, join(&self.entry.key, key), "is missing");
        }
        taken
    }

    /// Refuses what nobody has taken.
    pub(super) fn finish(self) -> Entry<'a> {
        let known = self.known.borrow();
        for (key, entry) in self.entry.members() {
            if known.contains(&key) {
                continue;
            }
            let shown: String = key.chars().take(60).collect();
            match closest(key, known.iter().copied()) {
                Some(meant) => entry.fault(format!("unknown key; did you mean {meant:?}?")),
                None if known.is_empty() => entry.fault("unknown key; there are none here"),
                None => entry.fault(format!("unknown key {shown:?}; known are {}", known.join(", "))),
            }
        }
        drop(known);
        self.entry
    }

    fn notes(&self) -> &'a Notes {
        self.entry.notes
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
