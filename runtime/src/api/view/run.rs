//! A run as JSON.

use super::Moment;
use crate::query::{RunInfo, RunStatus};
use callboard_core::RunId;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A run.
#[derive(Serialize, JsonSchema)]
pub(in super::super) struct RunView {
    id: RunId,
    workflow: Arc<str>,
    #[schemars(with = "RunStatus")]
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<Arc<str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    submitted_at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    reopened_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Moment>,
    /// How many tasks there are, in all and by status, those without a task left out.
    tasks: BTreeMap<&'static str, usize>,
}

impl From<RunInfo> for RunView {
    fn from(run: RunInfo) -> Self {
        let counts = run.counts.iter().map(|(status, count)| (status.as_str(), count));
        let tasks = counts.filter(|(_, count)| *count > 0).chain([("total", run.counts.total())]).collect();
        Self {
            id: run.id,
            workflow: run.workflow,
            status: run.status.as_str(),
            reason: run.reason,
            key: run.key,
            tenant: run.tenant,
            labels: run.labels,
            submitted_at: Moment(run.submitted_at),
            reopened_at: run.reopened_at.map(Moment),
            ended_at: run.ended_at.map(Moment),
            tasks,
        }
    }
}
