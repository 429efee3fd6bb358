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

/// The faults of a document: those that are told are kept, the rest is counted.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// The first in the order of the text, and some that came since they were looked for.
    kept: Vec<Fault>,
    count: usize,
}

/// How many faults are told.
const TOLD_MAX: usize = 100;

impl Faults {
    pub(super) fn add(&mut self, place: Place, path: &Path, message: impl Into<String>) {
        self.push(Fault { place, path: path.0.clone(), message: message.into() });
    }

    fn push(&mut self, fault: Fault) {
        self.count += 1;
        self.kept.push(fault);
        // A small document may have millions, each with a long path.
        if self.kept.len() >= 2 * TOLD_MAX {
            self.kept.sort();
            self.kept.truncate(TOLD_MAX);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The error that tells all of them, in the order of the text.
    pub(super) fn into_error(mut self, document: &str) -> Error {
        self.kept.sort();
        let count = self.count;
        let head = if count == 1 { "a fault".to_owned() } else { format!("{count} faults") };
        let error = Error::new(ErrorKind::Invalid, format!("{document} has {head}"));
        let error = self.kept.iter().take(TOLD_MAX).fold(error, |error, fault| error.because(fault));
        if count > TOLD_MAX { error.because(format!("and {} more", count - TOLD_MAX)) } else { error }
    }
}

impl From<Vec<Fault>> for Faults {
    fn from(faults: Vec<Fault>) -> Self {
        let mut all = Self::default();
        faults.into_iter().for_each(|fault| all.push(fault));
        all
    }
}

/// Where in a document's structure something stands: `tasks.draft.input.log`, `tasks["a b"].after[0]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(String);

/// About as much of a place as is told.
const PATH_BYTES_MAX: usize = 500;
/// As much of a key as is told.
const KEY_CHARACTERS_MAX: usize = 160;

impl Path {
    /// Goes one step deeper, and says where it was.
    fn push(&mut self, step: impl FnOnce(&mut String)) -> usize {
        let length = self.0.len();
        if length < PATH_BYTES_MAX {
            step(&mut self.0);
        } else if !self.0.ends_with("...") {
            self.0.push_str("...");
        }
        length
    }

    /// Does something one key deeper.
    pub(super) fn at_key<T>(&mut self, key: &str, then: impl FnOnce(&mut Self) -> T) -> T {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$');
        // A name that is too long is told as far as the core tells it.
        let (key, rest) = match key.char_indices().nth(KEY_CHARACTERS_MAX) {
            Some((end, _)) => (&key[..end], "..."),
            None => (key, ""),
        };
        let length = self.push(|path| {
            if key.is_empty() || !key.chars().all(is_plain) {
                path.push_str(&format!("[{:?}]", super::tree::cut(key)));
                return;
            }
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(key);
            path.push_str(rest);
        });
        let result = then(self);
        self.0.truncate(length);
        result
    }

    /// Does something one item deeper.
    pub(super) fn at_index<T>(&mut self, index: usize, then: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.push(|path| path.push_str(&format!("[{index}]")));
        let result = then(self);
        self.0.truncate(length);
        result
    }
}
