//! A task of a run: what it waits for, who works on it, how it ended.

use crate::input::Input;
use crate::record::Record;
use crate::sabotage::{self, Sabotage};
use crate::{Failure, InstanceId, Json, Millis, Payload, Ready, TaskIndex, TaskRef, TaskSpec, TimerKind, Token};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Where a task stands; the closed list that users see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for other tasks.
    Blocked,
    /// Waits for an instance, perhaps after a delay.
    Ready,
    /// An instance works on it.
    Running,
    /// Waits for something durable and holds no instance.
    Parked,
    /// Has a result.
    Completed,
    /// Ended with an error that no retry would mend.
    Failed,
    /// Has spent its attempts: in the dead-letter.
    Dead,
    /// Was cancelled.
    Cancelled,
    /// Will never run, because something it needs did not complete.
    Skipped,
}

impl Status {
    /// All of them, in the order of a task's life.
    pub const ALL: [Self; 9] = [
        Self::Blocked,
        Self::Ready,
        Self::Running,
        Self::Parked,
        Self::Completed,
        Self::Failed,
        Self::Dead,
        Self::Cancelled,
        Self::Skipped,
    ];

    /// Whether it never changes again by itself.
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Completed) || self.is_without_result()
    }

    /// Whether it has ended and there is no result.
    pub const fn is_without_result(self) -> bool {
        matches!(self, Self::Failed | Self::Dead | Self::Cancelled | Self::Skipped)
    }

    /// Whether somebody can give it another life: it has ended without a result, and for a reason of its own.
    pub const fn is_resumable(self) -> bool {
        matches!(self, Self::Failed | Self::Dead | Self::Cancelled)
    }

    /// The word for it in every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Parked => "parked",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }
}

/// How many tasks of a run stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([usize; Status::ALL.len()]);

impl Counts {
    /// How many have this status.
    pub fn of(&self, status: Status) -> usize {
        self.0[status as usize]
    }

    /// Each status with its number, those without a task included.
    pub fn iter(&self) -> impl Iterator<Item = (Status, usize)> {
        Status::ALL.into_iter().zip(self.0)
    }

    /// How many there are.
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }

    /// How many have not ended.
    pub fn open(&self) -> usize {
        self.iter().filter(|(status, _)| !status.is_ended()).map(|(_, count)| count).sum()
    }

    pub(crate) fn add(&mut self, status: Status) {
        self.0[status as usize] += 1;
    }

    /// What was `from` within them is `to` now.
    pub(crate) fn changed(&mut self, from: &Self, to: &Self) {
        for (count, (from, to)) in self.0.iter_mut().zip(from.0.into_iter().zip(to.0)) {
            *count = (*count + to).saturating_sub(from);
        }
    }

    /// One task has moved.
    pub(crate) fn moved(&mut self, from: Status, to: Status) {
        self.0[from as usize] -= 1;
        self.0[to as usize] += 1;
    }
}

/// An object with the number of each status, those without a task included.
impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// What is not named counts as zero. More than can be added up is refused.
impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let told = BTreeMap::<Status, usize>::deserialize(deserializer)?;
        let total = told.values().try_fold(0_usize, |total, count| total.checked_add(*count));
        total.ok_or_else(|| de::Error::custom("there are not so many tasks"))?;
        let mut counts = Self::default();
        told.into_iter().for_each(|(status, count)| counts.0[status as usize] = count);
        Ok(counts)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of a task with what belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Waits for `waiting` distinct tasks.
    Blocked {
        /// How many of the tasks it needs have not completed.
        waiting: u32,
    },
    /// May be handed out from `not_before` on.
    Ready {
        /// The end of the retry delay, or the moment it became ready.
        not_before: Millis,
        /// What must let it through first, if its handler has come to something that did not: then it counts as parked.
        #[serde(skip_serializing_if = "Option::is_none")]
        gate: Option<Arc<str>>,
    },
    /// Waits for something durable, and no instance holds it: its handler begins again when that has come.
    Parked {
        /// Since when.
        since: Millis,
    },
    /// Held by one instance.
    Running {
        /// The holder.
        holder: InstanceId,
        /// When it accepted.
        since: Millis,
    },
    /// Has a result.
    Completed {
        /// The result.
        output: Payload,
        /// Who handed it in.
        by: InstanceId,
    },
    /// Ended with an error that no retry would mend; the reasons are the task's failures.
    Failed,
    /// Has spent its attempts or its losses; the reasons are the task's failures.
    Dead,
    /// Was cancelled.
    Cancelled {
        /// By whom or why.
        reason: Arc<str>,
    },
    /// Will never run.
    Skipped {
        /// The task that did not complete, at the root of it.
        cause: TaskIndex,
    },
}

impl TaskState {
    /// May be handed out from then on.
    pub(crate) const fn ready(not_before: Millis) -> Self {
        Self::Ready { not_before, gate: None }
    }

    pub(crate) const fn status(&self) -> Status {
        match self {
            Self::Blocked { .. } => Status::Blocked,
            Self::Ready { gate: None, .. } => Status::Ready,
            Self::Ready { gate: Some(_), .. } => Status::Parked,
            Self::Running { .. } => Status::Running,
            Self::Parked { .. } => Status::Parked,
            Self::Completed { .. } => Status::Completed,
            Self::Failed => Status::Failed,
            Self::Dead => Status::Dead,
            Self::Cancelled { .. } => Status::Cancelled,
            Self::Skipped { .. } => Status::Skipped,
        }
    }
}

