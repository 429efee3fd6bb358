//! Which task starts next when a slot frees, and at which agent: exact over all partitions of a process.
//!
//! Partitions offer tasks once their readiness is durable; instances sit down at the desk of their agent. A slot and a
//! task that meet become a grant, and the partition hands the task out. The backlog decides the order and the agent and
//! nothing else: the partition checks each grant against its state, and the slot is free again when the task has been
//! taken back meanwhile.
//!
//! - A slot that frees takes the most urgent task that its agent may do: [`ReadyQueue`] says which that is.
//! - A task that finds several agents free goes to the least loaded; among equals to the one that has had nothing for the
//!   longest. An agent at which the task has failed, or that fails more than half of what it is given, comes last. The
//!   reason is kept with the task.

#[cfg(test)]
mod tests;

use super::desk::Desk;
use super::desks::{DeskId, Desks};
use crate::partition::message::Message;
use crate::registry::profile::{AgentState, AgentStatus, Capability, Profile};
use callboard_core::{Ready, ReadyQueue, Requirements, RunId};
use ractor::{ActorRef, ActorStatus, MessagingErr};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The tasks that wait for a slot, and the agents that have slots.
#[derive(Default)]
pub(crate) struct Backlog {
    inner: Mutex<Inner>,
    /// Told whenever a slot frees at a desk that is closed, a desk is removed, or an instance sits down.
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    /// Each task with the tenure that offers it. What a tenure that has ended has offered is dropped when the next one
    /// begins, which offers it again.
    queue: ReadyQueue<ActorRef<Message>>,
    desks: Desks,
}

/// A task and the slot it has been given. Dropped anywhere on its way to an instance, with the mailbox of a partition
/// that has ended, say, it frees the slot; only [`Grant::used`] does not.
pub(crate) struct Grant {
    pub(crate) ready: Ready,
    /// Whose slot it is.
    pub(crate) desk: DeskId,
    /// Why that one, if there was a choice.
    pub(crate) chosen: Option<Arc<str>>,
    /// Where the slot goes back to, until it is used.
    backlog: Option<Arc<Backlog>>,
}

impl Grant {
    /// The task is in the queue of its agent: the instance that takes it frees the slot.
    pub(crate) fn used(mut self) {
        self.backlog = None;
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if let Some(backlog) = self.backlog.take() {
            backlog.free(&self.desk);
        }
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Grant").field(&self.ready).finish()
    }
}

/// A task with its slot, before it is on its way.
struct Met {
    ready: Ready,
    partition: ActorRef<Message>,
    desk: DeskId,
    chosen: Option<Arc<str>>,
}

/// Tasks that wait for an agent: those that ask for one capability and require the same.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueInfo {
    /// What they ask for.
    pub capability: Arc<str>,
    /// What they require of the agent.
    pub requires: Requirements,
    /// How many they are. A task that was taken back since may be among them until its turn comes.
    pub waiting: usize,
    /// What they wait for.
    pub reason: String,
}

impl Backlog {
    /// Opens the desk of an agent; false if there is one of that name.
    pub(crate) fn open(&self, profile: Arc<Profile>, capabilities: Vec<Capability>) -> bool {
        self.lock().desks.open(profile, capabilities)
    }

    /// Takes no more tasks for an agent; false if there is no such agent.
    pub(crate) fn close(&self, agent: &str) -> bool {
        self.with(agent, |desk| desk.is_open = false).is_some()
    }

    /// Waits until nothing is out at a desk: at once if there is no such desk.
    pub(crate) async fn is_empty(&self, agent: &str) {
        loop {
            let changed = self.changed.notified();
            if self.lock().desks.of(agent).is_none_or(|desk| desk.out == 0) {
                return;
            }
            changed.await;
        }
    }

    /// Waits until every agent that takes tasks has an instance.
    pub(crate) async fn is_manned(&self) {
        loop {
            let changed = self.changed.notified();
            if self.agents().iter().all(|agent| agent.status != AgentStatus::Starting) {
                return;
            }
            changed.await;
        }
    }

    /// Removes the desk of an agent.
    pub(crate) fn remove(&self, agent: &str) {
        self.lock().desks.remove(agent);
        self.changed.notify_waiters();
    }

    /// Changes what an agent can do, and hands out what has waited for that. False if there is no such agent.
    pub(crate) fn change(
        self: &Arc<Self>,
        agent: &Arc<str>,
        change: impl FnOnce(&mut BTreeMap<Arc<str>, Capability>),
    ) -> bool {
        let mut inner = self.lock();
        let Some(number) = inner.desks.number(agent) else { return false };
        inner.desks.retrain(number, change);
        drop(inner);
        self.serve(number);
        true
    }

    /// An instance sits down, and takes tasks from now on.
    pub(super) fn sit(self: &Arc<Self>, agent: &Arc<str>) -> DeskId {
        let mut inner = self.lock();
        let number = inner.desks.number(agent).unwrap_or_default(); // which is nobody's
        inner.desks.change(number, |desk| {
            desk.seats += 1;
            desk.trouble = None;
        });
        drop(inner);
        self.changed.notify_waiters();
        self.serve(number);
        DeskId { agent: agent.clone(), number }
    }

    /// An instance has left.
    pub(super) fn stand_up(&self, desk: &DeskId) {
        self.at(desk, |desk| desk.seats = desk.seats.saturating_sub(1));
    }

    /// Notes why an agent lacks an instance.
    pub(crate) fn trouble(&self, agent: &str, trouble: String) {
        self.with(agent, |desk| desk.trouble = Some(trouble));
    }

    /// Takes a slot for what was not granted: a task that has come again, a message.
    pub(super) fn occupy(&self, desk: &DeskId) {
        self.at(desk, |desk| desk.out += 1);
    }

