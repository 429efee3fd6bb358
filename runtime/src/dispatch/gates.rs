//! The gates at which tasks of the backlog wait.

use crate::breaker::{Breaker, Breakers, Ticket};
use crate::limit::{Held, Limiter, Limits, units_of};
use crate::query::Cause;
use callboard_core::{Lane, Ready};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// What lets tasks through, or does not.
enum Gate {
    /// Nothing, while what it guards is sick.
    Breaker(Arc<Breaker>),
    /// No more than it allows.
    Limit(Arc<Limiter>),
}

impl Gate {
    /// How many of the tasks that wait may go now, where the first asks for so many units.
    fn lets_through(&self, units: u64, waiting: usize) -> usize {
        match self {
            Self::Breaker(breaker) => breaker.lets_through(),
            Self::Limit(limiter) => limiter.lets_through(units, waiting),
        }
    }

    fn waits(&self, waiting: usize) {
        match self {
            Self::Breaker(breaker) => breaker.waits(waiting),
            Self::Limit(limiter) => limiter.waits(waiting),
        }
    }

    fn reason(&self, units: u64, now: Instant) -> Option<Cause> {
        match self {
            Self::Breaker(breaker) => breaker.reason(now),
            Self::Limit(limiter) => limiter.reason(units, now),
        }
    }
}

/// What a task takes with it that was let through.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// What its handler shows at the gate at which it has waited.
    pub(crate) ticket: Option<Ticket>,
    /// What it has taken of limits, until it ends.
    pub(crate) held: Vec<Arc<Held>>,
}

/// The gates at which tasks wait, or have.
#[derive(Default)]
pub(super) struct Gates {
    breakers: Option<Breakers>,
    limits: Option<Limits>,
    /// Each with how many wait there, stale ones included.
    known: BTreeMap<Arc<str>, (Gate, usize)>,
}

impl Gates {
    pub(super) fn of(breakers: Breakers, limits: Limits) -> Self {
        Self { breakers: Some(breakers), limits: Some(limits), known: BTreeMap::new() }
    }

    /// A task comes, of this tenant: at which gate it waits, of whose share of a limit it takes, and how many units it asks
    /// for. A gate that can not be is none: its task is let through, and its handler told why.
    pub(super) fn comes(&mut self, ready: &mut Ready, tenant: Option<&Arc<str>>) -> u64 {
        let units = self.stands(ready, tenant);
        let Some(gate) = ready.gate.clone() else { return units };
        if !self.known.contains_key(&gate)
            && let Some(found) = self.find(&gate)
        {
            self.known.insert(gate.clone(), (found, 0));
        }
        self.change(&gate, |waiting| waiting + 1);
        units
    }

    /// Says of a task, of this tenant, in which lane it stands, and how many units it asks for.
    pub(super) fn stands(&self, ready: &mut Ready, tenant: Option<&Arc<str>>) -> u64 {
        if self.limits.as_ref().is_some_and(|limits| limits.tells_tenants(&ready.capability)) {
            ready.share = tenant.cloned();
        }
        let Some((gate, units)) = ready.gate.as_deref().and_then(units_of) else { return 1 };
        ready.gate = Some(gate.into());
        units
    }

    fn find(&self, gate: &str) -> Option<Gate> {
        let limiter = self.limits.as_ref().and_then(|limits| limits.at(gate));
        limiter.map(Gate::Limit).or_else(|| Some(Gate::Breaker(self.breakers.as_ref()?.dependency(gate).ok()?)))
    }

    /// One of those that wait goes.
    pub(super) fn goes(&mut self, ready: &Ready, units: u64) -> Passed {
        let mut passed = Passed::default();
        if let Some(limiter) = self.of_capability(&ready.capability, ready.share.as_ref()) {
            passed.held.push(limiter.take(1).1);
        }
        let Some(gate) = &ready.gate else { return passed };
        match self.known.get(gate).map(|(gate, _)| gate) {
            Some(Gate::Breaker(breaker)) => passed.ticket = breaker.take(),
            Some(Gate::Limit(limiter)) => {
                let (ticket, held) = limiter.take(units);
                passed.ticket = Some(ticket);
                passed.held.push(held);
            }
            None => {}
        }
        self.change(gate, |waiting| waiting.saturating_sub(1));
        passed
    }

    /// The limit of the tasks of a capability.
    pub(super) fn of_capability(&self, capability: &str, share: Option<&Arc<str>>) -> Option<Arc<Limiter>> {
        self.limits.as_ref()?.of_capability(capability, share.map(|share| &**share))
    }

    /// Counts anew who waits where.
    pub(super) fn count<'a>(&mut self, lanes: impl Iterator<Item = (&'a Arc<str>, usize)>) {
        if self.known.is_empty() {
            return;
        }
        let mut counted: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        lanes.for_each(|(gate, waiting)| *counted.entry(gate).or_default() += waiting);
        for (gate, (known, waiting)) in &mut self.known {
            *waiting = counted.get(gate).copied().unwrap_or_default();
            known.waits(*waiting);
        }
        self.known.retain(|_, (known, waiting)| *waiting > 0 || matches!(known, Gate::Breaker(_)));
    }

    fn change(&mut self, gate: &Arc<str>, change: impl FnOnce(usize) -> usize) {
        let Some((known, waiting)) = self.known.get_mut(gate) else { return };
        *waiting = change(*waiting);
        known.waits(*waiting);
        // Of limits there may be one for each tenant.
        if *waiting == 0 && matches!(known, Gate::Limit(_)) {
            self.known.remove(gate);
        }
    }

    /// Whether a task waits at a gate.
    pub(super) fn are_waited_at(&self) -> bool {
        self.known.values().any(|(_, waiting)| *waiting > 0)
    }

    /// How many tasks of a lane may go now, as far as limits and its gate are concerned. The first asks for so many units.
    pub(super) fn lets_through<T>(&self, capability: &str, lane: &Lane<T>, units: u64) -> usize {
        let known = lane.gate().and_then(|gate| self.known.get(gate));
        let through = known.map_or(usize::MAX, |(gate, waiting)| gate.lets_through(units, *waiting));
        if through == 0 {
            return 0;
        }
        let limiter = self.of_capability(capability, lane.share());
        limiter.map_or(through, |limiter| through.min(limiter.lets_through(1, lane.waiting())))
    }

    /// Why nothing goes: through the gate at which a task waits that asks for so many units, or at all.
    pub(super) fn reason(&self, gate: Option<&str>, capability: &str, share: Option<&Arc<str>>) -> Option<Cause> {
        let (now, parked) = (Instant::now(), gate.and_then(units_of));
        let (gate, units) = parked.map_or((gate, 1), |(gate, units)| (Some(gate), units));
        let at_gate = gate.and_then(|gate| self.known.get(gate)).and_then(|(gate, _)| gate.reason(units, now));
        at_gate.or_else(|| self.of_capability(capability, share)?.reason(1, now))
    }
}
