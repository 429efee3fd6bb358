//! Durable facts, and the lines in which the journal keeps them.
//!
//! A line is one JSON object: `{"v":1,"seq":7,"at":1790000000000,"run":"...","kind":"task_completed","data":{...}}`.
//! `v` is the version of the format of this kind. A kind that is unknown, or a field that is, means that a newer
//! release has written here: the line is refused, never skipped. What a later version adds to a kind has a default.

use crate::plan::Planned;
use crate::record::{
    ApprovalAnswered, ChildrenSubmitted, EffectBegun, EffectDecided, EffectUnknown, SignalReceived, StepRecorded,
    TaskFailed, TaskParked, TaskProgressed, UndoBegun, WaitBegun, WaitElapsed, WaitsWithdrawn,
};
use crate::restored::RunRestored;
use crate::schedule::ScheduleEvent;
use crate::{Budget, CheckedGraph, Failure, Graph, InstanceId, Json, Millis, Payload, RunId, TaskIndex, Token};
use serde::de::DeserializeOwned;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;
use uuid::Uuid;

/// The version that this release writes and the newest it reads.
pub const FORMAT: u32 = 1;

/// The largest number of an event: the next ones always exist.
pub const SEQ_MAX: u64 = u64::MAX / 2;

/// One durable fact of a partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its place in the partition's history, from 1, without gaps.
    pub seq: u64,
    /// When it was decided; never before the event that precedes it.
    pub at: Millis,
    /// The run it belongs to, or the partition as a whole.
    pub run: Option<RunId>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// A run was submitted.
    RunSubmitted(RunSubmitted),
    /// An instance became the holder of a task.
    TaskAccepted(TaskAccepted),
    /// A task has its result.
    TaskCompleted(TaskCompleted),
    /// An attempt failed.
    AttemptFailed(AttemptFailed),
    /// An activation was cut short; that is no failure and uses no retry.
    AttemptLost(AttemptLost),
    /// Tasks will never run.
    TasksSkipped(TasksSkipped),
    /// Tasks were cancelled.
    TasksCancelled(TasksCancelled),
    /// Nothing of a run is open any more.
    RunEnded(RunEnded),
    /// Ended runs were moved from memory to a page of the archive.
    RunsArchived(RunsArchived),
    /// The oldest pages of the archive were forgotten, and with them the runs that are on no other.
    PagesForgotten(PagesForgotten),
    /// A run starts no more tasks.
    RunPaused(RunPaused),
    /// A paused run starts tasks again.
    RunResumed(RunResumed),
    /// A task that had ended without a result has another life.
    TaskResumed(TaskResumed),
    /// A run was brought back from the archive.
    RunRestored(RunRestored),
    /// A call of a handler has its result, or has failed in its attempt.
    StepRecorded(StepRecorded),
    /// A handler has asked for tasks.
    ChildrenSubmitted(ChildrenSubmitted),
    /// A handler is about to do something that must not be repeated blindly.
    EffectBegun(EffectBegun),
    /// Nobody knows whether an effect happened.
    EffectUnknown(EffectUnknown),
    /// A person has said whether an effect happened.
    EffectDecided(EffectDecided),
    /// A call of a handler waits.
    WaitBegun(WaitBegun),
    /// A sleep is over, or what was waited for has not come in time.
    WaitElapsed(WaitElapsed),
    /// Calls of a handler wait no more.
    WaitsWithdrawn(WaitsWithdrawn),
    /// A signal came.
    SignalReceived(SignalReceived),
    /// An approval was answered.
    ApprovalAnswered(ApprovalAnswered),
    /// A task waits for something durable and holds no instance.
    TaskParked(TaskParked),
    /// A handler has said how far it is.
    TaskProgressed(TaskProgressed),
    /// A task failed without an attempt: it was on a cycle.
    TaskFailed(TaskFailed),
    /// What a run has done is undone.
    UndoBegun(UndoBegun),
    /// Something was added to the budget of a run.
    BudgetToppedUp(BudgetToppedUp),
    /// The time that the budget of a run gives it is spent: it starts no more tasks, and reserves nothing.
    WallTimeSpent(WallTimeSpent),
    /// Something happened to a schedule.
    Schedule(ScheduleEvent),
}

/// See [`EventKind::RunSubmitted`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSubmitted {
    /// The workflow.
    pub graph: Arc<Graph>,
    /// The key that makes a repeated submission find this run.
    #[serde(default)]
    pub key: Option<String>,
    /// What was worked out of the graph before it was submitted; a replay does that again.
    #[serde(skip)]
    pub(crate) plan: Planned,
}

