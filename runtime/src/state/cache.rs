//! The newest versions that a node has seen: a read of one that is still the newest is one list, and none at all for who
//! takes what is at most a second old.

use super::chain::Read;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How many documents are remembered.
const SEEN_MAX: usize = 1_000;
/// How long a document is kept up to date after somebody has asked for what is remembered of it.
const WATCHED: Duration = Duration::from_secs(30);

/// The newest versions that were seen.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    entries: BTreeMap<Arc<str>, Entry>,
    /// In the order in which they came.
    order: VecDeque<Arc<str>>,
}

/// What is remembered of a document.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) read: Read,
    /// When it was the newest at the latest that is known: the begin of the read that found it so.
    pub(super) newest_at: Instant,
    /// When it was asked for last.
    asked: Option<Instant>,
}

impl Entry {
    /// What a read has found that began then.
    pub(super) fn new(read: Read, began: Instant) -> Self {
        Self { read, newest_at: began, asked: None }
    }
}

impl Cache {
    /// Only this map is behind the lock, and each change of it is whole.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen last.
    pub(super) fn get(&self, key: &str) -> Option<Entry> {
        self.seen().entries.get(key).cloned()
    }

    /// The same for somebody who may use it as it is.
    pub(super) fn ask(&self, key: &str, now: Instant) -> Option<Entry> {
        let mut seen = self.seen();
        let entry = seen.entries.get_mut(key)?;
        entry.asked = Some(now);
        Some(entry.clone())
    }

    /// Notes what a read has found that began then.
    pub(super) fn see(&self, key: &str, read: &Read, began: Instant) {
        let mut seen = self.seen();
        match seen.entries.get_mut(key) {
            Some(known) if read.number < known.read.number => {}
            Some(known) => {
                let newest_at = if read.number == known.read.number { known.newest_at.max(began) } else { began };
                *known = Entry { read: read.clone(), newest_at, asked: known.asked };
            }
            None => {
                let key: Arc<str> = key.into();
                seen.order.push_back(key.clone());
                seen.entries.insert(key, Entry::new(read.clone(), began));
            }
        }
        while seen.order.len() > SEEN_MAX {
            if let Some(oldest) = seen.order.pop_front() {
                seen.entries.remove(&oldest);
            }
        }
    }

    /// The documents that are kept up to date.
    pub(super) fn watched(&self, now: Instant) -> Vec<Arc<str>> {
        let is_watched =
            |entry: &Entry| entry.asked.is_some_and(|asked| now.saturating_duration_since(asked) < WATCHED);
        self.seen().entries.iter().filter(|(_, entry)| is_watched(entry)).map(|(key, _)| key.clone()).collect()
    }
}
