//! What happened to a run, in words.

use crate::Budget;
use crate::{Error, ErrorKind};
use callboard_core::{Decision, Event, EventKind, Json, LossReason, Millis, RunOutcome, TaskIndex, Then};
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

    /// The number of the event of the journal.
    pub(crate) fn seq(self) -> u64 {
        self.seq
    }

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
    /// Something was added to the budget of the run.
    ToppedUp {
        /// How much.
        amount: Budget,
        /// By whom and why.
        by: Option<Arc<str>>,
    },
    /// The time that the budget of the run gives it is spent: it starts nothing more until that is topped up.
    WallTimeSpent {
        /// The limit.
        limit: Duration,
    },
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
    /// A call of its handler has its result: it is never made again.
    Recorded {
        /// The call.
        call: Arc<str>,
    },
    /// A call of its handler has failed, in this attempt.
    CallFailed {
        /// The call.
        call: Arc<str>,
        /// Why.
        error: String,
    },
    /// The task was asked for by the handler of another.
    Asked {
        /// The name of that task.
        by: Arc<str>,
    },
    /// Its handler is about to do something that must not be repeated blindly.
    EffectBegun {
        /// The call.
        call: Arc<str>,
    },
    /// Nobody knows whether an effect of its handler happened: somebody has to decide.
    EffectUnknown {
        /// The call.
        call: Arc<str>,
        /// Why nobody knows.
        reason: Arc<str>,
    },
    /// Somebody has decided whether an effect happened.
    EffectDecided {
        /// The call.
        call: Arc<str>,
        /// Whether it did.
        happened: bool,
        /// By whom or why.
        by: Option<Arc<str>>,
    },
    /// Its handler waits.
    Waits {
        /// The call.
        call: Arc<str>,
        /// What for, in words.
        what: String,
    },
    /// Its handler has slept, or what it waited for has not come in time.
    WaitOver {
        /// The call.
        call: Arc<str>,
    },
    /// Its handler waits for this no more.
    WaitWithdrawn {
        /// The call.
        call: Arc<str>,
    },
    /// A signal came to the run.
    Signalled {
        /// Its name.
        name: Arc<str>,
    },
    /// An approval was answered.
    Answered {
        /// Whether it was approved.
        approved: bool,
        /// By whom or why.
        by: Option<Arc<str>>,
    },
    /// The task waits for something durable, or for a breaker that has not let it through, and holds no instance.
    Parked {
        /// The breaker, if it waits for one.
        gate: Option<Arc<str>>,
    },
    /// Its handler has said how far it is.
    Progress {
        /// In its own words.
        progress: Json,
    },
    /// The task failed while it waited.
    FailedWaiting {
        /// Why.
        error: String,
    },
    /// What the run has done is undone, one effect after the other.
    Undoing {
        /// How many effects.
        effects: usize,
    },
    /// The task is there to undo an effect of another.
    Undoes {
        /// The name of that task.
        task: Arc<str>,
        /// The call that had the effect.
        call: Arc<str>,
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

macro_rules! kinds {
    ($($variant:ident = $word:literal,)*) => {
        impl What {
            /// The words for everything that can happen.
            pub const KINDS: &[&str] = &[$($word),*];

            /// The word for what happened: `submitted`, `started`, `completed` and so on.
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $word,)* }
            }
        }
    };
}