/// A task of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Task {
    /// What its author wrote.
    #[serde(skip)]
    pub spec: Arc<TaskSpec>,
    /// Where it stands.
    pub state: TaskState,
    /// What a write must show to be accepted.
    pub token: Token,
    /// The attempt from which its budget of retries counts: 1, unless it was resumed.
    #[serde(skip_serializing_if = "is_one")]
    pub first_attempt: u32,
    /// The input in the place of the author's, if it was edited when the task was resumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited: Option<Box<EditedInput>>,
    /// Activations cut short so far, over all attempts since it was resumed.
    pub losses: u32,
    /// The failures so far, oldest first, each with the attempt it ended and when.
    pub failures: Vec<FailedAttempt>,
    /// When it ended, if it has.
    pub ended_at: Option<Millis>,
    /// The task that asked for it, if another task did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// The task whose effect it undoes, if it is there for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undoes: Option<TaskIndex>,
    /// What its handler has recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<Box<Record>>,
    /// How far it is, in its handler's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Json>,
    /// Who held the attempt that failed last.
    #[serde(skip)]
    pub(crate) failed_by: Option<InstanceId>,
    /// Volatile: until when its holder may be silent.
    #[serde(skip)]
    pub(crate) lease_until: Millis,
    /// Volatile: when its handler was last heard of.
    #[serde(skip)]
    pub(crate) heard_at: Millis,
}

fn is_one(number: &u32) -> bool {
    *number == 1
}

/// Where a child comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parent {
    /// The task that asked for it.
    pub task: TaskIndex,
    /// The call that it stands for.
    pub key: Arc<str>,
    /// How many tasks stand above it.
    pub depth: u32,
    /// Which hand-out of that task has asked for it.
    #[serde(skip)]
    pub token: Token,
}

/// An input that was edited when its task was resumed.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct EditedInput {
    /// As it was written.
    pub json: Json,
    #[serde(skip)]
    pub(crate) compiled: Input,
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailedAttempt {
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When.
    pub at: Millis,
    /// Why.
    pub failure: Failure,
}

impl Task {
    pub(crate) fn new(spec: Arc<TaskSpec>, waiting: u32, at: Millis) -> Self {
        let state = if waiting == 0 { TaskState::ready(at) } else { TaskState::Blocked { waiting } };
        Self {
            spec,
            state,
            token: Token::FIRST,
            first_attempt: Token::FIRST.attempt,
            edited: None,
            losses: 0,
            failures: Vec::new(),
            ended_at: None,
            parent: None,
            undoes: None,
            record: None,
            progress: None,
            failed_by: None,
            lease_until: Millis::default(),
            heard_at: Millis::default(),
        }
    }

    /// Where it stands, as users see it.
    pub fn status(&self) -> Status {
        self.state.status()
    }

    /// The result, if there is one.
    pub fn output(&self) -> Option<&Payload> {
        match &self.state {
            TaskState::Completed { output, .. } => Some(output),
            _ => None,
        }
    }

    /// The instance that holds it, if one does.
    pub fn holder(&self) -> Option<&InstanceId> {
        match &self.state {
            TaskState::Running { holder, .. } => Some(holder),
            _ => None,
        }
    }

    /// How many tasks stand above it: 0 for a task of the author's.
    pub fn depth(&self) -> u32 {
        self.parent.as_ref().map_or(0, |parent| parent.depth)
    }

    pub(crate) fn record_mut(&mut self) -> &mut Record {
        self.record.get_or_insert_default()
    }

    /// What the backlog has to know of it, as the task `task`.
    pub(crate) fn as_ready(&self, task: TaskRef) -> Ready {
        let gate = match &self.state {
            TaskState::Ready { gate, .. } => gate.clone(),
            _ => None,
        };
        Ready { gate, ..self.spec.ready(task, self.token, self.failed_by.clone()) }
    }

    /// How many of its retries were used since it was started or resumed: the attempt under way, or the next, is one of them.
    pub fn retries_used(&self) -> u32 {
        self.attempt_of_budget() - 1
    }

    /// The attempt as its retry policy counts it: from 1 again after the task was resumed.
    ///
    /// An activation is no attempt: what parks, or is lost with its holder, goes on with the attempt that it had.
    pub(crate) fn attempt_of_budget(&self) -> u32 {
        let attempt = (self.token.attempt + 1).saturating_sub(self.first_attempt).max(1);
        if sabotage::is(Sabotage::RetrySpentByParking) { attempt + self.token.activation - 1 } else { attempt }
    }

    /// The moments at which something is to be looked at, if nothing happens before.
    pub(crate) fn timers(&self) -> impl Iterator<Item = (Millis, TimerKind)> {
        let ms = std::time::Duration::from_millis;
        let timeouts = &self.spec.timeouts;
        let timers = match &self.state {
            TaskState::Ready { not_before, .. } => [
                // The very first hand-out is an effect of what made the task ready; every other one is due by time.
                (self.token != Token::FIRST).then_some((*not_before, TimerKind::Retry)),
                // What was begun and was parked since has started.
                timeouts
                    .start_ms
                    .filter(|_| self.record.is_none())
                    .map(|limit| (not_before.after(ms(limit)), TimerKind::Start)),
                None,
            ],
            TaskState::Running { since, .. } => [
                (!sabotage::is(Sabotage::LeaseNeverExpires)).then_some((self.lease_until, TimerKind::Lease)),
                timeouts.attempt_ms.map(|limit| (since.after(ms(limit)), TimerKind::Attempt)),
                timeouts.heartbeat_ms.map(|limit| (self.heard_at.after(ms(limit)), TimerKind::Heartbeat)),
            ],
            _ => [None, None, None],
        };
        let waits = self.record.as_deref().filter(|_| !self.status().is_ended());
        let wait = waits.and_then(Record::due).map(|due| (due, TimerKind::Wait));
        timers.into_iter().chain([wait]).flatten()
    }
}
