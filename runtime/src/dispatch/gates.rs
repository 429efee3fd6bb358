//! The gates at which tasks of the backlog wait.

use crate::breaker::{Breaker, Breakers, Ticket};
use callboard_core::Lane;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// The gates at which tasks wait, or have.
#[derive(Default)]
pub(super) struct Gates {
    breakers: Option<Breakers>,
    /// Each with how many wait there, stale ones included.
    known: BTreeMap<Arc<str>, (Arc<Breaker>, usize)>,
}

impl Gates {
    pub(super) fn of(breakers: Breakers) -> Self {
        Self { breakers: Some(breakers), known: BTreeMap::new() }
    }

    /// A task comes to wait at a gate. One that can not be is none: its task is let through, and its handler told why.
    pub(super) fn comes(&mut self, gate: &Arc<str>) {
        if !self.known.contains_key(gate)
            && let Some(Ok(breaker)) = self.breakers.as_ref().map(|breakers| breakers.dependency(gate))
        {
            self.known.insert(gate.clone(), (breaker, 0));
        }
        self.change(gate, |waiting| waiting + 1);
    }

    /// One of those that wait goes.
    pub(super) fn goes(&mut self, gate: &Arc<str>) -> Option<Ticket> {
        let ticket = self.known.get(gate).and_then(|(breaker, _)| breaker.take());
        self.change(gate, |waiting| waiting.saturating_sub(1));
        ticket
    }

    /// Counts anew who waits where.
    pub(super) fn count<'a>(&mut self, lanes: impl Iterator<Item = (&'a Arc<str>, usize)>) {
        if self.known.is_empty() {
            return;
        }
        let mut counted: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        lanes.for_each(|(gate, waiting)| *counted.entry(gate).or_default() += waiting);
        for (gate, (breaker, waiting)) in &mut self.known {
            *waiting = counted.get(gate).copied().unwrap_or_default();
            breaker.waits(*waiting);
        }
    }

    fn change(&mut self, gate: &Arc<str>, change: impl FnOnce(usize) -> usize) {
        if let Some((breaker, waiting)) = self.known.get_mut(gate) {
            *waiting = change(*waiting);
            breaker.waits(*waiting);
        }
    }

    /// How many tasks of a lane may go now, as far as its gate is concerned.
    pub(super) fn lets_through<T>(&self, lane: &Lane<T>) -> usize {
        let known = lane.gate().and_then(|gate| self.known.get(gate));
        known.map_or(usize::MAX, |(breaker, _)| breaker.lets_through())
    }

    /// Why nothing goes through a gate, in words.
    pub(super) fn reason(&self, gate: &str) -> Option<String> {
        let (breaker, _) = self.known.get(gate)?;
        breaker.reason(Instant::now())
    }
}
