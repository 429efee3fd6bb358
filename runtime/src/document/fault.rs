//! What is wrong with a document, and where.

use super::tree::Place;
use crate::{Error, ErrorKind};
use std::fmt;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fault {
    pub(super) place: Place,
    /// Where in the document's structure; empty for the document itself.
    path: String,
    message: String,
}

impl Fault {
    pub(super) fn at(place: Place, message: impl Into<String>) -> Self {
        Self { place, path: String::new(), message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.place.line, self.place.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// All faults of a document.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

/// How many faults are told; the rest is counted.
const TOLD_MAX: usize = 100;

impl Faults {
    pub(super) fn add(&mut self, place: Place, path: &Path, message: impl Into<String>) {
        self.0.push(Fault { place, path: path.0.clone(), message: message.into() });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The error that tells all of them, in the order of the text.
    pub(super) fn into_error(mut self, document: &str) -> Error {
        self.0.sort();
        let count = self.0.len();
        let head = if count == 1 { "a fault".to_owned() } else { format!("{count} faults") };
        let error = Error::new(ErrorKind::Invalid, format!("{document} has {head}"));
        let error = self.0.iter().take(TOLD_MAX).fold(error, |error, fault| error.because(fault));
        if count > TOLD_MAX { error.because(format!("and {} more", count - TOLD_MAX)) } else { error }
    }
}

impl From<Vec<Fault>> for Faults {
    fn from(faults: Vec<Fault>) -> Self {
        Self(faults)
    }
}

/// Where in a document's structure something stands: `tasks.draft.input.log`, `tasks["a b"].after[0]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(String);

impl Path {
    /// Does something one key deeper.
    pub(super) fn at_key<T>(&mut self, key: &str, then: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.0.len();
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$');
        if !key.is_empty() && key.chars().all(is_plain) {
            if length > 0 {
                self.0.push('.');
            }
            self.0.push_str(key);
        } else {
            self.0.push_str(&format!("[{:?}]", super::tree::cut(key)));
        }
        let result = then(self);
        self.0.truncate(length);
        result
    }

    /// Does something one item deeper.
    pub(super) fn at_index<T>(&mut self, index: usize, then: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.0.len();
        self.0.push_str(&format!("[{index}]"));
        let result = then(self);
        self.0.truncate(length);
        result
    }
}
