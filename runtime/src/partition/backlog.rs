//! Which task starts next when a slot frees: exact over all partitions of a process.
//!
//! Partitions offer tasks once their readiness is durable; pools offer slots. A slot and a task that meet become a
//! grant, and the partition hands the task out. The backlog decides the order and nothing else: the partition checks
//! each grant against its state, and gives the slot back when the task has been taken back meanwhile.

use super::message::Message;
use callboard_core::{Ready, ReadyQueue, Requirements};
use ractor::{ActorRef, MessagingErr};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The tasks that wait for a slot, and the slots that wait for a task.
#[derive(Default)]
pub(crate) struct Backlog(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Each task with the tenure that offers it. What a tenure that has ended has offered is dropped when its turn
    /// comes: the next tenure has offered it again.
    queue: ReadyQueue<ActorRef<Message>>,
    slots: BTreeMap<Arc<str>, Slots>,
}

/// A task and the slot it has been given. Dropped anywhere on its way to an instance, with the mailbox of a partition
/// that has ended, say, it frees the slot; only [`Grant::used`] does not.
pub(crate) struct Grant {
    pub(crate) ready: Ready,
    /// Where the slot goes back to, until it is used.
    backlog: Option<Arc<Backlog>>,
}

impl Grant {
    /// The task is in the queue of its capability: the instance that takes it frees the slot.
    pub(crate) fn used(mut self) {
        self.backlog = None;
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if let Some(backlog) = self.backlog.take() {
            backlog.free(&self.ready.capability);
        }
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Grant").field(&self.ready).finish()
    }
}

/// The slots for one capability.
#[derive(Default)]
struct Slots {
    all: usize,
    free: usize,
}

impl Backlog {
    /// Makes known that there are so many more slots for a capability. They are not free yet.
    pub(crate) fn register(&self, capability: &Arc<str>, slots: usize) {
        self.lock().slots.entry(capability.clone()).or_default().all += slots;
    }

    /// Adds tasks; a partition does this only when their readiness is durable.
    pub(crate) fn offer(self: &Arc<Self>, tasks: impl IntoIterator<Item = Ready>, partition: &ActorRef<Message>) {
        let mut waiting = Vec::new();
        let mut inner = self.lock();
        for ready in tasks {
            if inner.slots.get(&ready.capability).is_some_and(|slots| slots.free > 0) {
                waiting.push(ready.capability.clone());
            }
            inner.queue.push(ready, partition.clone());
        }
        drop(inner);
        waiting.iter().for_each(|capability| self.hand_out(capability));
    }

    /// Frees a slot. There are never more free than there are, so one that is freed twice is not handed out twice for
    /// long.
    pub(crate) fn free(self: &Arc<Self>, capability: &Arc<str>) {
        self.lock().free(capability);
        self.hand_out(capability);
    }

    /// Hands out as many tasks of a capability as there are free slots for it.
    fn hand_out(self: &Arc<Self>, capability: &Arc<str>) {
        loop {
            let met = self.lock().meet(capability);
            let Some((ready, partition)) = met else { return };
            let grant = Grant { ready, backlog: Some(self.clone()) };
            if let Err(MessagingErr::SendErr(Message::HandOut(grant))) = partition.cast(Message::HandOut(grant)) {
                // Not by its drop, which would hand out from within, once for every task of a partition that ended.
                grant.used();
                self.lock().free(capability);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn free(&mut self, capability: &str) {
        if let Some(slots) = self.slots.get_mut(capability) {
            slots.free = slots.all.min(slots.free + 1);
        }
    }

    fn meet(&mut self, capability: &str) -> Option<(Ready, ActorRef<Message>)> {
        let slots = self.slots.get_mut(capability).filter(|slots| slots.free > 0)?;
        let met = self.queue.pop([capability], Requirements::is_empty)?;
        slots.free -= 1;
        Some(met)
    }
}