kinds! {
    Submitted = "submitted",
    Started = "started",
    Completed = "completed",
    Failed = "failed",
    Lost = "lost",
    Skipped = "skipped",
    Cancelled = "cancelled",
    Paused = "paused",
    Resumed = "resumed",
    ToppedUp = "topped_up",
    WallTimeSpent = "wall_time_spent",
    Retried = "retried",
    Reopened = "reopened",
    Recorded = "recorded",
    CallFailed = "call_failed",
    Asked = "asked",
    EffectBegun = "effect_begun",
    EffectUnknown = "effect_unknown",
    EffectDecided = "effect_decided",
    Waits = "waits",
    WaitOver = "wait_over",
    WaitWithdrawn = "wait_withdrawn",
    Signalled = "signalled",
    Answered = "answered",
    Parked = "parked",
    Progress = "progress",
    FailedWaiting = "failed_waiting",
    Undoing = "undoing",
    Undoes = "undoes",
    Ended = "ended",
    Unreadable = "unreadable",
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
            What::ToppedUp { amount, by: Some(by) } => write!(f, " topped up by {amount} ({by})"),
            What::ToppedUp { amount, by: None } => write!(f, " topped up by {amount}"),
            What::WallTimeSpent { limit } => write!(f, " has spent the time of its budget, {limit:?}"),
            What::Retried { attempt, is_edited } => {
                let input = if *is_edited { " with another input" } else { "" };
                write!(f, " resumed{input}, next is attempt {attempt}")
            }
            What::Reopened { cause } => write!(f, " waits again, because {cause} was resumed"),
            What::Recorded { call } => write!(f, " recorded {call}"),
            What::CallFailed { call, error } => write!(f, " failed at {call}: {error}"),
            What::Asked { by } => write!(f, " asked for by {by}"),
            What::EffectBegun { call } => write!(f, " begins {call}"),
            What::EffectUnknown { call, reason } => write!(f, " does not know whether {call} happened: {reason}"),
            What::EffectDecided { call, happened, by } => {
                let happened = if *happened { "happened" } else { "did not happen" };
                write!(f, " is told that {call} {happened}{}", said_by(by.as_deref()))
            }
            What::Waits { call, what } => write!(f, " {what} ({call})"),
            What::WaitOver { call } => write!(f, " has waited for {call}"),
            What::WaitWithdrawn { call } => write!(f, " waits no more for {call}"),
            What::Signalled { name } => write!(f, " got the signal {name:?}"),
            What::Answered { approved, by } => {
                let answer = if *approved { "approved" } else { "rejected" };
                write!(f, " {answer}{}", said_by(by.as_deref()))
            }
            What::Parked { gate: None } => write!(f, " parked"),
            What::Parked { gate: Some(gate) } => write!(f, " parked: breaker {gate:?} lets nothing through"),
            What::Progress { progress } => write!(f, " says {progress}"),
            What::FailedWaiting { error } => write!(f, " failed while it waited: {error}"),
            What::Undoing { effects } => {
                write!(f, " undoes {effects} effect{}", if *effects == 1 { "" } else { "s" })
            }
            What::Undoes { task, call } => write!(f, " undoes {call} of {task}"),
            What::Ended { outcome } => write!(f, " ended: {}", outcome.as_str()),
            What::Unreadable { error } => write!(f, " can not be followed any further: {error}"),
        }
    }
}

fn said_by(by: Option<&str>) -> String {
    by.map_or_else(String::new, |by| format!(", says {by}"))
}

/// Somebody who knows what a run and its tasks are called.
pub(crate) trait Called {
    /// The workflow.
    fn workflow(&self) -> Arc<str>;

    /// A task.
    fn name(&self, task: TaskIndex) -> Arc<str>;

    /// Tells an event of the journal in the words of the run.
    fn told(&self, event: &Event) -> Vec<RunEvent>
    where
        Self: Sized,
    {
        let numbered = (0..).zip(say(self, event)).map(|(part, (task, what))| RunEvent {
            position: Position { seq: event.seq, part },
            at: event.at,
            workflow: self.workflow(),
            task,
            what,
        });
        numbered.collect()
    }
}

/// The names of a run and its tasks, learnt from its events.
#[derive(Debug, Default)]
pub(crate) struct Names {
    workflow: Arc<str>,
    tasks: Vec<Arc<str>>,
}

impl Names {
    /// Learns the names that an event gives.
    pub(crate) fn learn(&mut self, event: &Event) {
        match &event.kind {
            EventKind::RunSubmitted(submitted) => {
                self.workflow = submitted.graph.name.as_str().into();
                self.tasks = submitted.graph.tasks.iter().map(|task| task.name.as_str().into()).collect();
            }
            EventKind::ChildrenSubmitted(submitted) => {
                self.tasks.extend(submitted.children.iter().map(|child| child.spec.name.as_str().into()));
            }
            EventKind::UndoBegun(begun) => {
                self.tasks.extend(begun.undos.iter().map(|undo| undo.spec.name.as_str().into()));
            }
            _ => {}
        }
    }

    /// Tells an event of the journal in the words of the run.
    pub(crate) fn tell(&mut self, event: &Event) -> Vec<RunEvent> {
        self.learn(event);
        self.told(event)
    }

    /// Tells that the history can not be read beyond `position`.
    pub(crate) fn unreadable(&self, position: Position, error: &Error) -> RunEvent {
        let what = What::Unreadable { error: format!("{error:#}") };
        RunEvent { position, at: Millis::default(), workflow: self.workflow.clone(), task: None, what }
    }
}

impl Called for Names {
    fn workflow(&self) -> Arc<str> {
        self.workflow.clone()
    }

    fn name(&self, task: TaskIndex) -> Arc<str> {
        self.tasks.get(task.at()).cloned().unwrap_or_else(|| task.to_string().into())
    }
}

