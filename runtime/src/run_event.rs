//! What happened to a run, in words.

use crate::{Error, ErrorKind};
use callboard_core::{Event, EventKind, LossReason, Millis, RunOutcome, TaskIndex, Then};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// The place of an event in the history of its run, to be kept and given back.
///
/// It is the number of an event of the journal, and, because one that concerns several tasks is told once for each, the
/// number of the telling. Written `12`, or `12.3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    seq: u64,
    part: u32,
}

impl Position {
    /// Before everything.
    pub const START: Self = Self { seq: 0, part: 0 };

    /// The last event of the journal of which nothing is left to tell behind this position.
    pub(crate) fn whole(self) -> u64 {
        self.seq.saturating_sub(1)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            0 => write!(f, "{}", self.seq),
            part => write!(f, "{}.{part}", self.seq),
        }
    }
}

impl FromStr for Position {
    type Err = Error;

    /// # Errors
    ///
    /// `Invalid` for what is no position.
    fn from_str(text: &str) -> Result<Self, Error> {
        let (seq, part) = text.split_once('.').unwrap_or((text, "0"));
        match (seq.parse(), part.parse()) {
            (Ok(seq), Ok(part)) => Ok(Self { seq, part }),
            _ => {
                let seen: String = text.chars().take(80).collect();
                Err(Error::new(ErrorKind::Invalid, format!("not the position of an event: {seen:?}")))
            }
        }
    }
}

/// One thing that happened to a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEvent {
    /// Its place: later events have greater ones. [`Run::events_after`](crate::Run::events_after) goes on behind it.
    pub position: Position,
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
    /// The run starts no more tasks.
    Paused {
        /// By whom or why.
        reason: Arc<str>,
    },
    /// The run starts tasks again.
    Resumed,
    /// The task had ended without a result and has another life.
    Retried {
        /// The attempt that comes next.
        attempt: u32,
        /// Whether it has another input from now on.
        is_edited: bool,
    },
    /// The task had been skipped and waits again, because `cause` has another life.
    Reopened {
        /// The name of that task.
        cause: Arc<str>,
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
            What::Paused { reason } => write!(f, " paused: {reason}"),
            What::Resumed => write!(f, " resumed"),
            What::Retried { attempt, is_edited } => {
                let input = if *is_edited { " with another input" } else { "" };
                write!(f, " resumed{input}, next is attempt {attempt}")
            }
            What::Reopened { cause } => write!(f, " waits again, because {cause} was resumed"),
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
    /// The names of the run whose first event this is.
    pub(crate) fn of(first: Option<&Event>) -> Self {
        let mut names = Self::default();
        let _told_before = first.map(|first| names.tell(first));
        names
    }

    /// Tells an event of the journal in the words of the run.
    pub(crate) fn tell(&mut self, event: &Event) -> Vec<RunEvent> {
        if let EventKind::RunSubmitted(submitted) = &event.kind {
            self.workflow = submitted.graph.name.as_str().into();
            self.tasks = submitted.graph.tasks.iter().map(|task| task.name.as_str().into()).collect();
        }
        let told = self.say(event).into_iter();
        let numbered = (0..).zip(told).map(|(part, (task, what))| RunEvent {
            position: Position { seq: event.seq, part },
            at: event.at,
            workflow: self.workflow.clone(),
            task,
            what,
        });
        numbered.collect()
    }

    /// What there is to say of an event, and of which task.
    fn say(&self, event: &Event) -> Vec<(Option<Arc<str>>, What)> {
        let about = |task: Option<Arc<str>>, what| (task, what);
        let one = |task: TaskIndex, what| vec![about(Some(self.name(task)), what)];
        match &event.kind {
            EventKind::RunSubmitted(_) => vec![about(None, What::Submitted { tasks: self.tasks.len() })],
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
            EventKind::RunPaused(paused) => vec![about(None, What::Paused { reason: paused.reason.clone() })],
            EventKind::RunResumed(_) => vec![about(None, What::Resumed)],
            EventKind::TaskResumed(resumed) => {
                let (attempt, is_edited) = (resumed.token.attempt, resumed.input.is_some());
                let cause = self.name(resumed.task);
                let mut told = vec![about(Some(cause.clone()), What::Retried { attempt, is_edited })];
                let again = What::Reopened { cause };
                told.extend(resumed.reopened.iter().map(|task| about(Some(self.name(*task)), again.clone())));
                told
            }
            EventKind::RunsArchived(_) | EventKind::RunRestored(_) | EventKind::Schedule(_) => Vec::new(),
        }
    }

    /// Tells that the history can not be read beyond `position`.
    pub(crate) fn unreadable(&self, position: Position, error: &Error) -> RunEvent {
        let what = What::Unreadable { error: format!("{error:#}") };
        RunEvent { position, at: Millis::default(), workflow: self.workflow.clone(), task: None, what }
    }

    fn name(&self, task: TaskIndex) -> Arc<str> {
        self.tasks.get(task.at()).cloned().unwrap_or_else(|| task.to_string().into())
    }
}
