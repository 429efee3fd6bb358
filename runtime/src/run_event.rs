//! What happened to a run, in words.

use crate::Error;
use callboard_core::{Event, EventKind, LossReason, Millis, RunOutcome, TaskIndex, Then};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One thing that happened to a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEvent {
    /// Its place in the history of the run's partition: later events have greater numbers. An event of the journal that
    /// concerns several tasks is told once for each.
    pub position: u64,
    /// When, in milliseconds since 1970.
    pub at: Millis,
    /// The name of the workflow.
    pub workflow: Arc<str>,
    /// The name of the task, unless it concerns the run as a whole.
    pub task: Option<Arc<str>>,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// The run was submitted.
    Submitted {
        /// How many tasks it has.
        tasks: usize,
    },
    /// An instance began an attempt.
    Started {
        /// Which attempt, from 1.
        attempt: u32,
        /// The instance.
        by: String,
        /// Why its agent was chosen, if several were free.
        chosen: Option<Arc<str>>,
    },
    /// The task has its output.
    Completed,
    /// An attempt failed.
    Failed {
        /// Which attempt, from 1.
        attempt: u32,
        /// Why.
        error: String,
        /// How long until the next attempt; `None` if there is none.
        retry_in: Option<Duration>,
    },
    /// The work on the task was cut short; it starts again unless that has happened too often.
    Lost {
        /// Why.
        reason: &'static str,
        /// Whether it starts again.
        again: bool,
    },
    /// The task will not run, because `cause` did not complete.
    Skipped {
        /// The name of that task.
        cause: Arc<str>,
    },
    /// The task was cancelled.
    Cancelled {
        /// By whom or why.
        reason: Arc<str>,
    },
    /// No task of the run is open any more.
    Ended {
        /// How it ended.
        outcome: RunOutcome,
    },
    /// The history can not be read any further; the run itself may well go on. No event of the journal.
    Unreadable {
        /// Why.
        error: String,
    },
}

impl fmt::Display for RunEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.workflow)?;
        if let Some(task) = &self.task {
            write!(f, ": {task}")?;
        }
        match &self.what {
            What::Submitted { tasks } => write!(f, " submitted, {tasks} task{}", if *tasks == 1 { "" } else { "s" }),
            What::Started { attempt: 1, .. } => write!(f, " started"),
            What::Started { attempt, .. } => write!(f, " started, attempt {attempt}"),
            What::Completed => write!(f, " completed"),
            What::Failed { attempt, error, retry_in: Some(delay) } => {
                write!(f, " failed attempt {attempt}, next in {delay:.1?}: {error}")
            }
            What::Failed { attempt, error, retry_in: None } => write!(f, " failed with attempt {attempt}: {error}"),
            What::Lost { reason, again: true } => write!(f, " was cut short ({reason}) and starts again"),
            What::Lost { reason, again: false } => write!(f, " was cut short ({reason}) too often"),
            What::Skipped { cause } => write!(f, " skipped, because {cause} did not complete"),
            What::Cancelled { reason } => write!(f, " cancelled: {reason}"),
            What::Ended { outcome } => write!(f, " ended: {}", outcome.as_str()),
            What::Unreadable { error } => write!(f, " can not be followed any further: {error}"),
        }
    }
}

/// The names of a run and its tasks, learnt from its first event.
#[derive(Debug, Default)]
pub(crate) struct Names {
    workflow: Arc<str>,
    tasks: Vec<Arc<str>>,
}

impl Names {
    /// Tells an event of the journal in the words of the run.
    pub(crate) fn tell(&mut self, event: &Event) -> Vec<RunEvent> {
        let about = |task: Option<Arc<str>>, what| RunEvent {
            position: event.seq,
            at: event.at,
            workflow: self.workflow.clone(),
            task,
            what,
        };
        let one = |task: TaskIndex, what| vec![about(Some(self.name(task)), what)];
        match &event.kind {
            EventKind::RunSubmitted(submitted) => {
                self.workflow = submitted.graph.name.as_str().into();
                self.tasks = submitted.graph.tasks.iter().map(|task| task.name.as_str().into()).collect();
                let (workflow, what) = (self.workflow.clone(), What::Submitted { tasks: self.tasks.len() });
                vec![RunEvent { position: event.seq, at: event.at, workflow, task: None, what }]
            }
            EventKind::TaskAccepted(accepted) => {
                let by = accepted.holder.to_string();
                one(
                    accepted.task,
                    What::Started { attempt: accepted.token.attempt, by, chosen: accepted.chosen.clone() },
                )
            }
            EventKind::TaskCompleted(completed) => one(completed.task, What::Completed),
            EventKind::AttemptFailed(failed) => {
                let retry_in = match failed.then {
                    Then::Again(at) => Some(at.since(event.at)),
                    Then::Failed | Then::Dead => None,
                };
                let (attempt, error) = (failed.token.attempt, failed.failure.to_string());
                one(failed.task, What::Failed { attempt, error, retry_in })
            }
            EventKind::AttemptLost(lost) => {
                let reason = match lost.reason {
                    LossReason::Lease => "its lease expired",
                    LossReason::Gone => "its node is gone",
                    LossReason::Released => "its node stopped",
                };
                one(lost.task, What::Lost { reason, again: matches!(lost.then, Then::Again(_)) })
            }
            EventKind::TasksSkipped(skipped) => {
                let what = What::Skipped { cause: self.name(skipped.cause) };
                skipped.tasks.iter().map(|task| about(Some(self.name(*task)), what.clone())).collect()
            }
            EventKind::TasksCancelled(cancelled) => {
                let what = What::Cancelled { reason: cancelled.reason.clone() };
                cancelled.tasks.iter().map(|task| about(Some(self.name(*task)), what.clone())).collect()
            }
            EventKind::RunEnded(ended) => vec![about(None, What::Ended { outcome: ended.outcome })],
            EventKind::RunsArchived(_) => Vec::new(),
        }
    }

    /// Tells that the history can not be read beyond `position`.
    pub(crate) fn unreadable(&self, position: u64, error: &Error) -> RunEvent {
        let what = What::Unreadable { error: format!("{error:#}") };
        RunEvent { position, at: Millis::default(), workflow: self.workflow.clone(), task: None, what }
    }

    fn name(&self, task: TaskIndex) -> Arc<str> {
        self.tasks.get(task.at()).cloned().unwrap_or_else(|| task.to_string().into())
    }
}
