//! What is said to a partition, and what it answers.

use super::follow::{Records, When};
use super::history::Line;
use super::question::Question;
use crate::dispatch::backlog::Grant;
use crate::journal::append::{Outcome, Standing};
use crate::journal::archive::Summary;
use bytes::Bytes;
use callboard_core::{
    Alive, Answer, Budget, CatchUp, CheckedGraph, Failure, Json, LossReason, Millis, Note, Overlap, Payload, Rejected,
    Replace, RunId, RunOutcome, RunRestored, Speaker, TaskIndex, TaskRef, Timing, Token,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

/// The way back to whoever gave a command.
pub(crate) type Reply = oneshot::Sender<Result<(), Refusal>>;

/// Why a command was not carried out.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Refusal {
    /// The workflow machine said no. Nothing has changed.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The partition or its store is down or full. Nothing has changed.
    #[error("{0}")]
    Unavailable(String),
    /// It may or may not have been carried out.
    #[error("{0}")]
    Unknown(String),
    /// The run may be on one of these pages of the archive: look there first.
    #[error("the run may be archived")]
    Elsewhere(Vec<Summary>),
}

/// What a holder says of its task.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Say {
    /// I have it.
    Accept,
    /// Here is the result.
    Complete(Payload),
    /// It failed.
    Fail(Failure),
    /// I give it back.
    Lose(LossReason),
    /// This is to be recorded of it.
    Note(Note),
}

/// What is to be done to a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wish {
    /// End it.
    Cancel(Arc<str>),
    /// End one of its tasks.
    CancelTask(TaskIndex, Arc<str>),
    /// Start no more of its tasks.
    Pause(Arc<str>),
    /// Start its tasks again.
    Resume,
    /// Add to its budget.
    TopUp {
        /// Tells it from another.
        id: Uuid,
        /// How much.
        amount: Budget,
        /// By whom and why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Arc<str>>,
    },
}

impl Wish {
    /// To what it is done.
    pub(crate) const fn to(&self) -> &'static str {
        match self {
            Self::CancelTask(..) => "the task",
            Self::Cancel(_) | Self::Pause(_) | Self::Resume | Self::TopUp { .. } => "the run",
        }
    }

    /// What has happened to it then.
    pub(crate) const fn done(&self) -> &'static str {
        match self {
            Self::Cancel(_) | Self::CancelTask(..) => "cancelled",
            Self::Pause(_) => "paused",
            Self::Resume => "resumed",
            Self::TopUp { .. } => "topped up",
        }
    }
}

/// What is to be done about a schedule; `G` is what it starts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ScheduleWish<G = CheckedGraph> {
    /// Make it be there.
    Set(Box<NewSchedule<G>>),
    /// Start no more runs.
    Pause(Arc<str>),
    /// Start runs again.
    Resume,
    /// Forget it.
    Remove,
    /// Start this run now.
    FireNow(RunId),
}

/// What a schedule is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSchedule<G = CheckedGraph> {
    pub(crate) timing: Timing,
    pub(crate) overlap: Overlap,
    pub(crate) catch_up: CatchUp,
    pub(crate) graph: G,
    pub(crate) replace: Replace,
}

impl<G> ScheduleWish<G> {
    /// What has happened to the schedule then.
    pub(crate) const fn done(&self) -> &'static str {
        match self {
            Self::Set(_) => "set",
            Self::Pause(_) => "paused",
            Self::Resume => "resumed",
            Self::Remove => "removed",
            Self::FireNow(_) => "fired",
        }
    }
}

/// A run on its way back from the archive.
#[derive(Clone, Debug)]
pub(crate) struct Comeback {
    pub(crate) restored: RunRestored,
    /// Its history.
    pub(crate) lines: Vec<Line>,
    /// Of the pages that may hold it all up to this one were looked at.
    pub(crate) checked: u64,
}

/// What a watcher waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Target {
    /// The end of a task.
    Task {
        /// Its name.
        name: String,
        /// Where it is likely to stand in its run.
        at: TaskIndex,
    },
    /// The end of the run.
    Run,
}

/// How what a watcher waited for ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// The task completed.
    Output(Payload),
    /// The task ended without a result.
    TaskFailed {
        /// The task that failed: the one asked for, or the one because of which it was skipped.
        task: String,
        /// Whether it was cancelled rather than failed.
        cancelled: bool,
        /// Its last failure, or the reason of the cancellation.
        failure: Failure,
    },
    /// The run ended.
    Run(RunOutcome),
    /// There is no such task in the run.
    NoTask,
    /// The run is quarantined: its history can not be followed.
    Quarantined(Arc<str>),
    /// So many wait for it that no more may.
    Full(usize),
    /// The run is not in memory. It may be on one of these pages of the archive.
    Elsewhere(Vec<Summary>),
}

