//! The limits of a node, by name.

use super::actor::Order;
use super::info::LimitInfo;
use super::limiter::Limiter;
use super::meter::Reach;
use super::rules::{Limit, Sharing};
use crate::port::directory::check_names;
use crate::supervise::Slot;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::time::Instant;

/// The limits of a node; a cheap handle.
#[derive(Clone)]
pub(crate) struct Limits(Arc<Inner>);

struct Inner {
    named: BTreeMap<Arc<str>, Limit>,
    capabilities: BTreeMap<Arc<str>, Limit>,
    /// Those that have been used, by their gates.
    all: Mutex<All>,
    reach: Reach,
    /// What the numbers of what is taken on this node begin with.
    first: u64,
    actor: Arc<OnceLock<Slot<Order>>>,
}

struct All {
    by_gate: BTreeMap<Arc<str>, Arc<Limiter>>,
    /// As soon as there are so many, those that are idle are forgotten.
    sweep_at: usize,
}

/// What the gate of a limit begins with.
const GATE: &str = "limit:";
/// And that of a capability's.
const CAPABILITY: &str = "limit:capability:";
/// The longest name of a limit, in bytes: its key in the directory has some more.
const NAME_BYTES_MAX: usize = 128;
/// Below this many limits, one for each tenant, nobody sweeps.
const SWEEP_MIN: usize = 1_024;

/// What the limit of this name is called as a gate: `limit:llm:groq`, or `limit:llm:groq@acme` for a tenant's share.
pub(super) fn gate_of(name: &str, tenant: Option<&str>) -> Arc<str> {
    match tenant {
        None => format!("{GATE}{name}").into(),
        Some(tenant) => format!("{GATE}{name}@{tenant}").into(),
    }
}

/// The gate and the units of what a handler is parked at, if it is a limit's: `limit:llm:groq/2000`.
pub(crate) fn units_of(parked: &str) -> Option<(&str, u64)> {
    let (gate, units) = parked.rsplit_once('/').filter(|(gate, _)| gate.starts_with(GATE))?;
    Some((gate, units.parse().ok()?))
}

impl Limits {
    /// These, on this node, which is one of several or not.
    pub(crate) fn new(
        named: BTreeMap<Arc<str>, Limit>,
        capabilities: BTreeMap<Arc<str>, Limit>,
        node: &str,
        is_alone: bool,
    ) -> Self {
        let reach = if is_alone { Reach::Alone } else { Reach::Leased };
        let hash = blake3::hash(node.as_bytes());
        let first = hash.as_bytes()[..4].iter().fold(0, |first, byte| first << 8 | u64::from(*byte)) << 32;
        let all = Mutex::new(All { by_gate: BTreeMap::new(), sweep_at: SWEEP_MIN });
        Self(Arc::new(Inner { named, capabilities, all, reach, first, actor: Arc::default() }))
    }