impl RunSubmitted {
    /// The submission of a graph.
    pub fn new(graph: CheckedGraph, key: Option<String>) -> Self {
        Self { graph: graph.graph, key, plan: Planned(Some(graph.prepared)) }
    }
}

/// A graph of 100,000 tasks takes a while to be written, so what was written before is copied.
impl Serialize for RunSubmitted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = 1 + usize::from(self.key.is_some());
        let mut data = serializer.serialize_struct("RunSubmitted", fields)?;
        match &self.plan.0 {
            Some(prepared) => data.serialize_field("graph", &prepared.json)?,
            None => data.serialize_field("graph", &*self.graph)?,
        }
        if let Some(key) = &self.key {
            data.serialize_field("key", key)?;
        }
        data.end()
    }
}

/// See [`EventKind::TaskAccepted`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskAccepted {
    /// The task.
    pub task: TaskIndex,
    /// The hand-out that was accepted.
    pub token: Token,
    /// Who holds it now.
    pub holder: InstanceId,
    /// Why its agent was chosen, if there was a choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Arc<str>>,
}

/// See [`EventKind::TaskCompleted`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskCompleted {
    /// The task.
    pub task: TaskIndex,
    /// The hand-out that led to it.
    pub token: Token,
    /// Who did it.
    pub holder: InstanceId,
    /// The result.
    pub output: Payload,
}

/// What follows a failed attempt or a lost activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// It is handed out again, not before this moment.
    Again(Millis),
    /// The task has failed.
    Failed,
    /// The task is dead-lettered.
    Dead,
}

/// See [`EventKind::AttemptFailed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttemptFailed {
    /// The task.
    pub task: TaskIndex,
    /// The hand-out that failed.
    pub token: Token,
    /// Who held it; absent if nobody had accepted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<InstanceId>,
    /// Why.
    pub failure: Failure,
    /// What follows.
    pub then: Then,
}

/// Why an activation was cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossReason {
    /// The lease expired.
    Lease,
    /// The holder's node, or its instance, is gone.
    Gone,
    /// The holder handed the task back, on a clean stop. Does not count toward the limit of losses.
    Released,
}

impl LossReason {
    /// What it says in a dead-letter.
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::Lease => "its lease expired",
            Self::Gone => "its node is gone",
            Self::Released => "it was handed back",
        }
    }
}

/// See [`EventKind::AttemptLost`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttemptLost {
    /// The task.
    pub task: TaskIndex,
    /// The hand-out that was cut short.
    pub token: Token,
    /// Who held it.
    pub holder: InstanceId,
    /// Why.
    pub reason: LossReason,
    /// What follows.
    pub then: Then,
}

/// See [`EventKind::TasksSkipped`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TasksSkipped {
    /// The tasks, ascending.
    pub tasks: Vec<TaskIndex>,
    /// The task that did not complete, at the root of it.
    pub cause: TaskIndex,
}

/// See [`EventKind::TasksCancelled`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TasksCancelled {
    /// The tasks, ascending.
    pub tasks: Vec<TaskIndex>,
    /// By whom or why.
    pub reason: Arc<str>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Every task completed.
    Completed,
    /// A task failed or is dead-lettered, or the run took too long.
    Failed,
    /// It was cancelled, in whole or in part, and nothing failed.
    Cancelled,
}

impl RunOutcome {
    /// The word for it in every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// See [`EventKind::RunEnded`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunEnded {
    /// How.
    pub outcome: RunOutcome,
}

/// See [`EventKind::RunsArchived`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunsArchived {
    /// The runs, ascending.
    pub runs: Vec<RunId>,
    /// What the archive wants to know of the page later; the shell's business.
    pub page: Json,
}

/// See [`EventKind::PagesForgotten`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagesForgotten {
    /// How many are left: the newest ones, at least one.
    pub kept: u64,
}

/// See [`EventKind::RunPaused`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunPaused {
    /// By whom or why.
    pub reason: Arc<str>,
}

/// See [`EventKind::RunResumed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunResumed {}

/// See [`EventKind::TaskResumed`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskResumed {
    /// The task: failed, dead or cancelled until now.
    pub task: TaskIndex,
    /// Its token from now on.
    pub token: Token,
    /// Its input from now on, if that was edited.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "Json::present")]
    pub input: Option<Json>,
    /// The skipped tasks that can run again now, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reopened: Vec<TaskIndex>,
}

/// See [`EventKind::BudgetToppedUp`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetToppedUp {
    /// Tells a repeated top-up from another.
    pub id: Uuid,
    /// How much of each thing.
    pub amount: Budget,
    /// By whom and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Arc<str>>,
}

