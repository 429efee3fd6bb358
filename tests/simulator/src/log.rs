//! What happened, line by line: its hash tells one history from another.

use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Where everything that happens between processes is written down.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    hasher: blake3::Hasher,
    lines: u64,
    is_shown: bool,
    at_ms: u64,
}

impl Log {
    /// A log that prints what it is told, if it `is_shown`.
    #[must_use]
    pub fn new(is_shown: bool) -> Self {
        Self(Arc::new(Mutex::new(Inner { is_shown, ..Inner::default() })))
    }

    /// Says what time it is.
    pub fn is_at(&self, at_ms: u64) {
        if let Ok(mut inner) = self.0.lock() {
            inner.at_ms = at_ms;
        }
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_millis(self.0.lock().map_or(0, |inner| inner.at_ms))
    }

    /// Writes a line down.
    pub fn note(&self, line: impl FnOnce() -> String) {
        let Ok(mut inner) = self.0.lock() else { return };
        let line = format!("{:>7} {}\n", inner.at_ms, line());
        inner.hasher.update(line.as_bytes());
        inner.lines += 1;
        if inner.is_shown {
            print!("{line}");
        }
    }

    /// The hash of all lines, and how many there are.
    #[must_use]
    pub fn hash(&self) -> (blake3::Hash, u64) {
        self.0.lock().map_or_else(|_| (blake3::hash(b""), 0), |inner| (inner.hasher.finalize(), inner.lines))
    }
}