    /// Says which actor wakes those who wait, once, before there is any.
    pub(super) fn watched_by(&self, actor: Slot<Order>) {
        let _first = self.0.actor.set(actor);
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limit of this name, or the share that a tenant has of it.
    ///
    /// # Errors
    ///
    /// `Invalid` if there is none.
    pub(crate) fn named(&self, name: &str, tenant: Option<&str>) -> Result<Arc<Limiter>> {
        let Some((name, limit)) = self.0.named.get_key_value(name) else {
            let known: Vec<&str> = self.0.named.keys().map(|name| &**name).collect();
            let known = if known.is_empty() { "there is none".to_owned() } else { format!("there are {known:?}") };
            return Err(Error::invalid(format!(
                "there is no limit {name:?} on this node: give it to the builder, as to those of all other nodes; {known}"
            )));
        };
        Ok(self.limiter(name, None, limit, tenant))
    }

    /// The limit of a capability, or the share that a tenant has of it, if there is one.
    pub(crate) fn of_capability(&self, capability: &str, tenant: Option<&str>) -> Option<Arc<Limiter>> {
        let (capability, limit) = self.0.capabilities.get_key_value(capability)?;
        let name = CAPABILITY.strip_prefix(GATE).unwrap_or_default();
        Some(self.limiter(&format!("{name}{capability}").into(), Some(capability), limit, tenant))
    }

    /// Whether the tasks of any capability are limited.
    pub(crate) fn has_capabilities(&self) -> bool {
        !self.0.capabilities.is_empty()
    }

    /// Whether each tenant has a share of the limit of a capability.
    pub(crate) fn tells_tenants(&self, capability: &str) -> bool {
        self.0.capabilities.get(capability).is_some_and(|limit| limit.sharing == Sharing::Tenants)
    }

    fn limiter(
        &self,
        name: &Arc<str>,
        capability: Option<&Arc<str>>,
        limit: &Limit,
        tenant: Option<&str>,
    ) -> Arc<Limiter> {
        let tenant = match limit.sharing {
            Sharing::All => None,
            Sharing::Tenants => Some(tenant.unwrap_or_default()),
        };
        let gate = gate_of(name, tenant);
        let mut all = self.lock();
        if let Some(found) = all.by_gate.get(&gate) {
            return found.clone();
        }
        if all.by_gate.len() >= all.sweep_at {
            let now = Instant::now();
            all.by_gate.retain(|_, limiter| Arc::strong_count(limiter) > 1 || !limiter.is_idle(now));
            all.sweep_at = SWEEP_MIN.max(2 * all.by_gate.len());
        }
        let who = (name.clone(), tenant.map(Into::into));
        let at = (self.0.reach, self.0.first);
        let limiter = Arc::new(Limiter::new(who, capability.cloned(), limit.clone(), at, self.0.actor.clone()));
        all.by_gate.insert(gate, limiter.clone());
        limiter
    }

    /// The limit of a gate at which a task is parked.
    pub(crate) fn at(&self, gate: &str) -> Option<Arc<Limiter>> {
        let found = self.lock().by_gate.get(gate).cloned();
        found.or_else(|| {
            let name = gate.strip_prefix(GATE)?;
            let (name, tenant) = name.split_once('@').map_or((name, None), |(name, tenant)| (name, Some(tenant)));
            self.named(name, tenant).ok()
        })
    }

    pub(super) fn all(&self) -> Vec<Arc<Limiter>> {
        self.lock().by_gate.values().cloned().collect()
    }

    /// Those that have been used as they stand, and those of all that have not; `waiting` has how many wait for which of
    /// the capabilities.
    pub(crate) fn list(&self, waiting: &BTreeMap<Arc<str>, usize>) -> Vec<LimitInfo> {
        let is_of_all = |(_, limit): &(&Arc<str>, &Limit)| limit.sharing == Sharing::All;
        for (name, limit) in self.0.named.iter().filter(is_of_all) {
            let _made = self.limiter(name, None, limit, None);
        }
        for (capability, _) in self.0.capabilities.iter().filter(is_of_all) {
            let _made = self.of_capability(capability, None);
        }
        let waits = |limiter: &Limiter| waiting.get(&limiter.gate).copied().unwrap_or_default();
        self.all().iter().map(|limiter| limiter.info(waits(limiter))).collect()
    }
}

/// What is wrong with the limits that a builder was given, in words.
pub(crate) fn faults(named: &BTreeMap<Arc<str>, Limit>, capabilities: &BTreeMap<Arc<str>, Limit>) -> Vec<String> {
    let is_bad = |name: &str| {
        name.len() > NAME_BYTES_MAX || check_names(&[name]).is_err() || gate_of(name, None).starts_with(CAPABILITY)
    };
    let bad_names = named.keys().filter(|name| is_bad(name)).map(|name| {
        format!(
            "the name of a limit is 1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 . _ : = - and does not begin with \
             \"capability:\", not {name:?}"
        )
    });
    let bad_capabilities = capabilities.keys().filter_map(|name| crate::node::check_capability(name).err());
    let limits = named.iter().chain(capabilities);
    let bad_limits = limits.flat_map(|(name, limit)| limit.faults(name));
    bad_names.chain(bad_capabilities).chain(bad_limits).collect()
}
