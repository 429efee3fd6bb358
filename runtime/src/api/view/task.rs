//! A task as JSON.

use super::Moment;
use crate::query::{FailedAttempt, RunTask, TaskInfo};
use callboard_core::{InstanceId, Json, Priority, RunId, Status, TaskIndex};
use schemars::JsonSchema;
use serde::Serialize;
use std::ops::Not;
use std::sync::Arc;

/// A task.
#[derive(Serialize, JsonSchema)]
pub(in super::super) struct TaskView {
    index: TaskIndex,
    name: String,
    capability: Arc<str>,
    #[schemars(with = "Status")]
    status: &'static str,
    priority: Priority,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    holder: Option<InstanceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Moment>,
    losses: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<FailureView>,
    #[serde(skip_serializing_if = "Not::not")]
    is_edited: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<TaskIndex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undoes: Option<TaskIndex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Where one task is asked for and has completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Json>,
}

/// A task with its run.
#[derive(Serialize, JsonSchema)]
pub(in super::super) struct RunTaskView {
    run: RunId,
    workflow: Arc<str>,
    #[serde(flatten)]
    task: TaskView,
}

impl From<RunTask> for RunTaskView {
    fn from(found: RunTask) -> Self {
        Self { run: found.run, workflow: found.workflow, task: found.task.into() }
    }
}

#[derive(Serialize, JsonSchema)]
struct FailureView {
    attempt: u32,
    at: Moment,
    error: String,
}

impl TaskView {
    pub(in super::super) fn with_output(self, output: Json) -> Self {
        Self { output: Some(output), ..self }
    }
}

impl From<FailedAttempt> for FailureView {
    fn from(failed: FailedAttempt) -> Self {
        Self { attempt: failed.attempt, at: Moment(failed.at), error: failed.error }
    }
}

impl From<TaskInfo> for TaskView {
    fn from(task: TaskInfo) -> Self {
        Self {
            index: task.index,
            name: task.name,
            capability: task.capability,
            status: task.status.as_str(),
            priority: task.priority,
            attempt: task.attempt,
            holder: task.holder,
            not_before: task.not_before.map(Moment),
            ended_at: task.ended_at.map(Moment),
            losses: task.losses,
            failures: task.failures.into_iter().map(FailureView::from).collect(),
            is_edited: task.is_edited,
            why: task.why.map(|why| why.to_string()),
            parent: task.parent,
            undoes: task.undoes,
            progress: task.progress,
            reason: task.reason,
            output: None,
        }
    }
}
