//! The ledger of a run.

use super::{Budget, Cost};
use crate::record::{Queue, Waiter};
use crate::sabotage::{self, Sabotage};
use crate::{Millis, TaskIndex};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// What a run may cost, has cost, and may still come to cost by the calls that are under way.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ledger {
    /// The budget with which it was submitted.
    pub(crate) given: Budget,
    /// The limits now, with all top-ups.
    pub limit: Budget,
    /// What was settled or charged.
    pub spent: Cost,
    /// What calls that are under way may cost at most.
    pub reserved: Cost,
    /// What calls have cost beyond their own reservations, of all that was spent. It alone may pass a limit.
    pub overshoot: Cost,
    /// Whether the time from the submission on is spent: nothing more is started, and nothing more reserved.
    pub wall_spent: bool,
    /// Whether that is why the run is paused.
    pub(crate) pauses: bool,
    held: BTreeMap<TaskIndex, BTreeMap<Arc<str>, Held>>,
    pub(crate) waiting: Queue,
    /// What was added, oldest first.
    pub top_ups: Vec<ToppedUp>,
}

/// What was added to a budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToppedUp {
    /// Tells a repeated top-up from another.
    pub id: Uuid,
    /// When.
    pub at: Millis,
    /// How much of each thing.
    pub amount: Budget,
    /// By whom and why.
    pub by: Option<Arc<str>>,
}

/// What is reserved for one call.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Held {
    cost: Cost,
    /// Whether an instance has had it in hand: then the call may have been made.
    is_taken: bool,
}

/// What becomes of a reservation that is not settled.
pub(crate) enum Unsettled {
    /// The call may have been made: it is charged as if it had cost all of it.
    Charged(Cost),
    /// Nobody has had it in hand: it is free again.
    Released,
}

impl Ledger {
    pub(crate) fn new(given: Budget) -> Self {
        Self { given, limit: given, ..Self::default() }
    }

    /// What is spent and reserved together.
    pub fn used(&self) -> Cost {
        self.spent.and(self.reserved)
    }

    /// What is left of each limit: neither spent nor reserved.
    pub fn left(&self) -> Budget {
        self.limit.left(self.used())
    }

    /// Whether a call of this cost may be made now.
    pub(crate) fn has_room(&self, cost: Cost) -> bool {
        let used = if sabotage::is(Sabotage::BudgetNotReserved) { self.spent } else { self.used() };
        !self.wall_spent && self.limit.has_room(used, cost)
    }

    /// The calls for which something is reserved, by task: the task, the call, and how much.
    pub fn held(&self) -> impl Iterator<Item = (TaskIndex, &Arc<str>, Cost)> {
        self.held.iter().flat_map(|(task, calls)| calls.iter().map(|(key, held)| (*task, key, held.cost)))
    }

    /// What is reserved for a call.
    pub(crate) fn holds(&self, task: TaskIndex, key: &str) -> Option<Cost> {
        Some(self.held.get(&task)?.get(key)?.cost)
    }

    /// The calls that wait for room, the first first: the task and the call.
    pub fn waiting(&self) -> impl Iterator<Item = (TaskIndex, &Arc<str>)> {
        self.waiting.iter().map(|waiter| (waiter.task, &waiter.key))
    }

    pub(crate) fn reserve(&mut self, waiter: Waiter, cost: Cost, is_taken: bool) {
        self.reserved = self.reserved.and(cost);
        self.held.entry(waiter.task).or_default().insert(waiter.key, Held { cost, is_taken });
    }

    /// An instance has the task in hand now, and so what is reserved for its calls.
    pub(crate) fn take(&mut self, task: TaskIndex) {
        self.held.get_mut(&task).into_iter().flat_map(BTreeMap::values_mut).for_each(|held| held.is_taken = true);
    }

    fn free(&mut self, task: TaskIndex, key: &str) -> Option<Held> {
        let of_task = self.held.get_mut(&task)?;
        let held = of_task.remove(key)?;
        if of_task.is_empty() {
            self.held.remove(&task);
        }
        self.reserved = self.reserved.above(held.cost);
        Some(held)
    }

    /// A call has come to something, and this is what it cost: what was reserved for it, if that is not said.
    pub(crate) fn settle(&mut self, task: TaskIndex, key: &str, cost: Option<Cost>) -> Option<()> {
        let reserved = self.free(task, key)?.cost;
        let cost = cost.unwrap_or(reserved);
        self.spent = self.spent.and(cost);
        self.overshoot = self.overshoot.and(cost.above(reserved));
        Some(())
    }

    /// Nothing will settle what is reserved for a call any more.
    pub(crate) fn give_up(&mut self, task: TaskIndex, key: &str) -> Option<Unsettled> {
        let held = self.free(task, key)?;
        if !held.is_taken {
            return Some(Unsettled::Released);
        }
        self.spent = self.spent.and(held.cost);
        Some(Unsettled::Charged(held.cost))
    }

    /// The calls of a task for which something is reserved; only those that an instance has had in hand, if `is_taken`.
    pub(crate) fn of_task(&self, task: TaskIndex, is_taken: bool) -> Vec<Arc<str>> {
        let held = self.held.get(&task).into_iter().flatten();
        held.filter(|(_, held)| held.is_taken || !is_taken).map(|(key, _)| key.clone()).collect()
    }

    /// Whether a top-up of this id is known.
    pub(crate) fn has_seen(&self, id: &Uuid) -> bool {
        self.top_ups.iter().any(|known| known.id == *id)
    }

    /// When the time of a run that was submitted then is spent.
    pub(crate) fn wall_due(&self, submitted_at: Millis) -> Option<Millis> {
        Some(submitted_at.after(Duration::from_millis(self.limit.wall_ms?)))
    }

    /// Whether a run that starts nothing because its time is spent starts again at `at` when it has `amount` more.
    pub(crate) fn lets_go_on(&self, submitted_at: Millis, at: Millis, amount: &Budget) -> bool {
        let topped_up = self.limit.topped_up(amount).unwrap_or(self.limit);
        let ledger = Self { limit: topped_up, ..Self::default() };
        self.wall_spent && ledger.wall_due(submitted_at).is_none_or(|due| due > at)
    }
}
