//! Which runs and tasks somebody asks for.

use super::info::RunStatus;
use callboard_core::{Millis, Run, Status, Task};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which runs; none of it says all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunFilter {
    pub(crate) statuses: Vec<RunStatus>,
    pub(crate) workflow: Option<String>,
    pub(crate) labels: Vec<(String, String)>,
    /// Exclusive, as is the next.
    pub(crate) submitted_after: Option<Millis>,
    pub(crate) submitted_before: Option<Millis>,
    pub(crate) with_dead_tasks: bool,
}

impl RunFilter {
    /// What a run is that has not ended.
    pub(crate) const OPEN: [RunStatus; 3] = [RunStatus::Running, RunStatus::Paused, RunStatus::Undoing];

    pub(crate) fn admits(&self, run: &Run) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&RunStatus::of(run)))
            && self.workflow.as_ref().is_none_or(|name| *run.name == **name)
            && self.labels.iter().all(|(key, value)| run.labels.get(key) == Some(value))
            && self.submitted_after.is_none_or(|after| run.submitted_at > after)
            && self.submitted_before.is_none_or(|before| run.submitted_at < before)
            && (!self.with_dead_tasks || run.counts().of(Status::Dead) > 0)
    }

    /// Whether nothing that has ended is asked for.
    pub(crate) fn is_of_open_runs(&self) -> bool {
        !self.statuses.is_empty() && self.statuses.iter().all(|status| Self::OPEN.contains(status))
    }

    /// Whether a page whose last run ended at `newest_ms` can hold none of them.
    pub(crate) fn is_past(&self, newest_ms: i64) -> bool {
        self.submitted_after.is_some_and(|after| newest_ms <= after.0)
    }
}

/// Which tasks; none of it says all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskFilter {
    pub(crate) statuses: Vec<Status>,
    pub(crate) capability: Option<String>,
}

/// Which tasks of which runs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunTaskFilter {
    pub(crate) runs: Arc<RunFilter>,
    pub(crate) tasks: Arc<TaskFilter>,
}

impl TaskFilter {
    /// The tasks that have ended without a result and for good, for a reason of their own that is no cancellation.
    pub(crate) fn dead_letters() -> Self {
        Self { statuses: vec![Status::Failed, Status::Dead], capability: None }
    }

    pub(crate) fn admits(&self, task: &Task) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&task.status()))
            && self.capability.as_ref().is_none_or(|capability| *task.spec.capability == **capability)
    }

    /// Whether the run has any task with one of the statuses.
    pub(crate) fn may_admit_of(&self, run: &Run) -> bool {
        self.statuses.is_empty() || self.statuses.iter().any(|status| run.counts().of(*status) > 0)
    }
}
