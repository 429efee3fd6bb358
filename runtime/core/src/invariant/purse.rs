//! The budget of a run, folded from its events alone: what is reserved, and for whom there was room.

use crate::{Budget, Cost, Millis, TaskIndex};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A call of a task.
pub(super) type Call = (TaskIndex, Arc<str>);

/// What is known of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Purse {
    limit: Budget,
    submitted_at: Millis,
    wall_spent: bool,
    spent: Cost,
    /// What calls have cost beyond their own reservations.
    beyond: Cost,
    /// What is reserved, and whether an instance has had it in hand.
    held: BTreeMap<Call, (Cost, bool)>,
    waiting: VecDeque<(Call, Cost)>,
    topped_up: BTreeSet<Uuid>,
}

impl Purse {
    pub(super) fn new(limit: Option<Budget>, submitted_at: Millis) -> Self {
        Self { limit: limit.unwrap_or_default(), submitted_at, ..Self::default() }
    }

    fn used(&self) -> Cost {
        self.held.values().fold(self.spent, |sum, (cost, _)| sum.and(*cost))
    }

    /// What is used beyond what may be.
    pub(super) fn excess(&self) -> Cost {
        let used = self.used().above(self.beyond);
        let most = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
        let Budget { calls, tokens, usd_micros, .. } = self.limit;
        used.above(Cost { calls: most(calls), tokens: most(tokens), usd_micros: most(usd_micros) })
    }

    pub(super) fn wants(&mut self, call: Call, cost: Cost) {
        self.waiting.push_back((call, cost));
    }

    pub(super) fn wants_no_more(&mut self, task: TaskIndex, key: &Arc<str>) {
        self.waiting.retain(|((of, call), _)| *of != task || call != key);
    }

    /// Lets go whoever there is room for, the first first. `is_in_hand` tells of a task that an instance holds it.
    pub(super) fn let_go(&mut self, is_in_hand: impl Fn(TaskIndex) -> bool) -> Vec<Call> {
        let mut gone = Vec::new();
        while let Some((call, cost)) = self.waiting.front().cloned()
            && !self.wall_spent
            && self.limit.has_room(self.used(), cost)
        {
            self.waiting.pop_front();
            let in_hand = is_in_hand(call.0);
            self.held.insert(call.clone(), (cost, in_hand));
            gone.push(call);
        }
        gone
    }

    pub(super) fn taken(&mut self, task: TaskIndex) {
        self.held.iter_mut().filter(|((of, _), _)| *of == task).for_each(|(_, held)| held.1 = true);
    }

    /// A call has come to something; false if it says what it cost and nothing was reserved for it.
    pub(super) fn settle(&mut self, task: TaskIndex, key: &Arc<str>, cost: Option<Cost>) -> bool {
        let Some((reserved, _)) = self.held.remove(&(task, key.clone())) else { return cost.is_none() };
        let cost = cost.unwrap_or(reserved);
        self.spent = self.spent.and(cost);
        self.beyond = self.beyond.and(cost.above(reserved));
        true
    }

    pub(super) fn give_up(&mut self, task: TaskIndex, key: &Arc<str>) {
        if let Some((cost, true)) = self.held.remove(&(task, key.clone())) {
            self.spent = self.spent.and(cost);
        }
    }

    /// An activation is over, or everything of a task is.
    pub(super) fn give_up_all(&mut self, task: TaskIndex, everything: bool) {
        let of_task = self.held.iter().filter(|((of, _), (_, in_hand))| *of == task && (everything || *in_hand));
        let keys: Vec<Arc<str>> = of_task.map(|((_, key), _)| key.clone()).collect();
        keys.iter().for_each(|key| self.give_up(task, key));
    }

    pub(super) fn wall_time_spent(&mut self) {
        self.wall_spent = true;
    }

    pub(super) fn ended(&mut self) {
        self.wall_spent = false;
    }

    /// False for what was added before, or can not be.
    pub(super) fn top_up(&mut self, id: Uuid, at: Millis, amount: &Budget) -> bool {
        let Ok(limit) = self.limit.topped_up(amount) else { return false };
        self.limit = limit;
        let is_new = self.topped_up.insert(id);
        let end = limit.wall_ms.map(|ms| self.submitted_at.after(Duration::from_millis(ms)));
        self.wall_spent &= end.is_some_and(|end| end <= at);
        is_new
    }
}
