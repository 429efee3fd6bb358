//! What may be asked of the machine, and what it answers.

use crate::event::{LossReason, RunOutcome};
use crate::{
    Event, Failure, Graph, GraphFault, InstanceId, Json, Millis, Payload, Ready, RunId, Status, TaskIndex, TaskRef,
    Timer, Token,
};
use std::sync::Arc;

/// Who speaks for an activation: what every gate asks to see.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        graph: Graph,
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
    /// Cancel everything of a run that is still open.
    Cancel {
        /// The run.
        run: RunId,
        /// By whom or why.
        reason: Arc<str>,
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
    /// A run has ended.
    Ended {
        /// The run.
        run: RunId,
        /// How.
        outcome: RunOutcome,
    },
}

/// Why a holder may stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The task was cancelled.
    Cancelled,
    /// It took too long.
    Timeout,
    /// It was silent too long.
    Silent,
}

/// Why a wish came to nothing. Nothing has changed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
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
    /// The graph has faults; all of them.
    #[error("the workflow has {} fault{}: {}", .0.len(), if .0.len() == 1 { "" } else { "s" }, list(.0))]
    Graph(Vec<GraphFault>),
    /// The run has ended already.
    #[error("run {run} has ended: {}", outcome.as_str())]
    Ended {
        /// The run.
        run: RunId,
        /// How.
        outcome: RunOutcome,
    },
    /// A run that is to be archived is still open.
    #[error("run {0} is still open and can not be archived")]
    Open(RunId),
    /// The run's history can not be followed, so nothing may be added to it.
    #[error("run {run} is quarantined: {reason}")]
    Quarantined {
        /// The run.
        run: RunId,
        /// What is wrong with its history.
        reason: Arc<str>,
    },
}

fn list(faults: &[GraphFault]) -> String {
    let shown: Vec<String> = faults.iter().take(20).map(ToString::to_string).collect();
    let more = faults.len().saturating_sub(20);
    shown.join("; ") + &if more > 0 { format!("; and {more} more") } else { String::new() }
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
        self.seq += 1;
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