/// See [`EventKind::WallTimeSpent`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WallTimeSpent {
    /// The limit that was spent, in milliseconds.
    pub limit_ms: u64,
}

/// Why a line is no event that this release can read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The line is not the JSON object it should be.
    #[error("not an event: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A kind that this release does not know: a newer release has written here.
    #[error("event {seq} is of the unknown kind {kind:?}; a newer release has written this journal")]
    UnknownKind {
        /// Where.
        seq: u64,
        /// What was seen.
        kind: String,
    },
    /// A version that this release does not know: a newer release has written here.
    #[error("event {seq} has version {version}, newer than {FORMAT}; a newer release has written this journal")]
    UnknownVersion {
        /// Where.
        seq: u64,
        /// What was seen.
        version: u32,
    },
}

#[derive(Serialize)]
struct LineOut<'a, T> {
    v: u32,
    seq: u64,
    at: Millis,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<RunId>,
    kind: &'static str,
    data: &'a T,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineIn<'a> {
    v: NonZeroU32,
    #[serde(deserialize_with = "number")]
    seq: u64,
    at: Millis,
    #[serde(default)]
    run: Option<RunId>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl EventKind {
    /// The word for it in the journal and in logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RunSubmitted(_) => "run_submitted",
            Self::TaskAccepted(_) => "task_accepted",
            Self::TaskCompleted(_) => "task_completed",
            Self::AttemptFailed(_) => "attempt_failed",
            Self::AttemptLost(_) => "attempt_lost",
            Self::TasksSkipped(_) => "tasks_skipped",
            Self::TasksCancelled(_) => "tasks_cancelled",
            Self::RunEnded(_) => "run_ended",
            Self::RunsArchived(_) => "runs_archived",
            Self::PagesForgotten(_) => "pages_forgotten",
            Self::RunPaused(_) => "run_paused",
            Self::RunResumed(_) => "run_resumed",
            Self::TaskResumed(_) => "task_resumed",
            Self::RunRestored(_) => "run_restored",
            Self::StepRecorded(_) => "step_recorded",
            Self::ChildrenSubmitted(_) => "children_submitted",
            Self::EffectBegun(_) => "effect_begun",
            Self::EffectUnknown(_) => "effect_unknown",
            Self::EffectDecided(_) => "effect_decided",
            Self::WaitBegun(_) => "wait_begun",
            Self::WaitElapsed(_) => "wait_elapsed",
            Self::WaitsWithdrawn(_) => "waits_withdrawn",
            Self::SignalReceived(_) => "signal_received",
            Self::ApprovalAnswered(_) => "approval_answered",
            Self::TaskParked(_) => "task_parked",
            Self::TaskProgressed(_) => "task_progressed",
            Self::TaskFailed(_) => "task_failed",
            Self::UndoBegun(_) => "undo_begun",
            Self::BudgetToppedUp(_) => "budget_topped_up",
            Self::WallTimeSpent(_) => "wall_time_spent",
            Self::Schedule(event) => event.name(),
        }
    }
}

