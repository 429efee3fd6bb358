//! What may be asked of the machine, and what it answers.

use crate::event::{LossReason, RunOutcome};
use crate::record::{Answer, Note};
use crate::schedule::{ScheduleCommand, ScheduleRejected};
use crate::{
    Budget, CheckedGraph, Event, Failure, InstanceId, Json, Millis, Payload, Ready, RunId, RunRestored, Status,
    TaskIndex, TaskRef, Timer, Token,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// Who speaks for an activation: what every gate asks to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speaker {
    /// The task it speaks of.
    pub task: TaskRef,
    /// The hand-out it has.
    pub token: Token,
    /// Who it is.
    pub holder: InstanceId,
}

/// A wish put to the machine.
#[derive(Clone, Debug)]
pub enum Command {
    /// Start a run. Repeating it with the same graph changes nothing and is no error.
    Submit {
        /// Its id, chosen by the caller, so that a submission of unknown outcome can be looked up or repeated.
        run: RunId,
        /// The workflow.
        graph: CheckedGraph,
        /// The key from which the id comes, if it does.
        key: Option<String>,
    },
    /// Become the holder of a task; with the reason for which the speaker's agent was chosen, if there was a choice.
    Accept(Speaker, Option<Arc<str>>),
    /// Hand in a result.
    Complete(Speaker, Payload),
    /// Hand in a failure.
    Fail(Speaker, Failure),
    /// Give a task back unfinished.
    Lose(Speaker, LossReason),
    /// End a task that can not be handed out at all, with its present token.
    Refuse(TaskRef, Token, Failure),
    /// Take back the tasks whose holders live on none of the nodes in the list. One command does a bounded part of
    /// it: repeat it until it comes to nothing.
    KeepHolders(Vec<Arc<str>>),
    /// A node is dead: free a bounded number of tasks that its instances hold. Repeat until there are no events.
    LoseHolders(Arc<str>),
    /// Cancel everything of a run that is still open.
    Cancel {
        /// The run.
        run: RunId,
        /// By whom or why.
        reason: Arc<str>,
    },
    /// Cancel one task that is still open, and all that it has asked for; what needs it is skipped.
    CancelTask {
        /// The task.
        task: TaskRef,
        /// By whom or why.
        reason: Arc<str>,
    },
    /// Start no more tasks of a run; what runs goes on, and its results count. Pausing what is paused changes nothing.
    Pause {
        /// The run.
        run: RunId,
        /// By whom or why.
        reason: Arc<str>,
    },
    /// Start the tasks of a paused run again. What is not paused stays as it is.
    Unpause {
        /// The run.
        run: RunId,
    },
    /// Give a failed, dead or cancelled task another life, with a fresh budget of retries, and with it the skipped
    /// tasks that can run again then. A run that has ended is open again. Repeating it changes nothing.
    Retry {
        /// The task.
        task: TaskRef,
        /// The token with which it ended: what the caller has seen.
        token: Token,
        /// Another input. It may refer to the tasks that the task needs already, and to no other.
        input: Option<Json>,
    },
    /// Take an ended run back from the archive. One that is in memory stays as it is.
    Restore {
        /// The run.
        run: RunId,
        /// Its history.
        restored: RunRestored,
    },
    /// Take an ended run back from the archive and give a task of it another life, or do neither. Of a run that is in
    /// memory it is a [`Retry`](Self::Retry).
    Comeback {
        /// Its history.
        restored: RunRestored,
        /// The task.
        task: TaskRef,
        /// The token with which it ended.
        token: Token,
        /// Another input.
        input: Option<Json>,
    },
    /// Record what a handler has done or wants.
    Note(Speaker, Note),
    /// Give a run what it waits for, or will.
    Answer(RunId, Answer),
    /// Add to the limits of a run's budget. Repeating it changes nothing.
    TopUp {
        /// Tells a repeated top-up from another.
        id: Uuid,
        /// The run; it must be open.
        run: RunId,
        /// How much of each thing, of those that it has a limit of.
        amount: Budget,
        /// By whom and why.
        by: Option<Arc<str>>,
    },
    /// A timer that [`State::pop_due`](crate::State::pop_due) has given out.
    Due(Timer),
    /// Forget runs that are on a page of the archive.
    Archive {
        /// The runs; all ended.
        runs: Vec<RunId>,
        /// What the archive wants to know of the page later.
        page: Json,
    },
    /// Forget the oldest pages of the archive. The newest always stays: by it the next one is numbered.
    ForgetPages {
        /// How many are left.
        kept: u64,
    },
    /// Something about a schedule.
    Schedule(ScheduleCommand),
}

