//! What is counted for every task, every batch or every message: handles that are made once.
//!
//! **A capability is a label only as long as there are few.** Whoever submits a workflow chooses the names in it, so they are
//! no closed set: the first [`CAPABILITIES_MAX`] that a process comes to have series of their own, all others share
//! [`OTHERS`].

use super::{
    APPEND_DURATION, APPENDS, BATCH_EVENTS, DEAF, EFFECTS_UNKNOWN, FENCED, MESSAGES, PARKED, PARTITIONS,
    PARTITIONS_OWNED, QUEUE_SIZE, QUEUE_WAIT, RECOVERY, RUNS, RUNS_SUBMITTED, SLOTS, SNAPSHOT_AT, START_FAILURES,
    TAKEOVERS, TASK_DURATION, TASKS, UTILIZATION,
};
use crate::journal::append::Outcome;
use crate::supervise::FailureKind;
use callboard_core::{Counts, Millis, RunOutcome, Status};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Capabilities with series of their own: some forty each, so 8,000 at most of a node.
pub(super) const CAPABILITIES_MAX: usize = 200;
/// What the others are called, which no capability can be: there are no brackets in those.
pub(super) const OTHERS: &str = "(others)";

/// Where tasks wait, or have come to rest.
const QUEUES: [Status; 5] = [Status::Ready, Status::Blocked, Status::Running, Status::Parked, Status::Dead];
/// How tasks end.
const ENDS: [Status; 5] = [Status::Completed, Status::Failed, Status::Dead, Status::Cancelled, Status::Skipped];
/// How runs end.
const OUTCOMES: [RunOutcome; 3] = [RunOutcome::Completed, RunOutcome::Failed, RunOutcome::Cancelled];

/// The handles of a node. They go to the recorder that there is when they are made.
pub(crate) struct Meters {
    capabilities: Mutex<BTreeMap<Arc<str>, Arc<OfCapability>>>,
    queues: [Gauge; QUEUES.len()],
    pub(crate) runs_submitted: Counter,
    runs: [Counter; OUTCOMES.len()],
    appends: [Counter; 4],
    append_took: Histogram,
    batch_events: Histogram,
    partitions: Gauge,
    partitions_owned: Gauge,
    takeovers: Counter,
    recovery: Histogram,
    sent: [Counter; TYPES.len() + 1],
    received: [Counter; TYPES.len() + 1],
}

/// The handles that are about one capability.
pub(crate) struct OfCapability {
    /// As it is called in labels.
    pub(crate) name: Arc<str>,
    ended: [Counter; ENDS.len()],
    pub(crate) took: Histogram,
    pub(crate) waited: Histogram,
}

impl Default for Meters {
    fn default() -> Self {
        // What has not happened yet is seen as a 0: how much a series has grown is not known of one that begins with a 1.
        ["queue", "broadcasts"].into_iter().for_each(|ear| counter!(DEAF, "ear" => ear).increment(0));
        Self {
            capabilities: Mutex::default(),
            queues: QUEUES.map(|queue| gauge!(QUEUE_SIZE, "queue" => queue.as_str())),
            runs_submitted: counter!(RUNS_SUBMITTED),
            runs: OUTCOMES.map(|outcome| counter!(RUNS, "status" => outcome.as_str())),
            appends: ["committed", "failed", "unknown", "refused"]
                .map(|outcome| counter!(APPENDS, "outcome" => outcome)),
            append_took: histogram!(APPEND_DURATION),
            batch_events: histogram!(BATCH_EVENTS),
            partitions: gauge!(PARTITIONS),
            partitions_owned: gauge!(PARTITIONS_OWNED),
            takeovers: counter!(TAKEOVERS),
            recovery: histogram!(RECOVERY),
            sent: of_messages("sent"),
            received: of_messages("received"),
        }
    }
}

impl OfCapability {
    fn new(name: Arc<str>) -> Self {
        Self {
            ended: ENDS.map(|status| counter!(TASKS, "capability" => name.clone(), "status" => status.as_str())),
            took: histogram!(TASK_DURATION, "capability" => name.clone()),
            waited: histogram!(QUEUE_WAIT, "capability" => name.clone()),
            name,
        }
    }

    /// Tasks have ended.
    pub(crate) fn ended(&self, status: Status) {
        if let Some(at) = ENDS.iter().position(|end| *end == status) {
            self.ended[at].increment(1);
        }
    }

    /// A task was parked.
    pub(crate) fn parked(&self, reason: &'static str) {
        counter!(PARKED, "capability" => self.name.clone(), "reason" => reason).increment(1);
    }

    /// Nobody knows whether an effect of a task happened.
    pub(crate) fn effect_unknown(&self) {
        counter!(EFFECTS_UNKNOWN, "capability" => self.name.clone()).increment(1);
    }
}

