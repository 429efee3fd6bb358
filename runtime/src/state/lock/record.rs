//! What a version of a lock says, and how one follows the other: without time, and without chance.
//!
//! A version is made of the one before it, by create-if-absent, so of all who would change a lock at the same time one does,
//! and the others look again. Whether a holder has been silent for too long is for who looks: a record only says what it saw.

use crate::state::Author;
use crate::state::version::in_words;
use callboard_core::{Millis, Token};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// How many may wait for one lock.
pub(super) const WAITING_MAX: usize = 1_000;

/// Who wants a lock, or has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ticket {
    /// No other ticket has it.
    pub(super) id: Arc<str>,
    pub(super) node: Arc<str>,
    pub(super) by: Author,
    /// When it came, by its node's clock.
    pub(super) at: Millis,
    /// For how long it holds the lock without a sign of life.
    pub(super) ttl_ms: u64,
    /// Which activation of its task wants it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) activation: Option<Token>,
    /// Whether it gives way where tasks wait for each other in a circle.
    pub(super) yields: bool,
}

impl Ticket {
    /// Whether both are of one task.
    pub(super) fn is_of_the_task_of(&self, other: &Self) -> bool {
        self.by.run.is_some() && (self.by.run, &self.by.task) == (other.by.run, &other.by.task)
    }

    /// Whether it is of an earlier activation of the task of the other, which is over.
    fn is_over_for(&self, other: &Self) -> bool {
        self.is_of_the_task_of(other) && self.activation < other.activation
    }
}

/// In words.
impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&in_words(std::iter::once(&self.by), &self.node))
    }
}

/// Who has a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Holder {
    pub(super) ticket: Ticket,
    /// The version in which it came to hold it: no later holder has a smaller one.
    pub(super) token: u64,
    /// How often it has said that it lives; none yet if it was handed the lock and may not know.
    pub(super) signs: u64,
}

/// What a lock is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) holder: Option<Holder>,
    /// Who waits, in the order in which they came.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub(super) waiting: VecDeque<Ticket>,
}

impl Record {
    /// The holder, if it is this one.
    pub(super) fn held_by(&self, id: &str) -> Option<&Holder> {
        self.holder.as_ref().filter(|holder| *holder.ticket.id == *id)
    }

    /// How many are before this one, if it waits.
    pub(super) fn place_of(&self, id: &str) -> Option<usize> {
        self.waiting.iter().position(|ticket| *ticket.id == *id)
    }

    /// What follows when this one wants it, in the version of this number: it is the holder if nobody is and nobody waits, or
    /// if an earlier activation of its task is; else it waits. `None` if it would have to wait and does not, or too many do.
    pub(super) fn wanted(&self, ticket: &Ticket, waits: bool, number: u64) -> Option<Self> {
        let mut next = self.clone();
        // What an earlier activation of the task has asked for is over, too.
        next.waiting.retain(|other| !other.is_over_for(ticket));
        let follows = self.holder.as_ref().is_some_and(|holder| holder.ticket.is_over_for(ticket));
        if follows || (self.holder.is_none() && next.waiting.is_empty()) {
            next.holder = Some(Holder { ticket: ticket.clone(), token: number, signs: 1 });
            return Some(next);
        }
        (waits && next.waiting.len() < WAITING_MAX).then(|| {
            next.waiting.push_back(ticket.clone());
            next
        })
    }

    /// What follows when this one says that it lives.
    pub(super) fn renewed(&self, id: &str) -> Option<Self> {
        let holder = self.held_by(id)?;
        let holder = Holder { signs: holder.signs + 1, ..holder.clone() };
        Some(Self { holder: Some(holder), waiting: self.waiting.clone() })
    }

    /// What follows when this one is gone, whether it held it or waited: the next one has it, in the version of this number.
    pub(super) fn without(&self, id: &str, number: u64) -> Option<Self> {
        if self.held_by(id).is_some() {
            return Some(self.handed_over(number));
        }
        let place = self.place_of(id)?;
        let mut next = self.clone();
        next.waiting.remove(place);
        Some(next)
    }

    /// What follows when the holder has been silent for too long, or lets go.
    pub(super) fn handed_over(&self, number: u64) -> Self {
        let mut waiting = self.waiting.clone();
        let holder = waiting.pop_front().map(|ticket| Holder { ticket, token: number, signs: 0 });
        Self { holder, waiting }
    }
}

/// A circle of tasks that wait for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Circle {
    /// The locks, each waited for by the holder of the one before, beginning with that which is asked about.
    pub(super) locks: Vec<Arc<str>>,
    /// The ticket that gives way: the youngest of those that do.
    pub(super) victim: Option<Arc<str>>,
}

/// The circle in which the ticket waits for this lock, if there is one.
pub(super) fn circle(locks: &[(Arc<str>, Record)], lock: &str, ticket: &Ticket) -> Option<Circle> {
    let mut path: Vec<(Arc<str>, &Ticket)> = Vec::new();
    let (mut lock, mut waiter) = (lock, ticket);
    loop {
        let (name, record) = locks.iter().find(|(name, _)| **name == *lock)?;
        if path.iter().any(|(seen, _)| seen == name) {
            return None; // a circle of others
        }
        path.push((name.clone(), waiter));
        let holder = &record.holder.as_ref()?.ticket;
        if holder.id == ticket.id {
            return None; // it was handed the lock before this was looked at
        }
        if holder.is_of_the_task_of(ticket) {
            let yielding = path.iter().map(|(_, waiter)| *waiter).filter(|waiter| waiter.yields);
            let victim = yielding.max_by_key(|waiter| (waiter.at, waiter.id.clone())).map(|waiter| waiter.id.clone());
            return Some(Circle { locks: path.into_iter().map(|(name, _)| name).collect(), victim });
        }
        // What the holder waits for itself: a task waits for one lock at a time, as a rule.
        let waits = |record: &'_ Record| record.waiting.iter().position(|other| other.is_of_the_task_of(holder));
        let (next, place) = locks.iter().find_map(|(name, record)| Some((&**name, (record, waits(record)?))))?;
        (lock, waiter) = (next, &place.0.waiting[place.1]);
    }
}