/// What one command comes to: make `events` durable first, and only then release `effects`.
#[derive(Debug, Default)]
#[must_use]
pub struct Step {
    /// To be applied at once and appended.
    pub events: Vec<Event>,
    /// To be released when the events are durable.
    pub effects: Vec<Effect>,
}

/// What the shell does once the events of a step are durable.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A task waits for an instance.
    Offer(Ready),
    /// An activation no longer counts: its holder may stop.
    Stop {
        /// What is stopped.
        speaker: Speaker,
        /// Why.
        reason: StopReason,
    },
    /// Nothing of a run is to be started any more: what was offered of it may be taken out of the backlog.
    Withdraw {
        /// The run.
        run: RunId,
    },
    /// A run has ended.
    Ended {
        /// The run.
        run: RunId,
        /// How.
        outcome: RunOutcome,
    },
}

/// Why a holder may stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The task was cancelled.
    Cancelled,
    /// It took too long.
    Timeout,
    /// Its handler sent no heartbeat for too long.
    Silent,
    /// Nobody has heard of the holder for as long as its lease lasts: which says nothing of its agent.
    Lost,
}

/// Why a wish came to nothing. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Rejected {
    /// There is no such run here.
    #[error("there is no run {0}")]
    NoRun(RunId),
    /// There is no such task in the run.
    #[error("there is no task {0}")]
    NoTask(TaskRef),
    /// The token is not the present one, or somebody else holds the task.
    #[error("fenced: {task} is {status} with token {held}, presented was {presented}")]
    Fenced {
        /// The task.
        task: TaskRef,
        /// Where it stands.
        status: Status,
        /// The present token.
        held: Token,
        /// The token that was shown.
        presented: Token,
    },
    /// Another workflow has been submitted under this id or key.
    #[error("run {run} exists with another workflow{}", key.as_ref().map_or_else(String::new, |key| format!("; its key is {key:?}")))]
    Conflict {
        /// The run.
        run: RunId,
        /// The key.
        key: Option<String>,
    },
    /// The partition has no room for so many tasks; later it may.
    #[error(
        "{live} tasks of this partition have not ended; with {more} more they pass the limit of {limit} (live_tasks_max)"
    )]
    Full {
        /// Tasks that have not ended.
        live: usize,
        /// Tasks of the graph.
        more: usize,
        /// The limit.
        limit: usize,
    },
    /// The run has ended already.
    #[error("run {run} has ended: {}", outcome.as_str())]
    Ended {
        /// The run.
        run: RunId,
        /// How.
        outcome: RunOutcome,
    },
    /// The run is paused: none of its tasks is started.
    #[error("run {run} is paused: {reason}")]
    Paused {
        /// The run.
        run: RunId,
        /// By whom or why.
        reason: Arc<str>,
    },
    /// The task can not be given another life, or not before another one.
    #[error("task {task} is {status}{}", not_resumable(*.status, *.first))]
    NotResumable {
        /// The task.
        task: TaskRef,
        /// Where it stands.
        status: Status,
        /// The task without a result because of which it could not run.
        first: Option<TaskRef>,
    },
    /// The edited input of a task has faults; all of them, or the first twenty.
    #[error("the edited input of task {task} can not be used: {}", .reasons.join("; "))]
    Input {
        /// The task.
        task: TaskRef,
        /// What is wrong with it.
        reasons: Vec<String>,
    },
    /// The handler asks to be parked, but there is something that it has not seen, or nothing that it could wait for.
    #[error("task {0} has news, or waits for nothing, and can not be parked")]
    News(TaskRef),
    /// Tasks that a handler asks for can not be added.
    #[error("task {task} asks for what can not be: {}", .reasons.join("; "))]
    Children {
        /// The task that asks.
        task: TaskRef,
        /// What is wrong.
        reasons: Vec<String>,
    },
    /// The tasks would wait for one another.
    #[error("tasks would wait for one another: {}", .path.join(" -> "))]
    Cycle {
        /// The tasks on the cycle, each waiting for the next; the first stands again at the end.
        path: Vec<String>,
    },
    /// The task was asked for by another one, which alone decides about it.
    #[error("task {task} was asked for by {parent}: resume that one")]
    Child {
        /// The task.
        task: TaskRef,
        /// The task that asked for it.
        parent: TaskRef,
    },
    /// What the run has done is being undone, or was.
    #[error("what run {run} has done is undone: start it anew")]
    Undoing {
        /// The run.
        run: RunId,
    },
    /// The run keeps as much as it may of what nobody waits for.
    #[error("run {run} keeps {kept} signals and answers that nobody has waited for, and no more may (signals_max)")]
    SignalsFull {
        /// The run.
        run: RunId,
        /// How many it keeps.
        kept: usize,
    },
    /// Several approvals are open, and it was not said which is meant.
    #[error("{many} approvals of run {run} are open; say which: {}{}", .open.join(", "), if .open.len() < *.many { ", ..." } else { "" })]
    Ambiguous {
        /// The run.
        run: RunId,
        /// How many are open.
        many: usize,
        /// The first twenty of them.
        open: Vec<String>,
    },
    /// The approval has its answer.
    #[error("approval {number} of task {task} is not open any more")]
    Answered {
        /// The task.
        task: TaskRef,
        /// Which of its approvals.
        number: u32,
    },
    /// The task has ended, and asks for nothing any more.
    #[error("task {task} is {status}")]
    TaskEnded {
        /// The task.
        task: TaskRef,
        /// How it ended.
        status: Status,
    },
    /// There is no such effect whose outcome is unknown.
    #[error("task {task} has no effect {key:?} whose outcome is unknown{}", .state.map_or_else(String::new, |state| format!("; it is {state}")))]
    NotUnknown {
        /// The task.
        task: TaskRef,
        /// The call.
        key: Arc<str>,
        /// Where that effect stands, if there is one.
        state: Option<EffectStatus>,
    },
    /// The budget of the run can not be topped up like that.
    #[error("the budget of run {run} can not be topped up: {reason}")]
    TopUp {
        /// The run.
        run: RunId,
        /// Why not.
        reason: String,
    },
    /// The time that the budget of the run gives it is spent: it goes on when that is topped up.
    #[error("the wall time of the budget of run {run}, {}, is spent: top it up", Budget { wall_ms: Some(*.limit_ms), ..Budget::default() })]
    WallTimeSpent {
        /// The run.
        run: RunId,
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
    /// A handler says what a call has cost for which nothing is reserved.
    #[error("nothing is reserved for the call {key:?} of task {task}")]
    NotReserved {
        /// The task.
        task: TaskRef,
        /// The call.
        key: Arc<str>,
    },
    /// A run that is to be archived is still open.
    #[error("run {0} is still open and can not be archived")]
    Open(RunId),
    /// Of the pages of the archive none would be forgotten, or all.
    #[error(
        "of {pages} pages of the archive {kept} can not be all that is kept: some are forgotten, and the newest stays"
    )]
    Pages {
        /// How many were to be left.
        kept: u64,
        /// How many there are.
        pages: usize,
    },
    /// The run's history can not be followed, so nothing may be added to it.
    #[error("run {run} is quarantined: {reason}")]
    Quarantined {
        /// The run.
        run: RunId,
        /// What is wrong with its history.
        reason: Arc<str>,
    },
    /// A wish about a schedule came to nothing.
    #[error(transparent)]
    Schedule(#[from] ScheduleRejected),
}

