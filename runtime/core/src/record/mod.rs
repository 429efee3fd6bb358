//! What the handler of a task has recorded: the journal of one task, by which its handler is brought back to where it was.
//!
//! Each durable call of a handler has a *key*: its name and occurrence in its scope, as the shell writes it. What the calls
//! came to stands in the order in which it was recorded, and is given back to the handler in that order.
//!
//! Values hold for ever. A failure holds for the attempt that has seen it: a later activation of that attempt sees it
//! again, the next attempt tries again.

mod apply;
mod event;
mod grown;
mod note;
mod signal;

pub(crate) use apply::Moment;
pub use event::{
    ApprovalAnswered, ChildSpec, ChildrenSubmitted, Decision, EffectBegun, EffectDecided, EffectUnknown,
    SignalReceived, StepRecorded, TaskFailed, TaskParked, TaskProgressed, UndoBegun, UndoSpec, WaitBegun, WaitElapsed,
    WaitsWithdrawn,
};
pub(crate) use grown::Grown;
pub use note::{Answer, Child, Note, OnCycle};
pub(crate) use signal::{Queue, Signals, Waiter};

use crate::{Cost, Failure, Json, Millis, Payload, Run, TaskIndex, TaskSpec};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// What the handler of a task has recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Record {
    /// In the order of the journal. Failures of earlier attempts are left out.
    pub entries: Vec<Entry>,
    /// The effects with a contract, by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub effects: BTreeMap<Arc<str>, Effect>,
    /// What it waits for, by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub waits: BTreeMap<Arc<str>, Wait>,
    /// The newest child of each call.
    #[serde(skip)]
    pub(crate) children: BTreeMap<Arc<str>, TaskIndex>,
    /// Approvals that it has asked for so far.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) approvals: u32,
    /// Children that have not ended.
    #[serde(skip)]
    pub(crate) open_children: usize,
    /// The calls that have a result.
    #[serde(skip)]
    done: HashSet<Arc<str>>,
    /// The calls that have failed in this attempt.
    #[serde(skip)]
    failed: HashSet<Arc<str>>,
    /// When what it waits for has to have come.
    #[serde(skip)]
    dues: BTreeSet<(Millis, Arc<str>)>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One thing that was recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The event that recorded it.
    pub seq: u64,
    /// When that was.
    pub at: Millis,
    /// The call.
    pub key: Arc<str>,
    /// What became of it.
    pub what: Noted,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Noted {
    /// A task was submitted for it; with the hash of its request.
    Submitted {
        /// The child.
        child: TaskIndex,
        /// The hash of the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hash: Option<Arc<str>>,
    },
    /// An effect is about to run: until its outcome is recorded it may have happened or not.
    Begun(Contract),
    /// The same for one that a probe is to look for behind this.
    BegunBehind(Contract, u64),
    /// Nobody knows whether the effect happened: a person has to decide.
    Unknown,
    /// The effect did not happen, says somebody: it may run again.
    NotDone,
    /// It waits for something.
    Waits,
    /// So much of the budget is reserved for it.
    Reserved(Cost),
    /// What was reserved for it is not any more: its activation has ended without saying what it cost, and it was charged as
    /// much as this.
    Charged(Cost),
    /// Its result.
    Value(Payload),
    /// It failed, in this attempt.
    Failed(Failure),
}

/// What is promised of an effect, and so how an unknown outcome is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contract {
    /// The other side takes an idempotency key: run it again with the same.
    Keyed,
    /// A probe tells whether it happened.
    Checkable,
    /// Only a person can tell.
    Irreversible,
}

impl Contract {
    /// The word for it in every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keyed => "keyed",
            Self::Checkable => "checkable",
            Self::Irreversible => "irreversible",
        }
    }
}

/// An effect with a contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// What is promised of it.
    pub contract: Contract,
    /// The event that began it, the last time if it did not happen before: effects are undone in the reverse of this order.
    pub seq: u64,
    /// When it was begun.
    pub at: Millis,
    /// The task that undoes it, if there is one.
    #[serde(skip)]
    pub undo: Option<Arc<TaskSpec>>,
    /// Whether its undo was begun.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub undone: bool,
    /// Where it stands.
    pub state: EffectState,
}

/// Where an effect stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectState {
    /// It runs, or was cut short.
    Begun,
    /// Nobody knows whether it happened, and why not.
    Unknown(Arc<str>),
    /// It happened, and its result is recorded.
    Done,
    /// It did not happen.
    NotDone,
}

