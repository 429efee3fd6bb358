//! The question for tasks of all runs.

use super::cursor::{Cursor, Page};
use super::filter::{RunFilter, RunTaskFilter, TaskFilter};
use super::info::TaskInfo;
use super::why::look_around;
use super::{LIMIT, checked};
use crate::Result;
use crate::node::Node;
use callboard_core::{RunId, Status};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

/// A task with its run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunTask {
    /// Its run.
    pub run: RunId,
    /// The name of the workflow.
    pub workflow: Arc<str>,
    /// The task; of one that failed with the chain of reasons.
    pub task: TaskInfo,
}

/// A question for tasks of all runs in the making; await it for a page.
///
/// They come in the order of their runs, as in [`Runs`](crate::Runs), and within a run in the order of the workflow.
#[must_use = "nothing is asked before it is awaited"]
pub struct AllTasks {
    node: Arc<Node>,
    tasks: TaskFilter,
    limit: usize,
    after: Option<Cursor>,
}

impl AllTasks {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node, tasks: TaskFilter::default(), limit: LIMIT, after: None }
    }

    /// Only tasks with this status, or with one of several if it is said several times.
    pub fn status(mut self, status: Status) -> Self {
        self.tasks.statuses.push(status);
        self
    }

    /// Only tasks that ask for this capability.
    pub fn capability(mut self, capability: impl Into<String>) -> Self {
        self.tasks.capability = Some(capability.into());
        self
    }

    /// How many a page holds, 1 to 1,000; 100 by default.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Goes on where a page has ended.
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }
}

impl IntoFuture for AllTasks {
    type Output = Result<Page<RunTask>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// # Errors
    ///
    /// `Invalid` for a limit out of range; `Unavailable` if a partition is down or the archive can not be read.
    fn into_future(self) -> Self::IntoFuture {
        async move {
            let limit = checked(self.limit)?;
            // What has not ended is in no archive.
            let are_open =
                !self.tasks.statuses.is_empty() && !self.tasks.statuses.iter().any(|status| status.is_ended());
            let statuses = if are_open { RunFilter::OPEN.to_vec() } else { Vec::new() };
            let runs = RunFilter { statuses, ..RunFilter::default() };
            let filter = RunTaskFilter { runs: runs.into(), tasks: self.tasks.into() };
            let mut page = self.node.partitions.run_tasks(filter, limit, self.after).await?;
            look_around(&self.node, page.items.iter_mut().map(|found| &mut found.task)).await;
            Ok(page)
        }
        .boxed()
    }
}

impl fmt::Debug for AllTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllTasks").field("tasks", &self.tasks).field("limit", &self.limit).finish_non_exhaustive()
    }
}