/// Events of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Page {
    /// Lines of the journal, in order.
    Lines(#[serde(with = "super::history::as_json")] Vec<Bytes>),
    /// The run has ended and there are no more.
    End,
    /// So many wait for them that no more may.
    Full(usize),
    /// The run is not in memory. It may be on one of these pages of the archive.
    Elsewhere(Vec<Summary>),
}

/// Events of all runs of a partition.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeedPage {
    /// Lines of the journal, in order, of the runs in memory.
    #[serde(with = "super::history::as_json")]
    pub(crate) lines: Vec<Bytes>,
    /// Up to this event there are no others in memory.
    pub(crate) until: u64,
    /// The pages of the archive that may have more of them.
    pub(crate) pages: Vec<u64>,
    /// If so many wait that no more may, how many those are.
    pub(crate) full: Option<usize>,
}

/// A message to a partition.
#[derive(Debug)]
pub(crate) enum Message {
    /// Start a run. `checked`: of the pages that may hold it, it is on none up to this one.
    Submit { run: RunId, graph: CheckedGraph, key: Option<String>, checked: u64, room: Room, reply: Reply },
    /// A holder speaks of its task.
    Speak { speaker: Speaker, say: Say, reply: Reply },
    /// A holder still has its task.
    Heartbeat { speaker: Speaker, alive: Alive, reply: Reply },
    /// Tell a holder what is recorded of its task behind the first `after` entries.
    Follow { speaker: Speaker, after: usize, when: When, reply: oneshot::Sender<Records> },
    /// Give a run what it waits for, or will.
    Answer { run: RunId, answer: Answer, room: Room, reply: Reply },
    /// Do something to a run as a whole.
    Control { run: RunId, wish: Wish, reply: Reply },
    /// Give a task another life. `comeback` is its run as the archive has it, if it was found there.
    Retry {
        task: TaskRef,
        token: Token,
        input: Option<Json>,
        comeback: Option<Box<Comeback>>,
        room: Room,
        reply: Reply,
    },
    /// Say how things stand, once that is durable.
    Ask(Question),
    /// Say how something ends, once it has.
    Await { run: RunId, target: Target, reply: oneshot::Sender<Verdict> },
    /// Give the events of a run after `after`, as soon as there are any.
    Events { run: RunId, after: u64, reply: oneshot::Sender<Page> },
    /// Give the events of all runs behind `after`, of which the last was `since`; without `after` say where they stand.
    Feed { after: Option<u64>, since: Millis, when: When, reply: oneshot::Sender<FeedPage> },
    /// Say how much of a run is done.
    Progress { run: RunId, reply: oneshot::Sender<Option<Progress>> },
    /// A slot waits for this task.
    HandOut(Grant),
    /// A task that was handed out did not get to its agent.
    NotDelivered(TaskRef, Token),
    /// A node is dead, and whoever held a task there.
    NodeIsGone(Arc<str>),
    /// What was sent to a node may be lost, or to any.
    Missed { by: Option<Arc<str>> },
    /// The batch in flight has come to this.
    Appended(Outcome),
    /// Whether this owner served still when that was asked.
    Looked(Instant, Standing),
    /// The manifest was moved, or may have been: perhaps this owner serves no more.
    Doubted,
    /// A snapshot has come to this.
    Snapshotted(Result<(), String>),
    /// Ended runs were put on a page of the archive, each with the last of its events there, or were not.
    Archived { runs: Vec<(RunId, u64)>, page: Result<Json, String> },
    /// Time has passed.
    Tick,
    /// Do something about a schedule.
    Schedule { name: Arc<str>, wish: ScheduleWish, room: Room, reply: Reply },
}

/// How much of a run is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Tasks of the run.
    pub tasks: usize,
    /// Tasks that have completed.
    pub completed: usize,
    /// Tasks that have ended otherwise: failed, dead, cancelled or skipped.
    pub ended_otherwise: usize,
    /// Tasks that an instance works on.
    pub running: usize,
}

/// Room in a partition's inbox: taken before a message is sent, given back when its batch is durable.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) _bytes: OwnedSemaphorePermit,
    pub(crate) _commands: OwnedSemaphorePermit,
}
