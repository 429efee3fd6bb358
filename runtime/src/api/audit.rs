//! What was asked to be changed, by whom, and what came of it: a line in the log, and one in a file. No payload is in it.

use super::code::Code;
use crate::clock::Clock;
use crate::{Error, ErrorKind, Result};
use axum::http::header::LOCATION;
use axum::response::Response;
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

/// The longest subject, in bytes: a path may be as long as the head of a request.
const SUBJECT_BYTES_MAX: usize = 512;
/// What is said of an answer that is no problem.
const DONE: &str = "ok";

/// Where it is written. Cheap to clone.
#[derive(Clone)]
pub(super) struct Audit(Arc<Inner>);

struct Inner {
    clock: Clock,
    file: Option<PathBuf>,
    /// Whether the last line may have been written in part. One at a time writes.
    is_torn: Mutex<bool>,
}

/// A change that was asked for. Whoever drops it without an answer, because the client is gone or its time is over, does not
/// know what came of it, and that is written, too.
pub(super) struct Asked {
    audit: Audit,
    entry: Option<Entry>,
}

/// A line.
#[derive(Clone, Serialize)]
struct Entry {
    at: String,
    who: Arc<str>,
    verb: &'static str,
    subject: String,
    outcome: &'static str,
}

impl Audit {
    /// To the log alone.
    pub(super) fn to_log() -> Self {
        Self(Arc::new(Inner { clock: Clock::system(), file: None, is_torn: Mutex::new(false) }))
    }

    /// To the log, and to this file, if its name is not empty.
    ///
    /// # Errors
    ///
    /// `Invalid` if the file can not be opened or made.
    pub(super) async fn open(file: &str) -> Result<Self> {
        if file.is_empty() {
            return Ok(Self::to_log());
        }
        let inner = Inner { clock: Clock::system(), file: Some(file.into()), is_torn: Mutex::new(false) };
        let audit = Self(Arc::new(inner));
        let opened = audit.clone();
        let opened = tokio::task::spawn_blocking(move || opened.0.append(b"")).await;
        let opened = opened.unwrap_or_else(|_| Err(io::Error::other("it was not looked at")));
        let message = format!("http.audit_file: {file:?} can not be written");
        opened.map_err(|error| Error::new(ErrorKind::Invalid, message).because(error))?;
        Ok(audit)
    }

    /// Notes what is asked for; `subject` is its path.
    pub(super) fn asked(&self, who: Arc<str>, verb: &'static str, subject: &str) -> Asked {
        let subject = subject.get(..SUBJECT_BYTES_MAX).unwrap_or(subject).to_owned();
        let entry = Entry { at: String::new(), who, verb, subject, outcome: Code::Unknown.as_str() };
        Asked { audit: self.clone(), entry: Some(entry) }
    }

    fn stamped(&self, entry: Entry) -> Entry {
        let since = Duration::from_millis(u64::try_from(self.0.clock.now().0).unwrap_or(0));
        Entry { at: humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string(), ..entry }
    }
}

impl Asked {
    /// Writes what came of it. It is in the file when that is done, unless that could not be written; then the log says so.
    pub(super) fn came_to(mut self, response: &Response) -> impl Future<Output = ()> + Send + use<> {
        let outcome = response.extensions().get::<Code>().map_or(DONE, |code| code.as_str());
        // What is new has its place in the answer.
        let place = response.headers().get(LOCATION).and_then(|place| place.to_str().ok()).map(str::to_owned);
        if let Some(entry) = &mut self.entry {
            entry.outcome = outcome;
            entry.subject = place.unwrap_or_else(|| std::mem::take(&mut entry.subject));
        }
        async move {
            if self.audit.0.file.is_some() {
                // Begun, it ends, whoever waits for it.
                let _written = tokio::task::spawn_blocking(move || drop(self)).await;
            }
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.audit.write(entry);
        }
    }
}

impl Audit {
    /// Writes a line. Blocks for a write to a file, at most.
    fn write(&self, entry: Entry) {
        let entry = self.stamped(entry);
        let Entry { who, verb, subject, outcome, .. } = &entry;
        tracing::info!(target: "callboard::audit", who = &**who, verb, subject, outcome, "asked for over HTTP");
        let line = serde_json::to_vec(&entry).map(|line| [&line[..], b"\n"].concat());
        if let Err(error) = line.map_err(io::Error::from).and_then(|line| self.0.append(&line)) {
            tracing::error!(
                target: "callboard::audit",
                who = &**who, verb, subject, outcome, %error,
                "the audit file could not be written: this line of it is here alone"
            );
        }
    }
}

impl Inner {
    fn append(&self, line: &[u8]) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut is_torn = self.is_torn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(file)?;
        let line = if *is_torn { [b"\n", line].concat() } else { line.to_vec() };
        let written = file.write_all(&line);
        *is_torn = written.is_err();
        written
    }
}