/// What there is to say of an event, and of which task.
fn say(called: &dyn Called, event: &Event) -> Vec<(Option<Arc<str>>, What)> {
    let about = |task: Option<Arc<str>>, what| (task, what);
    let one = |task: TaskIndex, what| vec![about(Some(called.name(task)), what)];
    match &event.kind {
        EventKind::RunSubmitted(submitted) => vec![about(None, What::Submitted { tasks: submitted.graph.tasks.len() })],
        EventKind::TaskAccepted(accepted) => {
            let by = accepted.holder.to_string();
            one(accepted.task, What::Started { attempt: accepted.token.attempt, by, chosen: accepted.chosen.clone() })
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
            let what = What::Skipped { cause: called.name(skipped.cause) };
            skipped.tasks.iter().map(|task| about(Some(called.name(*task)), what.clone())).collect()
        }
        EventKind::TasksCancelled(cancelled) => {
            let what = What::Cancelled { reason: cancelled.reason.clone() };
            cancelled.tasks.iter().map(|task| about(Some(called.name(*task)), what.clone())).collect()
        }
        EventKind::RunEnded(ended) => vec![about(None, What::Ended { outcome: ended.outcome })],
        EventKind::RunPaused(paused) => vec![about(None, What::Paused { reason: paused.reason.clone() })],
        EventKind::RunResumed(_) => vec![about(None, What::Resumed)],
        EventKind::BudgetToppedUp(added) => {
            vec![about(None, What::ToppedUp { amount: added.amount.into(), by: added.by.clone() })]
        }
        EventKind::WallTimeSpent(spent) => {
            vec![about(None, What::WallTimeSpent { limit: Duration::from_millis(spent.limit_ms) })]
        }
        EventKind::TaskResumed(resumed) => {
            let (attempt, is_edited) = (resumed.token.attempt, resumed.input.is_some());
            let cause = called.name(resumed.task);
            let mut told = vec![about(Some(cause.clone()), What::Retried { attempt, is_edited })];
            let again = What::Reopened { cause };
            told.extend(resumed.reopened.iter().map(|task| about(Some(called.name(*task)), again.clone())));
            told
        }
        EventKind::StepRecorded(recorded) => {
            let call = recorded.key.clone();
            one(
                recorded.task,
                match &recorded.failure {
                    Some(failure) => What::CallFailed { call, error: failure.to_string() },
                    None => What::Recorded { call },
                },
            )
        }
        EventKind::ChildrenSubmitted(submitted) => {
            let what = What::Asked { by: called.name(submitted.task) };
            let children = submitted.children.iter().map(|child| Arc::from(child.spec.name.as_str()));
            children.map(|name| about(Some(name), what.clone())).collect()
        }
        EventKind::EffectBegun(begun) => one(begun.task, What::EffectBegun { call: begun.key.clone() }),
        EventKind::EffectUnknown(unknown) => {
            let (call, reason) = (unknown.key.clone(), unknown.reason.clone());
            one(unknown.task, What::EffectUnknown { call, reason })
        }
        EventKind::EffectDecided(decided) => {
            let happened = matches!(decided.decision, Decision::Happened(_));
            let (call, by) = (decided.key.clone(), decided.by.clone());
            one(decided.task, What::EffectDecided { call, happened, by })
        }
        EventKind::WaitBegun(begun) => {
            one(begun.task, What::Waits { call: begun.key.clone(), what: begun.wait.in_words() })
        }
        EventKind::WaitElapsed(elapsed) => one(elapsed.task, What::WaitOver { call: elapsed.key.clone() }),
        EventKind::WaitsWithdrawn(withdrawn) => {
            let told = withdrawn.keys.iter().map(|call| What::WaitWithdrawn { call: call.clone() });
            told.map(|what| about(Some(called.name(withdrawn.task)), what)).collect()
        }
        EventKind::SignalReceived(received) => {
            vec![about(None, What::Signalled { name: received.name.clone() })]
        }
        EventKind::ApprovalAnswered(answered) => {
            let what = What::Answered { approved: answered.approved, by: answered.by.clone() };
            vec![about(answered.task.map(|task| called.name(task)), what)]
        }
        EventKind::TaskParked(parked) => one(parked.task, What::Parked { gate: parked.gate.clone() }),
        EventKind::TaskProgressed(progressed) => {
            one(progressed.task, What::Progress { progress: progressed.progress.clone() })
        }
        EventKind::TaskFailed(failed) => one(failed.task, What::FailedWaiting { error: failed.failure.to_string() }),
        EventKind::UndoBegun(begun) => {
            let mut told = vec![about(None, What::Undoing { effects: begun.undos.len() })];
            told.extend(begun.undos.iter().map(|undo| {
                let what = What::Undoes { task: called.name(undo.of), call: undo.key.clone() };
                about(Some(undo.spec.name.as_str().into()), what)
            }));
            told
        }
        EventKind::RunsArchived(_)
        | EventKind::PagesForgotten(_)
        | EventKind::RunRestored(_)
        | EventKind::Schedule(_) => Vec::new(),
    }
}
