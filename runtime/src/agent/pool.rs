//! A pool: the instances of one agent, supervised.

use super::erased::Factory;
use super::instance::{Floor, Instance, Role};
use crate::supervise::{Backoff, ChildSpec, OnGiveUp, Policy, Ruling, Settings, Supervisor};
use callboard_core::InstanceId;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// What a user asks for: so many instances of an agent for a capability.
#[derive(Clone)]
pub(crate) struct PoolSpec {
    pub(crate) capability: Arc<str>,
    pub(crate) instances: NonZeroUsize,
    pub(crate) factory: Factory,
}

impl PoolSpec {
    /// The pool as a child of its node, whose life is `node`.
    pub(crate) fn child(
        &self,
        floor: &Floor,
        node: &str,
        drain_limit: Duration,
        events: mpsc::Sender<crate::supervise::Event>,
    ) -> ChildSpec {
        floor.backlog.register(&self.capability, self.instances.get());
        let children = (1..=self.instances.get()).map(|n| self.instance(floor, node, n)).collect();
        let name: Arc<str> = format!("pool {}", self.capability).into();
        let settings = Settings { name, drain_limit, children, events };
        Supervisor::child(Policy::default(), settings).0
    }

    /// One instance. It is replaced however often it fails, for its tasks pay for that with their attempts; the
    /// back-off keeps one that can not even start from burning the machine.
    fn instance(&self, floor: &Floor, node: &str, n: usize) -> ChildSpec {
        let backoff = Backoff { first: Duration::from_millis(10), cap: Duration::from_secs(5), spread: None };
        let policy = Policy { backoff, on_give_up: OnGiveUp::GiveUpChild, ..Policy::default() };
        let role = Role {
            floor: floor.clone(),
            id: InstanceId::new(node, &format!("{}#{n}", self.capability)),
            capability: self.capability.clone(),
            factory: self.factory.clone(),
        };
        let (spec, _slot) = ChildSpec::actor(&*role.id.to_string(), policy, move || (Instance, role.clone()));
        spec.judged_by(|_| Ruling::RestartUncounted)
    }
}
