//! A schedule as a program sees it.

use super::info::ScheduleInfo;
use crate::Result;
use crate::node::Node;
use crate::partition::message::ScheduleWish;
use crate::run::{Run, checked};
use std::fmt;
use std::sync::Arc;

/// A schedule; a cheap handle. Dropping it stops nothing.
#[derive(Clone)]
pub struct Scheduled {
    node: Arc<Node>,
    name: Arc<str>,
}

impl Scheduled {
    pub(crate) fn new(node: Arc<Node>, name: Arc<str>) -> Self {
        Self { node, name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it stands.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not there, `Unavailable` if its partition is down.
    pub async fn info(&self) -> Result<ScheduleInfo> {
        self.node.partitions.schedule_info(&self.name).await
    }

    /// Starts no more runs until it is [resumed](Self::resume). Durable when it answers, and over restarts.
    ///
    /// The runs that it has started go on. Pausing what is paused changes nothing, and the first reason stands.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not there, `Invalid` for a reason of more than 4 KiB, `Unavailable` if nothing has changed,
    /// `Unknown` if that is not known.
    pub async fn pause(&self, reason: impl Into<Arc<str>>) -> Result<()> {
        self.node.partitions.schedule(&self.name, ScheduleWish::Pause(checked(reason.into())?)).await
    }

    /// Starts runs again. Durable when it answers. The moments that passed meanwhile are dealt with as its
    /// [catch-up policy](crate::CatchUp) says; a single one that comes once comes now. Resuming what is not paused changes
    /// nothing.
    ///
    /// # Errors
    ///
    /// As [`pause`](Self::pause).
    pub async fn resume(&self) -> Result<()> {
        self.node.partitions.schedule(&self.name, ScheduleWish::Resume).await
    }

    /// Forgets it. Durable when it answers. The runs that it has started go on; what waited in its queue never starts.
    ///
    /// # Errors
    ///
    /// As [`pause`](Self::pause).
    pub async fn remove(&self) -> Result<()> {
        self.node.partitions.schedule(&self.name, ScheduleWish::Remove).await
    }

    /// Starts a run now, beside all moments, also if it is paused or finished. Durable when it answers.
    ///
    /// # Errors
    ///
    /// `Conflict` if a run of it is open and there may be but one ([`Overlap::Skip`](crate::Overlap) and `Queue`); `NotFound`
    /// if it is not there; `Unavailable` if nothing was started; `Unknown` if that is not known: [`info`](Self::info) tells
    /// the last run.
    pub async fn fire_now(&self) -> Result<Run> {
        let run = self.node.partitions.new_run_beside(&self.name);
        self.node.partitions.schedule(&self.name, ScheduleWish::FireNow(run)).await?;
        Ok(Run::new(self.node.clone(), run))
    }
}

impl fmt::Debug for Scheduled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scheduled").field(&self.name).finish()
    }
}
