//! Who writes the history down.

use super::{Error, clock};
use crate::history::{Call, HISTORY, Moment, Op, Outcome, Record, Seen};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The file of the history; a cheap handle. What can not be written is told at the end.
#[derive(Clone, Debug)]
pub(super) struct Recorder(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    file: File,
    path: PathBuf,
    failed: Option<std::io::Error>,
    /// How many messages were published that nobody can read.
    published: u64,
}

impl Recorder {
    /// Begins a history in the folder.
    pub(super) fn begin(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(HISTORY);
        let file = File::create(&path).map_err(Error::file(&path))?;
        Ok(Self(Arc::new(Mutex::new(Inner { file, path, failed: None, published: 0 }))))
    }

    pub(super) fn write(&self, record: &Record) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Record::Fault(felt) = record {
            inner.published += felt.published;
        }
        let line = serde_json::to_vec(record).map_err(std::io::Error::from);
        let written = line.and_then(|mut line| {
            line.push(b'\n');
            inner.file.write_all(&line)
        });
        if let Err(error) = written {
            inner.failed.get_or_insert(error);
        }
    }

    /// How many messages were published that nobody can read.
    pub(super) fn published(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).published
    }

    /// Everything is on the disk, or why not.
    pub(super) fn finish(&self) -> Result<(), Error> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let done = inner.failed.take().map_or(Ok(()), Err).and_then(|()| inner.file.sync_data());
        done.map_err(Error::file(&inner.path))
    }

    /// Writes down a call that began then and has ended now.
    pub(super) fn call(&self, op: Op, run: &str, signal: Option<(String, String)>, begin: Moment, told: &Told) {
        self.write(&Record::Call(Self::told(op, run, signal, begin, told)));
    }

    /// The same of the document that counts, and what was seen of it.
    pub(super) fn call_of_document(&self, op: Op, name: &str, seen: Option<Seen>, begin: Moment, told: &Told) {
        self.write(&Record::Call(Call { seen, ..Self::told(op, name, None, begin, told) }));
    }

    fn told(op: Op, run: &str, signal: Option<(String, String)>, begin: Moment, told: &Told) -> Call {
        let (run, end) = (run.to_owned(), clock::now());
        let Told { outcome, error } = told.clone();
        Call { op, run, signal, begin, end, outcome, seen: None, error }
    }
}

/// What came of a call, and the words of the error.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) outcome: Outcome,
    pub(super) error: Option<String>,
}

impl Told {
    /// It has happened.
    pub(super) const OK: Self = Self { outcome: Outcome::Ok, error: None };

    /// Nobody has said what came of it.
    pub(super) fn late() -> Self {
        Self { outcome: Outcome::Unknown, error: Some("no answer in time".to_owned()) }
    }

    /// What an answer means: nothing but what the API says of its kinds. No answer in time means nothing.
    pub(super) fn of<T, E>(answer: &Result<callboard::Result<T>, E>) -> Self {
        use callboard::ErrorKind::*;
        match answer {
            Ok(Ok(_)) => Self::OK,
            Ok(Err(error)) => {
                let outcome = match error.kind() {
                    Unavailable | Conflict | Fenced | Invalid | NotFound | Denied => Outcome::Failed,
                    _ => Outcome::Unknown,
                };
                Self { outcome, error: Some(format!("{error:#}")) }
            }
            Err(_) => Self::late(),
        }
    }
}
