//! The question for tasks that have failed for good.

use super::all_tasks::RunTask;
use super::cursor::{Cursor, Page};
use super::filter::{RunFilter, RunTaskFilter, TaskFilter};
use super::{LIMIT, checked};
use crate::Result;
use crate::node::Node;
use callboard_core::Millis;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

/// A task that has failed for good or has spent its attempts. [`Run::retry`](crate::Run::retry) gives it another life.
pub type DeadLetter = RunTask;

/// A question for dead letters in the making; await it for a page.
///
/// They come in the order of their runs, as in [`Runs`](crate::Runs), and within a run in the order of the workflow.
#[must_use = "nothing is asked before it is awaited"]
pub struct DeadLetters {
    node: Arc<Node>,
    runs: RunFilter,
    tasks: TaskFilter,
    limit: usize,
    after: Option<Cursor>,
}

impl DeadLetters {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node, runs: RunFilter::default(), tasks: TaskFilter::dead_letters(), limit: LIMIT, after: None }
    }

    /// Only tasks that ask for this capability.
    pub fn capability(mut self, capability: impl Into<String>) -> Self {
        self.tasks.capability = Some(capability.into());
        self
    }

    /// Only tasks of runs of the workflow with this name.
    pub fn workflow(mut self, name: impl Into<String>) -> Self {
        self.runs.workflow = Some(name.into());
        self
    }

    /// Only tasks of runs with this label; all of them, if it is said several times.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.runs.labels.push((key.into(), value.into()));
        self
    }

    /// Only tasks of runs that were submitted after this moment.
    pub fn submitted_after(mut self, at: Millis) -> Self {
        self.runs.submitted_after = Some(at);
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

impl IntoFuture for DeadLetters {
    type Output = Result<Page<DeadLetter>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// # Errors
    ///
    /// `Invalid` for a limit out of range; `Unavailable` if a partition is down or the archive can not be read.
    fn into_future(self) -> Self::IntoFuture {
        async move {
            let limit = checked(self.limit)?;
            let filter = RunTaskFilter { runs: self.runs.into(), tasks: self.tasks.into() };
            self.node.partitions.run_tasks(filter, limit, self.after).await
        }
        .boxed()
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").field("limit", &self.limit).finish_non_exhaustive()
    }
}