    /// Notes how an attempt of an agent went.
    pub(super) fn note(&self, desk: &DeskId, completed: bool) {
        self.at(desk, |desk| desk.health.note(Instant::now(), completed));
    }

    /// Frees a slot of an agent.
    pub(super) fn free(self: &Arc<Self>, desk: &DeskId) {
        self.put_back(desk);
        self.serve(desk.number);
    }

    /// Frees a slot, and gives it to nobody.
    fn put_back(&self, desk: &DeskId) {
        let is_open = self.at(desk, |desk| {
            desk.out = desk.out.saturating_sub(1);
            desk.is_open
        });
        if is_open == Some(false) {
            self.changed.notify_waiters();
        }
    }

    fn at<R>(&self, desk: &DeskId, change: impl FnOnce(&mut Desk) -> R) -> Option<R> {
        self.lock().desks.change(desk.number, change)
    }

    fn with<R>(&self, agent: &str, change: impl FnOnce(&mut Desk) -> R) -> Option<R> {
        let mut inner = self.lock();
        let number = inner.desks.number(agent)?;
        inner.desks.change(number, change)
    }

    /// Adds tasks; a partition does this only when their readiness is durable.
    pub(crate) fn offer(self: &Arc<Self>, tasks: impl IntoIterator<Item = Ready>, partition: &ActorRef<Message>) {
        let mut touched: Vec<Arc<str>> = Vec::new();
        let mut inner = self.lock();
        for ready in tasks {
            if !touched.contains(&ready.capability) {
                touched.push(ready.capability.clone());
            }
            inner.queue.push(ready, partition.clone());
        }
        drop(inner);
        self.hand_out(|inner| inner.meet(&touched));
    }

    /// Forgets the tasks that were offered by tenures that have ended.
    pub(crate) fn sweep(&self) {
        self.lock().queue.retain(|partition| partition.get_status() < ActorStatus::Stopping);
    }

    /// Forgets the tasks of a run, which was cancelled or paused.
    pub(crate) fn withdraw(&self, run: RunId) {
        self.lock().queue.withdraw(run);
    }

    /// Gives a desk tasks while it has free slots.
    fn serve(self: &Arc<Self>, number: u64) {
        self.hand_out(|inner| inner.meet_at(number));
    }

    fn hand_out(self: &Arc<Self>, meet: impl Fn(&mut Inner) -> Option<Met>) {
        // Slots that came back with tasks of partitions that have ended. Others may have found them taken meanwhile.
        let mut came_back = BTreeSet::new();
        loop {
            let mut inner = self.lock();
            let met = meet(&mut inner).or_else(|| came_back.iter().find_map(|number| inner.meet_at(*number)));
            drop(inner);
            let Some(Met { ready, partition, desk, chosen }) = met else { return };
            let grant = Grant { ready, desk, chosen, backlog: Some(self.clone()) };
            if let Err(MessagingErr::SendErr(Message::HandOut(mut grant))) = partition.cast(Message::HandOut(grant)) {
                // Not by its drop, which would hand out from within, once for every task of a partition that ended.
                grant.backlog = None;
                self.put_back(&grant.desk);
                came_back.insert(grant.desk.number);
            }
        }
    }

    /// Why tasks that ask for `capability` and require this wait for an agent.
    pub(crate) fn reason(&self, capability: &str, requires: &Requirements) -> String {
        self.lock().desks.reason(capability, requires)
    }

    /// The lanes in which tasks wait.
    pub(crate) fn lanes(&self) -> Vec<QueueInfo> {
        let inner = self.lock();
        let lanes = inner.queue.lanes().map(|(capability, lane)| QueueInfo {
            capability: capability.clone(),
            requires: lane.requires().clone(),
            waiting: lane.waiting(),
            reason: inner.desks.reason(capability, lane.requires()),
        });
        lanes.collect()
    }

    /// The agents of this process, by id.
    pub(crate) fn agents(&self) -> Vec<AgentState> {
        let (inner, now) = (self.lock(), Instant::now());
        inner.desks.iter().map(|desk| state(desk, now)).collect()
    }

    /// What is known of a capability, by each agent of this process that offers it.
    pub(crate) fn capability(&self, name: &str) -> Vec<Capability> {
        self.lock().desks.capability(name)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn state(desk: &Desk, now: Instant) -> AgentState {
    AgentState {
        profile: desk.profile.clone(),
        capabilities: desk.capabilities.values().cloned().collect(),
        status: desk.status(),
        instances: desk.seats,
        running: desk.out,
        health: desk.health.score(now),
        trouble: desk.trouble.clone(),
    }
}

impl Inner {
    /// The next task for a desk, if it has a free slot.
    fn meet_at(&mut self, number: u64) -> Option<Met> {
        let desk = self.desks.get(number).filter(|desk| desk.free() > 0)?;
        let capabilities = desk.capabilities.keys().map(|capability| &**capability);
        let (ready, partition) = self.queue.pop(capabilities, |_, requires| requires.are_met_by(desk.traits()))?;
        Some(Met { ready, partition, desk: self.desks.give(number)?, chosen: None })
    }

    /// The next task that asks for one of these capabilities and finds an agent free.
    fn meet(&mut self, capabilities: &[Arc<str>]) -> Option<Met> {
        let (queue, desks) = (&mut self.queue, &self.desks);
        let capabilities = capabilities.iter().map(|capability| &**capability);
        let (ready, partition) =
            queue.pop(capabilities, |capability, requires| desks.has_free(capability, requires))?;
        let (number, chosen) = desks.choose(&ready)?;
        Some(Met { ready, partition, desk: self.desks.give(number)?, chosen })
    }
}
