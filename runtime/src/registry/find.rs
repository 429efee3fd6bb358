//! Finding agents.

use super::profile::AgentInfo;
use crate::node::{Node, check_capability};
use crate::{Error, ErrorKind, Result};
use callboard_core::{Requirement, Requirements};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::Arc;

/// The agents that are known: await it for all of them, by id, or [find](Self::find) some.
#[must_use = "nobody is asked before it is awaited"]
pub struct Agents {
    pub(crate) node: Arc<Node>,
}

impl Agents {
    /// Those that offer a capability.
    pub fn find(self, capability: impl Into<Arc<str>>) -> Find {
        let (capability, requires) = (capability.into(), Vec::new());
        Find { node: self.node, capability, min_health: 0.0, max_load: 1.0, requires }
    }
}

impl IntoFuture for Agents {
    type Output = Result<Vec<AgentInfo>>;
    type IntoFuture = BoxFuture<'static, Result<Vec<AgentInfo>>>;

    /// # Errors
    ///
    /// `Unavailable` if the directory can not be read.
    fn into_future(self) -> Self::IntoFuture {
        async move {
            let mut all = self.node.registry.list(None, |_| true).await?;
            all.sort_by(|a, b| (&a.id, &a.node).cmp(&(&b.id, &b.node)));
            Ok(all)
        }
        .boxed()
    }
}

/// A search for agents; await it for those that fit, the least loaded first, among equals the healthier, then by id.
///
/// What it tells of agents of other nodes is as old as their last `agent_heartbeat`, and a tenth of one more: searches that follow one
/// another closely ask the directory once.
#[must_use = "nobody is asked before it is awaited"]
pub struct Find {
    node: Arc<Node>,
    capability: Arc<str>,
    min_health: f64,
    max_load: f64,
    requires: Vec<Requirement>,
}

impl Find {
    /// Those only whose [health](AgentInfo::health) is at least this, 0 to 1.
    pub fn min_health(self, min_health: f64) -> Self {
        Self { min_health, ..self }
    }

    /// Those only whose [load](AgentInfo::load) is at most this, 0 to 1.
    pub fn max_load(self, max_load: f64) -> Self {
        Self { max_load, ..self }
    }

    /// Those only that meet this as well.
    pub fn requires(mut self, requirement: Requirement) -> Self {
        self.requires.push(requirement);
        self
    }

    fn check(&self) -> Result<()> {
        let mut faults: Vec<String> = check_capability(&self.capability).err().into_iter().collect();
        for (what, share) in [("min_health", self.min_health), ("max_load", self.max_load)] {
            if !(0.0..=1.0).contains(&share) {
                faults.push(format!("{what} is 0 to 1, not {share}"));
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        let error = Error::new(ErrorKind::Invalid, "no agent can be found like this");
        Err(faults.into_iter().fold(error, Error::because))
    }
}

impl IntoFuture for Find {
    type Output = Result<Vec<AgentInfo>>;
    type IntoFuture = BoxFuture<'static, Result<Vec<AgentInfo>>>;

    /// # Errors
    ///
    /// `Unavailable` if the directory can not be read, `Invalid` for what is no capability, and for a health or load that no agent can have.
    fn into_future(self) -> Self::IntoFuture {
        async move {
            self.check()?;
            let requires = Requirements::from(self.requires);
            let fits = |agent: &AgentInfo| {
                agent.health >= self.min_health && agent.load() <= self.max_load && requires.are_met_by(&agent.traits)
            };
            let mut found = self.node.registry.list(Some(&self.capability), fits).await?;
            found.sort_by(|a, b| {
                let by_load = a.load().total_cmp(&b.load());
                by_load.then(b.health.total_cmp(&a.health)).then_with(|| (&a.id, &a.node).cmp(&(&b.id, &b.node)))
            });
            Ok(found)
        }
        .boxed()
    }
}