impl Meters {
    /// The handles of a capability, its own or those that it shares.
    pub(crate) fn of(&self, capability: &Arc<str>) -> Arc<OfCapability> {
        let mut all = self.capabilities();
        if let Some(known) = all.get(capability) {
            return known.clone();
        }
        let name = if all.len() < CAPABILITIES_MAX { capability.clone() } else { OTHERS.into() };
        all.entry(name.clone()).or_insert_with(|| Arc::new(OfCapability::new(name))).clone()
    }

    fn capabilities(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<OfCapability>>> {
        self.capabilities.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run has ended.
    pub(crate) fn run_ended(&self, outcome: RunOutcome) {
        if let Some(at) = OUTCOMES.iter().position(|known| *known == outcome) {
            self.runs[at].increment(1);
        }
    }

    /// The tasks of a partition stood there and stand here now.
    pub(crate) fn queues(&self, from: &Counts, to: &Counts) {
        for (gauge, queue) in self.queues.iter().zip(QUEUES) {
            let (from, to) = (from.of(queue), to.of(queue));
            if to > from {
                gauge.increment((to - from) as f64);
            } else if to < from {
                gauge.decrement((from - to) as f64);
            }
        }
    }

    /// A batch of so many events was appended, or not.
    pub(crate) fn appended(&self, outcome: &Outcome, events: u32, took: Duration) {
        let at = match outcome {
            Outcome::Committed(_) => 0,
            Outcome::Failed { .. } => 1,
            Outcome::Unknown { .. } => 2,
            Outcome::Refused(_) => 3,
        };
        self.appends[at].increment(1);
        self.append_took.record(took);
        self.batch_events.record(events);
    }

    /// How many partitions there are.
    pub(crate) fn partitions(&self, count: u16) {
        self.partitions.set(count);
    }

    /// A partition was claimed and replayed.
    pub(crate) fn recovered(&self, took: Duration) {
        self.takeovers.increment(1);
        self.recovery.record(took);
    }

    /// A partition could not be claimed, or not be replayed.
    pub(crate) fn not_recovered(&self, kind: FailureKind) {
        counter!(START_FAILURES, "reason" => kind.to_string()).increment(1);
    }

    /// A tenure has begun.
    pub(crate) fn tenure_began(&self) {
        self.partitions_owned.increment(1);
    }

    /// A tenure has ended.
    pub(crate) fn tenure_ended(&self) {
        self.partitions_owned.decrement(1);
    }

    /// The newest snapshot of a partition is as of then.
    pub(crate) fn snapshot(&self, partition: u16, at: Millis) {
        gauge!(SNAPSHOT_AT, "partition" => partition.to_string()).set(at.0 as f64 / 1e3);
    }

    /// Somebody has spoken who does not hold the task.
    pub(crate) fn fenced(&self, operation: &'static str) {
        counter!(FENCED, "operation" => operation).increment(1);
    }

    /// A message of this type was sent.
    pub(super) fn sent(&self, of: usize) {
        self.sent[of].increment(1);
    }

    /// A message of this kind has come.
    pub(super) fn received(&self, kind: &str) {
        self.received[type_of(kind)].increment(1);
    }

    /// How busy the agents of a capability are, told from now on.
    pub(crate) fn utilization(&self, capability: &Arc<str>) -> Utilization {
        let name = &self.of(capability).name;
        if **name == *OTHERS {
            return Utilization::noop(); // each would say it of all
        }
        Utilization {
            share: gauge!(UTILIZATION, "capability" => name.clone()),
            slots: gauge!(SLOTS, "capability" => name.clone()),
        }
    }
}

/// How busy the agents of one capability are; nobody is there any more when this is dropped.
pub(crate) struct Utilization {
    share: Gauge,
    slots: Gauge,
}

impl Utilization {
    /// Of which nobody is told.
    pub(crate) fn noop() -> Self {
        Self { share: Gauge::noop(), slots: Gauge::noop() }
    }

    /// So many of so many slots are taken.
    pub(crate) fn is(&self, taken: usize, slots: usize) {
        self.share.set(if slots == 0 { 0.0 } else { taken as f64 / slots as f64 });
        self.slots.set(slots as f64);
    }
}

impl Drop for Utilization {
    fn drop(&mut self) {
        self.is(0, 0);
    }
}

/// The types of messages, by what they are called on the bus: `callboard.<type>.v1`.
const TYPES: [(&str, &str); 5] = [
    (crate::dispatch::courier::DISPATCH, "task.dispatch"),
    (crate::cluster::note::REQUEST, "node.request"),
    (crate::cluster::note::ANSWER, "node.answer"),
    (crate::cluster::note::NOTE, "node.note"),
    (crate::cluster::note::BEAT, "node.beat"),
];

/// Which of these types a message is of; the last is none of them.
pub(super) fn type_of(kind: &str) -> usize {
    TYPES.iter().position(|(known, _)| *known == kind).unwrap_or(TYPES.len())
}

/// The messages of one direction, by type.
fn of_messages(direction: &'static str) -> [Counter; TYPES.len() + 1] {
    std::array::from_fn(|at| {
        let kind = TYPES.get(at).map_or("other", |(_, kind)| kind);
        counter!(MESSAGES, "type" => kind, "direction" => direction)
    })
}
