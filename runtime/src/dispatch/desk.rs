//! A desk: one agent as the backlog sees it.

use super::health::Health;
use crate::breaker::Breaker;
use crate::registry::profile::{AgentStatus, Capability, Profile};
use callboard_core::{InstanceId, Requirements, Traits};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// Where one agent takes tasks.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) profile: Arc<Profile>,
    /// Where it is, if that is another node. Its seats are then the slots that were lent and are not filled yet.
    pub(super) home: Option<Home>,
    /// What it can do at present.
    pub(super) capabilities: BTreeMap<Arc<str>, Capability>,
    /// Instances that are there.
    pub(super) seats: usize,
    /// Tasks that were given to it and have not ended.
    pub(super) out: usize,
    /// Whether it takes more.
    pub(super) is_open: bool,
    /// When it was last given a task, in turns of the backlog.
    pub(super) chosen_at: u64,
    pub(super) health: Health,
    /// How many tasks its breaker lets it have, if that is limited.
    pub(super) allowance: Option<u32>,
    pub(super) breaker: Option<Arc<Breaker>>,
    /// Why it has no instance, as far as that is known.
    pub(super) trouble: Option<String>,
}

/// The desk at its own node.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) node: Arc<str>,
    /// Its number there.
    pub(crate) desk: u64,
    /// The share of its slots that was taken there when it last said so, in millionths.
    pub(super) load: u64,
}

impl Desk {
    pub(super) fn new(profile: Arc<Profile>, home: Option<Home>, now: Instant) -> Self {
        Self {
            profile,
            home,
            capabilities: BTreeMap::new(),
            seats: 0,
            out: 0,
            is_open: true,
            chosen_at: 0,
            health: Health::new(now),
            allowance: None,
            breaker: None,
            trouble: None,
        }
    }

    pub(super) fn traits(&self) -> &Traits {
        &self.profile.traits
    }

    /// Slots that wait for a task.
    pub(super) fn free(&self) -> usize {
        let free = if self.is_open { self.seats.saturating_sub(self.out) } else { 0 };
        self.allowance.map_or(free, |allowance| free.min(allowance as usize))
    }

    /// Whether it takes tasks that require this, now or later.
    pub(super) fn admits(&self, requires: &Requirements) -> bool {
        self.is_open && requires.are_met_by(self.traits())
    }

    /// The share of its slots that is taken, in millionths; full when it has none.
    pub(super) fn load(&self) -> u64 {
        if let Some(home) = &self.home {
            return home.load;
        }
        match self.seats as u64 {
            0 => FULL,
            seats => (self.out as u64 * FULL / seats).min(FULL),
        }
    }

    /// Whether an instance is one of its; `here` is the node of desks that are of this process, if there are several nodes.
    pub(super) fn is_of(&self, instance: &InstanceId, here: &str) -> bool {
        let is_of_its_node = match &self.home {
            Some(home) => *home.node == *instance.node(),
            None => here.is_empty() || here == instance.node(),
        };
        is_of_its_node && *self.profile.id == *instance.agent()
    }

    pub(super) fn status(&self) -> AgentStatus {
        match (self.is_open, self.seats, self.out) {
            (false, ..) => AgentStatus::Draining,
            (true, 0, _) => AgentStatus::Starting,
            (true, _, 0) => AgentStatus::Idle,
            (true, seats, out) if out < seats => AgentStatus::Busy,
            (true, ..) => AgentStatus::Full,
        }
    }
}

/// A load of one.
pub(super) const FULL: u64 = 1_000_000;
