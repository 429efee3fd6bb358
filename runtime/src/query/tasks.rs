//! The question for the tasks of a run.

use super::cursor::Page;
use super::filter::TaskFilter;
use super::info::TaskInfo;
use super::why::look_around;
use super::{LIMIT, checked};
use crate::Result;
use crate::node::Node;
use callboard_core::{RunId, Status, TaskIndex};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

/// A question for the tasks of a run in the making; await it for a page, in the order of the workflow.
///
/// What is told is durable.
#[must_use = "nothing is asked before it is awaited"]
pub struct Tasks {
    node: Arc<Node>,
    run: RunId,
    filter: TaskFilter,
    limit: usize,
    after: Option<TaskIndex>,
}

impl Tasks {
    pub(crate) fn new(node: Arc<Node>, run: RunId) -> Self {
        Self { node, run, filter: TaskFilter::default(), limit: LIMIT, after: None }
    }

    /// Only tasks with this status, or with one of several if it is said several times.
    pub fn status(mut self, status: Status) -> Self {
        self.filter.statuses.push(status);
        self
    }

    /// Only tasks that ask for this capability.
    pub fn capability(mut self, capability: impl Into<String>) -> Self {
        self.filter.capability = Some(capability.into());
        self
    }

    /// How many a page holds, 1 to 1,000; 100 by default.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Goes on behind this task.
    pub fn after(mut self, index: TaskIndex) -> Self {
        self.after = Some(index);
        self
    }
}

impl IntoFuture for Tasks {
    type Output = Result<Page<TaskInfo, TaskIndex>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// # Errors
    ///
    /// `Invalid` for a limit out of range; `NotFound` if there is no such run; `Unavailable` if its partition is down or
    /// the archive can not be read, `Corrupt` if what it holds can not be.
    fn into_future(self) -> Self::IntoFuture {
        async move {
            let limit = checked(self.limit)?;
            let mut page = self.node.partitions.tasks(self.run, Arc::new(self.filter), limit, self.after).await?;
            look_around(&self.node, page.items.iter_mut()).await;
            Ok(page)
        }
        .boxed()
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("run", &self.run).field("filter", &self.filter).finish_non_exhaustive()
    }
}
