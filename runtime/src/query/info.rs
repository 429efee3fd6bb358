//! How a run and a task stand, in one look.

use super::why::Why;
use crate::BudgetInfo;
use callboard_core::{
    Counts, InstanceId, Json, Millis, Priority, Run, RunId, RunOutcome, Status, TaskIndex, TaskState,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunStatus {
    /// It goes on.
    Running,
    /// It starts no more tasks until it is resumed.
    Paused,
    /// It was cancelled or has failed, and what it has done is being undone.
    Undoing,
    /// Every task completed.
    Completed,
    /// A task failed or is dead, or the run took too long.
    Failed,
    /// It was cancelled, in whole or in part, and nothing failed.
    Cancelled,
    /// Its history can not be followed: a person has to look.
    Quarantined,
}

impl RunStatus {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Running, Self::Paused, Self::Undoing, Self::Completed, Self::Failed, Self::Cancelled, Self::Quarantined];

    pub(crate) fn of(run: &Run) -> Self {
        match (&run.quarantined, run.ended, &run.paused) {
            (Some(_), ..) => Self::Quarantined,
            (None, Some((RunOutcome::Completed, _)), _) => Self::Completed,
            (None, Some((RunOutcome::Failed, _)), _) => Self::Failed,
            (None, Some((RunOutcome::Cancelled, _)), _) => Self::Cancelled,
            (None, None, Some(_)) => Self::Paused,
            (None, None, None) if run.undoing.is_some() => Self::Undoing,
            (None, None, None) => Self::Running,
        }
    }

    /// The word for it in every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Undoing => "undoing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Quarantined => "quarantined",
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunInfo {
    /// Its id.
    pub id: RunId,
    /// The name of its workflow.
    pub workflow: Arc<str>,
    /// The key under which it was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Arc<str>>,
    /// On whose behalf it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Arc<str>>,
    /// What it can be found by.
    pub labels: BTreeMap<String, String>,
    /// Where it stands.
    pub status: RunStatus,
    /// Why it is paused or quarantined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
    /// When it was submitted, in milliseconds since 1970.
    pub submitted_at: Millis,
    /// When it was opened again, if it had ended before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reopened_at: Option<Millis>,
    /// When it ended, if it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    /// How many of its tasks stand where.
    pub counts: Counts,
    /// What it may cost and has cost, if it has a budget or has spent anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetInfo>,
}

impl RunInfo {
    pub(crate) fn of(run: &Run) -> Self {
        Self {
            id: run.id,
            workflow: run.name.clone(),
            key: run.key.clone(),
            tenant: run.tenant.clone(),
            labels: run.labels.clone(),
            status: RunStatus::of(run),
            reason: run.quarantined.clone().or_else(|| run.paused.clone()),
            submitted_at: run.submitted_at,
            reopened_at: run.reopened_at,
            ended_at: run.ended.map(|(_, at)| at),
            counts: *run.counts(),
            budget: BudgetInfo::of(run),
        }
    }
}

/// How a task stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskInfo {
    /// Its place in the run, from 0: the tasks of the workflow in its order, then those that came later.
    pub index: TaskIndex,
    /// Its name.
    pub name: String,
    /// What an agent must be able to do.
    pub capability: Arc<str>,
    /// Where it stands.
    pub status: Status,
    /// How urgent it is.
    pub priority: Priority,
    /// Which attempt is under way or comes next, or was the last, from 1.
    pub attempt: u32,
    /// The instance that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<InstanceId>,
    /// When it may start, if it waits for an instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Millis>,
    /// When it ended, if it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
    /// How often its work was cut short since it was started or resumed.
    pub losses: u32,
    /// The attempts that failed, oldest first.
    pub failures: Vec<FailedAttempt>,
    /// Whether it was resumed with another input than its author's.
    pub is_edited: bool,
    /// Why it does not run, as far as it is known; `None` if it does, or has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// The task whose handler has asked for it, if one has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskIndex>,
    /// The task whose effect it undoes, if it is there for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undoes: Option<TaskIndex>,
    /// How far it is, in its handler's own words.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "Json::present")]
    pub progress: Option<Json>,
    /// Why it was cancelled, or because of which task it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FailedAttempt {
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When.
    pub at: Millis,
    /// Why: the error, and what lay behind it.
    pub error: String,
}

impl TaskInfo {
    /// The task at `index`, and why it does not run.
    pub(crate) fn of(run: &Run, index: TaskIndex, why: Option<Why>) -> Option<Self> {
        let task = run.task(index)?;
        let failures = task.failures.iter().map(|failed| FailedAttempt {
            attempt: failed.attempt,
            at: failed.at,
            error: failed.failure.to_string(),
        });
        Some(Self {
            index,
            name: task.spec.name.clone(),
            capability: task.spec.capability.clone(),
            status: task.status(),
            priority: task.spec.priority,
            attempt: task.token.attempt,
            holder: task.holder().cloned(),
            not_before: match task.state {
                TaskState::Ready { not_before, .. } => Some(not_before),
                _ => None,
            },
            ended_at: task.ended_at,
            losses: task.losses,
            failures: failures.collect(),
            is_edited: task.edited.is_some(),
            why,
            parent: task.parent.as_ref().map(|parent| parent.task),
            undoes: task.undoes,
            progress: task.progress.clone(),
            reason: match &task.state {
                TaskState::Cancelled { reason } => Some(reason.to_string()),
                TaskState::Skipped { cause } => {
                    run.task(*cause).map(|cause| format!("{} did not complete", cause.spec.name))
                }
                _ => None,
            },
        })
    }
}