/// What a call waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Wait {
    /// A moment.
    Sleep {
        /// Until when.
        until: Millis,
    },
    /// A signal to the run.
    Signal {
        /// Its name.
        name: Arc<str>,
        /// Until when, if not for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Millis>,
    },
    /// The answer of a person.
    Approval {
        /// What is asked.
        prompt: Arc<str>,
        /// Which of the task's approvals it is, from 1.
        number: u32,
        /// Until when, if not for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Millis>,
    },
    /// Other tasks of the run.
    Barrier {
        /// Its name.
        name: Arc<str>,
        /// How many have to come.
        parties: u32,
        /// What this one brings.
        value: Json,
        /// Until when, if not for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Millis>,
    },
    /// Room in the budget of the run, which is reserved for it then.
    Budget {
        /// What it costs at most.
        cost: Cost,
        /// Until when, if not for ever.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Millis>,
    },
}

impl Wait {
    /// Until when.
    pub fn until(&self) -> Option<Millis> {
        match self {
            Self::Sleep { until } => Some(*until),
            Self::Signal { until, .. }
            | Self::Approval { until, .. }
            | Self::Barrier { until, .. }
            | Self::Budget { until, .. } => *until,
        }
    }

    /// What it waits for, in words.
    pub fn in_words(&self) -> String {
        match self {
            Self::Sleep { .. } => "sleeps".into(),
            Self::Signal { name, .. } => format!("waits for the signal {name:?}"),
            Self::Approval { prompt, number, .. } => format!("waits for approval {number}: {prompt}"),
            Self::Barrier { name, parties, .. } => format!("waits for {parties} at the barrier {name:?}"),
            Self::Budget { cost, .. } => format!("asks the budget for {cost}"),
        }
    }
}

impl Record {
    /// Whether a call has come to something that this attempt sees.
    pub(crate) fn is_settled(&self, key: &str) -> bool {
        self.done.contains(key) || self.failed.contains(key)
    }

    /// Whether there is something to wait for that will come by itself or from outside.
    pub(crate) fn waits_for_something(&self) -> bool {
        let is_unknown = |effect: &Effect| matches!(effect.state, EffectState::Unknown(_));
        !self.waits.is_empty() || self.open_children > 0 || self.effects.values().any(is_unknown)
    }

    /// Adds an entry at the end.
    pub(crate) fn push(&mut self, seq: u64, at: Millis, key: &Arc<str>, what: Noted) {
        match what {
            Noted::Value(_) => drop(self.done.insert(key.clone())),
            Noted::Failed(_) => drop(self.failed.insert(key.clone())),
            _ => {}
        }
        self.entries.push(Entry { seq, at, key: key.clone(), what });
    }

    /// Begins to wait.
    pub(crate) fn wait(&mut self, key: Arc<str>, wait: Wait) {
        self.dues.extend(wait.until().map(|until| (until, key.clone())));
        self.waits.insert(key, wait);
    }

    /// Waits no more.
    pub(crate) fn end_wait(&mut self, key: &Arc<str>) -> Option<Wait> {
        let wait = self.waits.remove(key)?;
        if let Some(until) = wait.until() {
            self.dues.remove(&(until, key.clone()));
        }
        Some(wait)
    }

    /// Drops what holds for one attempt only: failures, and the beginnings of what came to nothing. The next attempt makes
    /// those calls anew. `has_failed` tells of a child that it has no result and will have none.
    fn next_attempt(&mut self, has_failed: impl Fn(TaskIndex) -> bool) {
        let Self { entries, effects, waits, children, done, failed, .. } = self;
        failed.clear();
        entries.retain(|Entry { key, what, .. }| match what {
            Noted::Value(_) => true,
            Noted::Failed(_) => false,
            Noted::Submitted { child, .. } => children.get(key) == Some(child) && !has_failed(*child),
            Noted::Waits => done.contains(key) || waits.contains_key(key),
            Noted::Reserved(_) | Noted::Charged(_) => done.contains(key),
            // Only what surely did not happen may begin as if it had never been.
            Noted::Begun(_) | Noted::BegunBehind(..) | Noted::Unknown | Noted::NotDone => {
                effects.get(key).is_some_and(|effect| effect.state != EffectState::NotDone)
            }
        });
    }

    /// The first moment that it waits for.
    pub(crate) fn due(&self) -> Option<Millis> {
        self.dues.first().map(|(due, _)| *due)
    }

    /// The calls that have waited long enough at `now`, in the order in which they come due.
    pub(crate) fn over(&self, now: Millis) -> impl Iterator<Item = &Arc<str>> {
        self.dues.iter().take_while(move |(due, _)| *due <= now).map(|(_, key)| key)
    }
}

impl Run {
    /// The record of a task as its next attempt finds it.
    pub(crate) fn next_attempt(&mut self, index: TaskIndex) {
        let Some(mut record) = self.tasks.get_mut(index.at()).and_then(|task| task.record.take()) else { return };
        record.next_attempt(|child| self.task(child).is_none_or(|task| task.status().is_without_result()));
        self.tasks[index.at()].record = Some(record);
    }
}