impl Event {
    /// Appends the event's line, with its line break, to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match &self.kind {
            EventKind::RunSubmitted(data) => self.write(data, out),
            EventKind::TaskAccepted(data) => self.write(data, out),
            EventKind::TaskCompleted(data) => self.write(data, out),
            EventKind::AttemptFailed(data) => self.write(data, out),
            EventKind::AttemptLost(data) => self.write(data, out),
            EventKind::TasksSkipped(data) => self.write(data, out),
            EventKind::TasksCancelled(data) => self.write(data, out),
            EventKind::RunEnded(data) => self.write(data, out),
            EventKind::RunsArchived(data) => self.write(data, out),
            EventKind::PagesForgotten(data) => self.write(data, out),
            EventKind::RunPaused(data) => self.write(data, out),
            EventKind::RunResumed(data) => self.write(data, out),
            EventKind::TaskResumed(data) => self.write(data, out),
            EventKind::RunRestored(data) => self.write(data, out),
            EventKind::StepRecorded(data) => self.write(data, out),
            EventKind::ChildrenSubmitted(data) => self.write(data, out),
            EventKind::EffectBegun(data) => self.write(data, out),
            EventKind::EffectUnknown(data) => self.write(data, out),
            EventKind::EffectDecided(data) => self.write(data, out),
            EventKind::WaitBegun(data) => self.write(data, out),
            EventKind::WaitElapsed(data) => self.write(data, out),
            EventKind::WaitsWithdrawn(data) => self.write(data, out),
            EventKind::SignalReceived(data) => self.write(data, out),
            EventKind::ApprovalAnswered(data) => self.write(data, out),
            EventKind::TaskParked(data) => self.write(data, out),
            EventKind::TaskProgressed(data) => self.write(data, out),
            EventKind::TaskFailed(data) => self.write(data, out),
            EventKind::UndoBegun(data) => self.write(data, out),
            EventKind::BudgetToppedUp(data) => self.write(data, out),
            EventKind::WallTimeSpent(data) => self.write(data, out),
            EventKind::Schedule(event) => event.write(self, out),
        }
    }

    pub(crate) fn write<T: Serialize>(&self, data: &T, out: &mut Vec<u8>) {
        let line = LineOut { v: FORMAT, seq: self.seq, at: self.at, run: self.run, kind: self.kind.name(), data };
        // Every map in an event has strings as keys and a Vec takes all bytes, so there is nothing to fail.
        serde_json::to_writer(&mut *out, &line).expect("an event always has a JSON form");
        out.push(b'\n');
    }

    /// Reads one line, with or without its line break.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] says what was seen; nothing is ever skipped.
    pub fn decode(line: &[u8]) -> Result<Self, DecodeError> {
        let line: LineIn<'_> = serde_json::from_slice(line)?;
        if line.v.get() > FORMAT {
            return Err(DecodeError::UnknownVersion { seq: line.seq, version: line.v.get() });
        }
        let kind = match &*line.kind {
            "run_submitted" => EventKind::RunSubmitted(read(line.data)?),
            "task_accepted" => EventKind::TaskAccepted(read(line.data)?),
            "task_completed" => EventKind::TaskCompleted(read(line.data)?),
            "attempt_failed" => EventKind::AttemptFailed(read(line.data)?),
            "attempt_lost" => EventKind::AttemptLost(read(line.data)?),
            "tasks_skipped" => EventKind::TasksSkipped(read(line.data)?),
            "tasks_cancelled" => EventKind::TasksCancelled(read(line.data)?),
            "run_ended" => EventKind::RunEnded(read(line.data)?),
            "runs_archived" => EventKind::RunsArchived(read(line.data)?),
            "pages_forgotten" => EventKind::PagesForgotten(read(line.data)?),
            "run_paused" => EventKind::RunPaused(read(line.data)?),
            "run_resumed" => EventKind::RunResumed(read(line.data)?),
            "task_resumed" => EventKind::TaskResumed(read(line.data)?),
            "run_restored" => EventKind::RunRestored(read(line.data)?),
            "step_recorded" => EventKind::StepRecorded(read(line.data)?),
            "children_submitted" => EventKind::ChildrenSubmitted(read(line.data)?),
            "effect_begun" => EventKind::EffectBegun(read(line.data)?),
            "effect_unknown" => EventKind::EffectUnknown(read(line.data)?),
            "effect_decided" => EventKind::EffectDecided(read(line.data)?),
            "wait_begun" => EventKind::WaitBegun(read(line.data)?),
            "wait_elapsed" => EventKind::WaitElapsed(read(line.data)?),
            "waits_withdrawn" => EventKind::WaitsWithdrawn(read(line.data)?),
            "signal_received" => EventKind::SignalReceived(read(line.data)?),
            "approval_answered" => EventKind::ApprovalAnswered(read(line.data)?),
            "task_parked" => EventKind::TaskParked(read(line.data)?),
            "task_progressed" => EventKind::TaskProgressed(read(line.data)?),
            "task_failed" => EventKind::TaskFailed(read(line.data)?),
            "undo_begun" => EventKind::UndoBegun(read(line.data)?),
            "budget_topped_up" => EventKind::BudgetToppedUp(read(line.data)?),
            "wall_time_spent" => EventKind::WallTimeSpent(read(line.data)?),
            kind if ScheduleEvent::is_kind(kind) => EventKind::Schedule(ScheduleEvent::read(kind, line.data)?),
            kind => return Err(DecodeError::UnknownKind { seq: line.seq, kind: kind.chars().take(80).collect() }),
        };
        Ok(Self { seq: line.seq, at: line.at, run: line.run, kind })
    }
}

/// The number of an event, up to [`SEQ_MAX`].
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number <= SEQ_MAX { Ok(number) } else { Err(de::Error::custom("an event beyond all events")) }
}

fn read<T: DeserializeOwned>(data: &RawValue) -> Result<T, serde_json::Error> {
    serde_json::from_str(data.get())
}
