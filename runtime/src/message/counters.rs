//! What has become of messages, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// What has become of the messages to agents of a node since its start, from whatever node they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageCounters {
    /// Messages that were put into an inbox; a broadcast counts once for each.
    pub delivered: u64,
    /// Messages that were refused because inboxes were full; a broadcast counts once for each.
    pub full: u64,
    /// Asks that got their answer.
    pub answered: u64,
    /// Answers that came when nobody waited any more, and were dropped.
    pub late: u64,
    /// Asks that were not handled, because nobody waited any more when their turn came.
    pub expired: u64,
    /// Messages that the agent declined.
    pub declined: u64,
    /// Messages whose handler failed, panicked or was cut short.
    pub failed: u64,
    /// Tells and broadcasts that still waited when their instance was removed or its node stopped.
    pub lost: u64,
}

/// The same, counting.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(super) delivered: Counter,
    pub(super) full: Counter,
    pub(super) answered: Counter,
    pub(super) late: Counter,
    pub(super) expired: Counter,
    pub(super) declined: Counter,
    pub(super) failed: Counter,
    pub(super) lost: Counter,
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(super) fn read(&self) -> MessageCounters {
        MessageCounters {
            delivered: self.delivered.read(),
            full: self.full.read(),
            answered: self.answered.read(),
            late: self.late.read(),
            expired: self.expired.read(),
            declined: self.declined.read(),
            failed: self.failed.read(),
            lost: self.lost.read(),
        }
    }
}
