//! The bells of a node: how everything in it that waits for work hears that there is none any more.

use super::COMMIT_MAX;
use crate::closing_time::Bell;
use crate::message::Mailroom;
use crate::partition::handle::Partitions;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Ring once, for all.
pub(super) struct Bells {
    partitions: Partitions,
    mailroom: Arc<Mailroom>,
    /// Rings for the partitions.
    bell: Bell,
    /// Ring for the instances of each agent. `None` once the node stops: nobody is added then.
    agents: Mutex<Option<BTreeMap<Arc<str>, Arc<Bell>>>>,
}

impl Bells {
    pub(super) fn new(partitions: Partitions, mailroom: Arc<Mailroom>, bell: Bell) -> Self {
        Self { partitions, mailroom, bell, agents: Mutex::new(Some(BTreeMap::new())) }
    }

    /// Tells everybody that the node stops: handlers have `drain` to finish, the last commits [`COMMIT_MAX`] behind that.
    pub(super) fn ring(&self, drain: Duration) {
        self.ring_for(drain, COMMIT_MAX);
    }

    pub(super) fn ring_for(&self, drain: Duration, commit: Duration) {
        self.mailroom.stop();
        self.bell.ring(drain, commit);
        for (_, bell) in self.agents().take().into_iter().flatten() {
            bell.ring(drain, commit);
        }
    }

    /// Tells everybody that the node ends by itself.
    pub(super) fn sound(&self, why: &str, drain: Duration) {
        self.partitions.close(&format!("it ended by itself: {why}"));
        self.ring(drain);
    }

    pub(super) fn agents(&self) -> MutexGuard<'_, Option<BTreeMap<Arc<str>, Arc<Bell>>>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
