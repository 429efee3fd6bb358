//! What a task is at, moment by moment.

use callboard_core::{EffectState, Run, TaskIndex, TaskState, Wait};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What the time of a task goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// An agent works on it, in an attempt that has not failed.
    Work,
    /// An attempt that failed or was cut short, and the delay before the next.
    Retries,
    /// It waits for an agent: also for one whose own breaker is open, and for the limit of its capability.
    Queue,
    /// It waits for a breaker that its handler has come to.
    Breaker,
    /// It waits for a limit that its handler has come to.
    Limit,
    /// It waits for room in the budget.
    Budget,
    /// It waits for the answer of a person.
    Approval,
    /// It waits for somebody who knows whether an effect happened.
    Decision,
    /// It waits for a signal.
    Signal,
    /// It waits for others at a barrier.
    Barrier,
    /// It sleeps.
    Sleep,
    /// It waits for tasks that it has asked for.
    Children,
    /// Its run starts nothing.
    Paused,
    /// It waits for tasks that it needs.
    Needs,
    /// It had ended, until somebody gave it another life.
    Ended,
    /// Nothing of this.
    Other,
}

/// How much time went to what; what took none is left out.
pub type TimeSpent = BTreeMap<Phase, Duration>;

impl Phase {
    /// The word for it in every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Retries => "retries",
            Self::Queue => "queue",
            Self::Breaker => "breaker",
            Self::Limit => "limit",
            Self::Budget => "budget",
            Self::Approval => "approval",
            Self::Decision => "decision",
            Self::Signal => "signal",
            Self::Barrier => "barrier",
            Self::Sleep => "sleep",
            Self::Children => "children",
            Self::Paused => "paused",
            Self::Needs => "needs",
            Self::Ended => "ended",
            Self::Other => "other",
        }
    }

    /// What a task of a run is at now.
    pub(super) fn of(run: &Run, index: TaskIndex) -> Self {
        let Some(task) = run.task(index) else { return Self::Other };
        match &task.state {
            TaskState::Blocked { .. } => Self::Needs,
            TaskState::Ready { .. } if run.paused.is_some() => Self::Paused,
            TaskState::Ready { gate: Some(gate), .. } if gate.starts_with("limit:") => Self::Limit,
            TaskState::Ready { gate: Some(_), .. } => Self::Breaker,
            TaskState::Ready { .. } => Self::Queue,
            TaskState::Running { .. } => Self::Work,
            TaskState::Parked { .. } => parked(run, index),
            TaskState::Completed { .. }
            | TaskState::Failed
            | TaskState::Dead
            | TaskState::Cancelled { .. }
            | TaskState::Skipped { .. } => Self::Ended,
        }
    }
}

/// What a parked task waits for; of several things what only a person can end.
fn parked(run: &Run, index: TaskIndex) -> Phase {
    let Some(record) = run.record(index) else { return Phase::Other };
    if record.effects.values().any(|effect| matches!(effect.state, EffectState::Unknown(_))) {
        return Phase::Decision;
    }
    let of = |wait: &Wait| match wait {
        Wait::Approval { .. } => Phase::Approval,
        Wait::Budget { .. } => Phase::Budget,
        Wait::Signal { .. } => Phase::Signal,
        Wait::Barrier { .. } => Phase::Barrier,
        Wait::Sleep { .. } => Phase::Sleep,
    };
    let waits: Vec<Phase> = record.waits.values().map(of).collect();
    let order = [Phase::Approval, Phase::Budget, Phase::Signal, Phase::Barrier, Phase::Sleep];
    order.into_iter().find(|phase| waits.contains(phase)).unwrap_or(Phase::Children)
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
