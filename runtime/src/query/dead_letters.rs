//! The question for tasks that have failed for good.

use super::cursor::{Cursor, Page};
use super::info::TaskInfo;
use super::{LIMIT, checked};
use crate::Result;
use crate::node::Node;
use callboard_core::RunId;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

/// A task that has failed for good or has spent its attempts. [`Run::retry`](crate::Run::retry) gives it another life.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Its run.
    pub run: RunId,
    /// The name of the workflow.
    pub workflow: Arc<str>,
    /// The task, with the chain of reasons.
    pub task: TaskInfo,
}

/// A question for dead letters in the making; await it for a page.
///
/// They come in the order of their runs, as in [`Runs`](crate::Runs), and within a run in the order of the workflow.
#[must_use = "nothing is asked before it is awaited"]
pub struct DeadLetters {
    node: Arc<Node>,
    limit: usize,
    after: Option<Cursor>,
}

impl DeadLetters {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node, limit: LIMIT, after: None }
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
        async move { self.node.partitions.dead_letters(checked(self.limit)?, self.after).await }.boxed()
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").field("limit", &self.limit).finish_non_exhaustive()
    }
}
