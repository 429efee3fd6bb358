//! What a partition is given: its surroundings, its tuning, and what a claim and a replay have led to.

use super::history::History;
use super::recover::Tail;
use crate::breaches::Breaches;
use crate::clock::Clock;
use crate::closing_time::ClosingTime;
use crate::cluster::Switchboard;
use crate::cluster::note::Note;
use crate::dispatch::backlog::Backlog;
use crate::dispatch::courier::Courier;
use crate::journal::append::Appender;
use crate::journal::archive::Archive;
use crate::journal::keeper::Keeper;
use crate::limit::Limits;
use crate::stops::Stops;
use crate::telemetry::{Meters, Tracer};
use callboard_core::{Millis, Speaker, State, StopReason};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// What a partition is tuned by.
#[derive(Clone, Debug)]
pub(crate) struct Tuning {
    /// A snapshot is taken after this many events.
    pub(crate) snapshot_events: u64,
    /// Or after this many bytes.
    pub(crate) snapshot_bytes: u64,
    /// Ended runs kept in memory.
    pub(crate) closed_max: usize,
    /// How long an ended run is kept in memory.
    pub(crate) closed_for: Duration,
    /// How long the history of an ended run is kept.
    pub(crate) history_kept: Duration,
    /// Callers that may wait for one end, or read one run.
    pub(crate) watchers_max: usize,
    /// The longest that a partition sleeps: a bound on how late a timer can be when the machine was suspended.
    pub(crate) sleep_max: Duration,
    /// How often garbage is looked for.
    pub(crate) collect_every: Duration,
}

/// What a partition has around it, the same in every tenure.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) number: u16,
    /// How many there are, and of which name space: so that a run of a schedule belongs to this one.
    pub(crate) partitions: u16,
    pub(crate) namespace: Arc<str>,
    pub(crate) clock: Clock,
    pub(crate) tuning: Tuning,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) limits: Limits,
    pub(crate) courier: Courier,
    pub(crate) stops: Arc<Stops>,
    /// The node that this is, and the way to the others, if there are any.
    pub(crate) node: Arc<str>,
    pub(crate) others: Option<Switchboard>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) tracer: Tracer,
    pub(crate) breaches: Breaches,
    pub(crate) closing: ClosingTime,
    /// It is a copy that is looked at: what is due is left alone, and nothing is handed out.
    pub(crate) is_frozen: bool,
    /// The longest input, references resolved, that a task is handed out with; 16 MiB by default.
    pub(crate) input_bytes_max: u64,
}

impl Surroundings {
    /// Tells a handler to stop, wherever it runs. If that is lost it is fenced when it speaks next.
    pub(crate) fn stop(&self, speaker: Speaker, reason: StopReason) {
        match &self.others {
            Some(others) if *speaker.holder.node() != *self.node => {
                let node = speaker.holder.node().into();
                others.tell(&node, Note::Stop { speaker, reason });
            }
            _ => self.stops.stop(&speaker, reason),
        }
    }

    /// Which partition this is, of how many.
    pub(crate) fn home(&self) -> (u16, u16) {
        (self.number, self.partitions)
    }
}

/// What a partition counts, for tests and benchmarks.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Batches that were sent.
    pub(crate) commits: AtomicU64,
    /// Events in them.
    pub(crate) events: AtomicU64,
    /// Bytes of lines in them, before compression.
    pub(crate) bytes: AtomicU64,
    /// Those of the batches that somebody waited for.
    pub(crate) awaited: AtomicU64,
}

/// A tenure: what a claim and a replay have led to.
pub(crate) struct Tenure {
    pub(crate) surroundings: Surroundings,
    pub(crate) appender: Appender,
    pub(crate) keeper: Keeper,
    pub(crate) archive: Archive,
    pub(crate) state: State,
    pub(crate) history: History,
    pub(crate) tail: Tail,
    /// As of when the newest snapshot is, if there is one.
    pub(crate) snapshot_at: Option<Millis>,
    /// Nodes that may still hold tasks; every holder elsewhere is known to be gone.
    pub(crate) nodes: Option<Vec<Arc<str>>>,
}

impl Counters {
    pub(crate) fn read(&self) -> crate::board::JournalCounters {
        use std::sync::atomic::Ordering::Relaxed;
        crate::board::JournalCounters {
            commits: self.commits.load(Relaxed),
            awaited: self.awaited.load(Relaxed),
            events: self.events.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        }
    }
}
