//! Folds what is reserved, settled and added.

use super::ledger::{Ledger, ToppedUp, Unsettled};
use crate::event::{BudgetToppedUp, WallTimeSpent};
use crate::record::{Moment, Noted, Waiter};
use crate::{Budget, Cost, Run, Status, TaskIndex, Wait};
use std::sync::Arc;

impl Run {
    /// What it may cost, and has cost; `None` for a run without a budget that has said of nothing what it costs.
    pub fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_deref()
    }

    /// The budget with which it was submitted.
    pub fn given_budget(&self) -> Option<Budget> {
        self.ledger().map(|ledger| ledger.given).filter(|given| !given.is_none())
    }

    pub(crate) fn ledger_mut(&mut self) -> &mut Ledger {
        self.ledger.get_or_insert_default()
    }

    /// Whether something is reserved for a call.
    pub(crate) fn holds(&self, task: TaskIndex, key: &str) -> bool {
        self.ledger().is_some_and(|ledger| ledger.holds(task, key).is_some())
    }

    /// The call that waits for the budget the longest, and what it costs, if there is room for it now.
    pub(crate) fn next_grant(&self) -> Option<(Waiter, Cost)> {
        let ledger = self.ledger().filter(|_| self.ended.is_none() && self.quarantined.is_none())?;
        let first = ledger.waiting.first()?;
        let cost = self.budget_wait(first.task, &first.key)?;
        ledger.has_room(cost).then(|| (first.clone(), cost))
    }

    /// What a call waits to reserve.
    pub fn budget_wait(&self, task: TaskIndex, key: &str) -> Option<Cost> {
        match self.record(task)?.waits.get(key)? {
            Wait::Budget { cost, .. } => Some(*cost),
            _ => None,
        }
    }

    /// Reserves for a call what it waits for.
    pub(crate) fn grant(&mut self, moment: Moment, waiter: Waiter, cost: Cost) {
        let Some(task) = self.tasks.get_mut(waiter.task.at()) else { return };
        let is_taken = task.status() == Status::Running;
        task.record_mut().end_wait(&waiter.key);
        let ledger = self.ledger_mut();
        ledger.waiting.remove(&waiter);
        ledger.reserve(waiter.clone(), cost, is_taken);
        self.note(waiter.task, moment, &waiter.key, Noted::Reserved(cost));
    }

    /// A call came to something: what was reserved for it is settled. `None` if it says what it cost and nothing is
    /// reserved for it.
    pub(crate) fn settle(&mut self, task: TaskIndex, key: &str, cost: Option<Cost>) -> Option<()> {
        let settled = self.ledger.as_deref_mut().and_then(|ledger| ledger.settle(task, key, cost));
        if cost.is_some() { settled } else { Some(()) }
    }

    /// Nothing will settle what is reserved for a call any more; its handler is told, if it is to make the call again.
    pub(crate) fn give_up(&mut self, moment: Moment, task: TaskIndex, key: &Arc<str>) {
        let unsettled = self.ledger.as_deref_mut().and_then(|ledger| ledger.give_up(task, key));
        let cost = match unsettled {
            Some(Unsettled::Charged(cost)) => cost,
            Some(Unsettled::Released) => Cost::NONE,
            None => return,
        };
        if !self.tasks[task.at()].status().is_ended() {
            self.note(task, moment, key, Noted::Charged(cost));
        }
    }

    /// An activation is over: nothing will settle what its calls had in hand.
    pub(crate) fn charge(&mut self, moment: Moment, task: TaskIndex) {
        self.give_up_all(moment, task, true);
    }

    /// An attempt, or the task, is over: nothing will settle what is reserved for its calls.
    pub(crate) fn close(&mut self, moment: Moment, task: TaskIndex) {
        self.give_up_all(moment, task, false);
    }

    fn give_up_all(&mut self, moment: Moment, task: TaskIndex, is_taken: bool) {
        let keys = self.ledger().map_or(Vec::new(), |ledger| ledger.of_task(task, is_taken));
        keys.iter().for_each(|key| self.give_up(moment, task, key));
    }

    pub(crate) fn wall_time_spent(&mut self, event: &WallTimeSpent) -> Option<()> {
        let is_paused = self.paused.is_some();
        let ledger = self.ledger.as_deref_mut().filter(|ledger| self.ended.is_none() && !ledger.wall_spent)?;
        (ledger.limit.wall_ms == Some(event.limit_ms)).then_some(())?;
        ledger.wall_spent = true;
        ledger.pauses = !is_paused;
        if !is_paused {
            let limit = Budget { wall_ms: Some(event.limit_ms), ..Budget::default() };
            self.paused = Some(format!("the wall time of its budget, {limit}, is spent: top it up").into());
        }
        Some(())
    }

    pub(crate) fn topped_up(&mut self, moment: Moment, event: &BudgetToppedUp) -> Option<()> {
        let (at, submitted_at) = (moment.at, self.submitted_at);
        let ledger = self.ledger.as_deref_mut().filter(|_| self.ended.is_none())?;
        (!ledger.has_seen(&event.id)).then_some(())?;
        let goes_on = ledger.lets_go_on(submitted_at, at, &event.amount);
        ledger.limit = ledger.limit.topped_up(&event.amount).ok()?;
        ledger.top_ups.push(ToppedUp { id: event.id, at, amount: event.amount, by: event.by.clone() });
        ledger.wall_spent &= !goes_on;
        if goes_on && std::mem::take(&mut ledger.pauses) {
            self.unpaused(at)?;
        }
        Some(())
    }

    /// Whether a top-up lets it start tasks again, at that moment.
    pub(crate) fn is_unpaused_by(&self, at: crate::Millis, amount: &Budget) -> bool {
        self.ledger().is_some_and(|ledger| ledger.pauses && ledger.lets_go_on(self.submitted_at, at, amount))
    }
}
