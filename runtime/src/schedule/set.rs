//! Setting a schedule.

use super::{LABEL, Schedule, moments};
use crate::node::Node;
use crate::partition::message::{NewSchedule, ScheduleWish};
use crate::workflow::Workflow;
use crate::{Error, ErrorKind, Result, Scheduled};
use callboard_core::Replace;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::future::IntoFuture;
use std::sync::Arc;

/// The longest name of a schedule.
const NAME_BYTES_MAX: usize = 128;

/// A schedule in the making; await it.
#[must_use = "nothing is scheduled before it is awaited: write `.await` behind it"]
pub struct SetSchedule {
    node: Arc<Node>,
    name: String,
    schedule: Schedule,
    workflow: Workflow,
    replace: Replace,
}

impl SetSchedule {
    pub(crate) fn new(node: Arc<Node>, name: String, schedule: Schedule, workflow: Workflow) -> Self {
        Self { node, name, schedule, workflow, replace: Replace::No }
    }

    /// Takes the place of a schedule of this name with another content. What that has started goes on and still counts as
    /// an overlap; if it is paused, this one is; what was due is due no more.
    pub fn replace(mut self) -> Self {
        self.replace = Replace::Yes;
        self
    }

    async fn set(self) -> Result<Scheduled> {
        let Self { node, name, schedule, workflow, replace } = self;
        let invalid = |message: String| Error::new(ErrorKind::Invalid, message);
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(invalid(format!("the name of a schedule has 1 to {NAME_BYTES_MAX} bytes, not {}", name.len())));
        }
        let timing = schedule.timing()?;
        let first = moments::Moments::of(&timing).and_then(|moments| moments.first(node.partitions.now()));
        if first.map_err(invalid)?.is_none() {
            return Err(invalid("the schedule never comes due".into()).because(format!("{timing:?} matches no moment")));
        }
        let (mut graph, untyped) = workflow.graph()?;
        if graph.labels.contains_key(LABEL) {
            return Err(invalid(format!("the label {LABEL:?} is set by the schedule, to its name")));
        }
        graph.labels.insert(LABEL.to_owned(), name.clone());
        let graph = node.checked(graph, untyped).await?;
        let (overlap, catch_up) = (schedule.overlap, schedule.catch_up);
        let set = NewSchedule { timing, overlap, catch_up, graph, replace };
        let name: Arc<str> = name.into();
        node.partitions.schedule(&name, ScheduleWish::Set(Box::new(set))).await?;
        Ok(Scheduled::new(node, name))
    }
}

impl IntoFuture for SetSchedule {
    type Output = Result<Scheduled>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.set().boxed()
    }
}
