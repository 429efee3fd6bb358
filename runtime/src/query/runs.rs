//! The question for runs.

use super::cursor::{Cursor, Page};
use super::filter::RunFilter;
use super::info::{RunInfo, RunStatus};
use super::{LIMIT, checked};
use crate::Result;
use crate::node::Node;
use callboard_core::Millis;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

/// A question for runs in the making; await it for a page.
///
/// First come the runs in memory, the one that was submitted last first; then those in the archive, by pages, the latest
/// first. Each is told once. One that moves to the archive, or comes back, after the first page was asked for may be told
/// twice, but is never missed. What is told is durable.
#[must_use = "nothing is asked before it is awaited"]
pub struct Runs {
    node: Arc<Node>,
    filter: RunFilter,
    limit: usize,
    after: Option<Cursor>,
}

impl Runs {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node, filter: RunFilter::default(), limit: LIMIT, after: None }
    }

    /// Only runs with this status, or with one of several if it is said several times.
    pub fn status(mut self, status: RunStatus) -> Self {
        self.filter.statuses.push(status);
        self
    }

    /// Only runs of the workflow with this name.
    pub fn workflow(mut self, name: impl Into<String>) -> Self {
        self.filter.workflow = Some(name.into());
        self
    }

    /// Only runs with this label; all of them, if it is said several times.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.filter.labels.push((key.into(), value.into()));
        self
    }

    /// Only runs that were submitted after this moment.
    pub fn submitted_after(mut self, at: Millis) -> Self {
        self.filter.submitted_after = Some(at);
        self
    }

    /// Only runs that were submitted before this moment.
    pub fn submitted_before(mut self, at: Millis) -> Self {
        self.filter.submitted_before = Some(at);
        self
    }

    /// Only runs with a task that has spent its attempts.
    pub fn with_dead_tasks(mut self) -> Self {
        self.filter.with_dead_tasks = true;
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

impl IntoFuture for Runs {
    type Output = Result<Page<RunInfo>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// # Errors
    ///
    /// `Invalid` for a limit out of range; `Unavailable` if a partition is down or the archive can not be read.
    fn into_future(self) -> Self::IntoFuture {
        async move {
            let limit = checked(self.limit)?;
            self.node.partitions.runs(Arc::new(self.filter), limit, self.after).await
        }
        .boxed()
    }
}

impl fmt::Debug for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runs").field("filter", &self.filter).field("limit", &self.limit).finish_non_exhaustive()
    }
}
