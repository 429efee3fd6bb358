//! What holds at every moment: the invariants, each with a name, and who looks for breaches of them.
//!
//! The same checks run in the tests, in simulations of whole clusters and in production, where a breach is a loud log line
//! and a metric. They are an oracle: each is stated from the promise and not from the code that keeps it, so none asks what
//! [`decide`](crate::decide) asks. They read the state (statuses, tokens, edges, records, deadlines) and the events alone.
//!
//! - [`check_step`] looks at one step before its events are applied; it costs what the events and their edges cost.
//! - [`check_owed`] looks at what a state that was just replayed owes the world.
//! - [`History`] folds the events of a journal by itself, without a [`State`](crate::State), and says what is wrong with them.
//! - [`check_replay`] and [`check_snapshot`] compare two states that must be the same.
//!
//! What no step can show (that nothing acknowledged is lost, that a failure that was reported has no effect, that every run
//! ends) is checked by whoever sees a whole cluster; the names are here all the same, so that there is one list.

mod effect;
mod history;
mod past;
mod purse;
mod same;
mod step;
mod view;

pub use history::{History, check_history};
pub use same::{check_replay, check_snapshot};
pub use step::{check_owed, check_step};

use crate::{RunId, TaskIndex, TaskRef};
use std::fmt;

/// A promise that can be looked for at every moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// What was answered with "yes" is in the journal, whoever dies: a submission, a result, a step, an answer.
    NothingAcknowledgedIsLost,
    /// A run has one sequence of events, numbered and dated in order, and each of them fits those before it.
    OneHistory,
    /// A task is handed out, held or completed only when everything that it needs has completed.
    DependenciesFirst,
    /// A task has one result, and what has a result never has another life.
    OneAcceptedResult,
    /// What a handler has recorded under a key is recorded once: it is not run, submitted or waited for again.
    RecordedStepsRunOnce,
    /// What was agreed holds: the contracts of effects, and the limits of retries, losses, depth and room.
    ContractsAreKept,
    /// What does not show the present token, or comes from somebody else than the holder, changes nothing.
    FencedWritesHaveNoEffect,
    /// What was answered with "it did not happen" has not happened and never will.
    ReportedFailuresHaveNoEffect,
    /// The events of a run lead to the same state whenever they are folded.
    ReplayEqualsLive,
    /// A snapshot and the events behind it lead to the state to which all events lead.
    SnapshotAndTailEqualJournal,
    /// A more urgent task that a free slot could serve is not passed over.
    PriorityOrder,
    /// Runs with equally urgent tasks take turns.
    FairTurns,
    /// Nothing that waits for a moment happens before it.
    TimersNeverEarly,
    /// When nothing fails any more, every run comes to its end.
    EveryRunEnds,
    /// What a run has spent and reserved passes no limit of its budget but by what calls have cost beyond their own
    /// reservations; what is reserved belongs to a task that has not ended, and is settled once.
    BudgetsAreKept,
    /// What follows from an event is done when that is durable, and not before.
    DoneWhenDurable,
    /// When every run has ended, nothing is held, offered, lent or waited for.
    NothingLeftBehind,
    /// What a breaker has shut off is called once at a time when it may be tried again, and by nobody else.
    OneProbe,
    /// After a good probe calls come back step by step.
    ReleasedOnARamp,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::NothingAcknowledgedIsLost,
        Self::OneHistory,
        Self::DependenciesFirst,
        Self::OneAcceptedResult,
        Self::RecordedStepsRunOnce,
        Self::ContractsAreKept,
        Self::FencedWritesHaveNoEffect,
        Self::ReportedFailuresHaveNoEffect,
        Self::ReplayEqualsLive,
        Self::SnapshotAndTailEqualJournal,
        Self::PriorityOrder,
        Self::FairTurns,
        Self::TimersNeverEarly,
        Self::EveryRunEnds,
        Self::BudgetsAreKept,
        Self::DoneWhenDurable,
        Self::NothingLeftBehind,
        Self::OneProbe,
        Self::ReleasedOnARamp,
    ];

    /// The word for it in logs, metrics and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NothingAcknowledgedIsLost => "nothing_acknowledged_is_lost",
            Self::OneHistory => "one_history",
            Self::DependenciesFirst => "dependencies_first",
            Self::OneAcceptedResult => "one_accepted_result",
            Self::RecordedStepsRunOnce => "recorded_steps_run_once",
            Self::ContractsAreKept => "contracts_are_kept",
            Self::FencedWritesHaveNoEffect => "fenced_writes_have_no_effect",
            Self::ReportedFailuresHaveNoEffect => "reported_failures_have_no_effect",
            Self::ReplayEqualsLive => "replay_equals_live",
            Self::SnapshotAndTailEqualJournal => "snapshot_and_tail_equal_journal",
            Self::PriorityOrder => "priority_order",
            Self::FairTurns => "fair_turns",
            Self::TimersNeverEarly => "timers_never_early",
            Self::EveryRunEnds => "every_run_ends",
            Self::BudgetsAreKept => "budgets_are_kept",
            Self::DoneWhenDurable => "done_when_durable",
            Self::NothingLeftBehind => "nothing_left_behind",
            Self::OneProbe => "one_probe",
            Self::ReleasedOnARamp => "released_on_a_ramp",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// That an invariant does not hold: a bug of ours, or a journal that somebody else has written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {what}{}", of(*.run, *.task))]
pub struct Breach {
    /// Which.
    pub invariant: Invariant,
    /// The run, if it is about one.
    pub run: Option<RunId>,
    /// The task of it, if it is about one.
    pub task: Option<TaskIndex>,
    /// What was seen.
    pub what: String,
}

fn of(run: Option<RunId>, task: Option<TaskIndex>) -> String {
    match (run, task) {
        (Some(run), Some(task)) => format!(" (task {run}/{task})"),
        (Some(run), None) => format!(" (run {run})"),
        (None, _) => String::new(),
    }
}

impl Breach {
    /// About everything.
    pub fn new(invariant: Invariant, what: impl Into<String>) -> Self {
        Self { invariant, run: None, task: None, what: what.into() }
    }

    /// About a run.
    pub fn of_run(invariant: Invariant, run: RunId, what: impl Into<String>) -> Self {
        Self { run: Some(run), ..Self::new(invariant, what) }
    }

    /// About a task.
    pub fn of_task(invariant: Invariant, task: TaskRef, what: impl Into<String>) -> Self {
        Self { run: Some(task.run), task: Some(task.task), ..Self::new(invariant, what) }
    }
}