/// Where an effect stands whose outcome is not unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectStatus {
    /// Its handler is at it.
    UnderWay,
    /// It happened.
    Done,
    /// It did not happen.
    NotDone,
}

impl fmt::Display for EffectStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnderWay => "under way",
            Self::Done => "done",
            Self::NotDone => "not done",
        })
    }
}

fn not_resumable(status: Status, first: Option<TaskRef>) -> String {
    match first {
        Some(first) if status == Status::Skipped => format!(" because of {first}: resume that one"),
        Some(first) => format!(" and needs {first}, which has no result: resume that one first"),
        None => ": only what has failed, is dead or was cancelled can be resumed".to_owned(),
    }
}

/// Builds the events of one step: numbers and dates them.
pub(crate) struct Draft {
    seq: u64,
    at: Millis,
    step: Step,
}

impl Draft {
    pub(crate) fn new(seq: u64, at: Millis) -> Self {
        Self { seq, at, step: Step::default() }
    }

    pub(crate) fn at(&self) -> Millis {
        self.at
    }

    pub(crate) fn event(&mut self, run: Option<RunId>, kind: crate::EventKind) {
        self.seq = self.seq.saturating_add(1);
        self.step.events.push(Event { seq: self.seq, at: self.at, run, kind });
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.step.effects.push(effect);
    }

    pub(crate) fn done(self) -> Step {
        self.step
    }
}

impl Speaker {
    /// The task's place in its run.
    pub(crate) fn index(&self) -> TaskIndex {
        self.task.task
    }
}
