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

use super::desk::{Desk, FULL};
use crate::partition::message::Message;
use crate::registry::profile::{AgentState, Capability, Profile};
use callboard_core::{Ready, ReadyQueue, Requirements, RunId, closest};
use ractor::{ActorRef, ActorStatus, MessagingErr};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The tasks that wait for a slot, and the agents that have slots.
#[derive(Default)]
pub(crate) struct Backlog {
    inner: Mutex<Inner>,
    /// Told whenever a slot frees at a desk that is closed.
    emptied: Notify,
}

#[derive(Default)]
struct Inner {
    /// Each task with the tenure that offers it. What a tenure that has ended has offered is dropped when the next one
    /// begins, which offers it again.
    queue: ReadyQueue<ActorRef<Message>>,
    desks: BTreeMap<Arc<str>, Desk>,
    /// The agents that offer a capability.
    offering: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// Counts the grants, so that it is known who had one longest ago.
    turn: u64,
}

/// A task and the slot it has been given. Dropped anywhere on its way to an instance, with the mailbox of a partition
/// that has ended, say, it frees the slot; only [`Grant::used`] does not.
pub(crate) struct Grant {
    pub(crate) ready: Ready,
    /// The agent that is to perform it.
    pub(crate) agent: Arc<str>,
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
            backlog.free(&self.agent);
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
    agent: Arc<str>,
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
        let mut inner = self.lock();
        let id = profile.id.clone();
        if inner.desks.contains_key(&id) {
            return false;
        }
        inner.desks.insert(id, Desk::new(profile, capabilities, Instant::now()));
        inner.index();
        true
    }

    /// Takes no more tasks for an agent; false if there is no such agent.
    pub(crate) fn close(&self, agent: &str) -> bool {
        self.lock().desks.get_mut(agent).map(|desk| desk.is_open = false).is_some()
    }

    /// Waits until nothing is out at a desk: at once if there is no such desk.
    pub(crate) async fn is_empty(&self, agent: &str) {
        loop {
            let freed = self.emptied.notified();
            if self.lock().desks.get(agent).is_none_or(|desk| desk.out == 0) {
                return;
            }
            freed.await;
        }
    }

    /// Removes the desk of an agent.
    pub(crate) fn remove(&self, agent: &str) {
        let mut inner = self.lock();
        inner.desks.remove(agent);
        inner.index();
    }

    /// Changes what an agent can do, and hands out what has waited for that. False if there is no such agent.
    pub(crate) fn change(
        self: &Arc<Self>,
        agent: &Arc<str>,
        change: impl FnOnce(&mut BTreeMap<Arc<str>, Capability>),
    ) -> bool {
        let mut inner = self.lock();
        let Some(desk) = inner.desks.get_mut(agent) else { return false };
        change(&mut desk.capabilities);
        inner.index();
        drop(inner);
        self.serve(agent);
        true
    }

    /// An instance sits down, and takes tasks from now on.
    pub(super) fn sit(self: &Arc<Self>, agent: &Arc<str>) {
        if let Some(desk) = self.lock().desks.get_mut(agent) {
            desk.seats += 1;
            desk.trouble = None;
        }
        self.serve(agent);
    }

    /// An instance has left.
    pub(super) fn stand_up(&self, agent: &str) {
        if let Some(desk) = self.lock().desks.get_mut(agent) {
            desk.seats = desk.seats.saturating_sub(1);
        }
    }

    /// Notes why an agent lacks an instance.
    pub(crate) fn trouble(&self, agent: &str, trouble: String) {
        if let Some(desk) = self.lock().desks.get_mut(agent) {
            desk.trouble = Some(trouble);
        }
    }

    /// A task has come again to an agent whose slot for it was freed by the instance that had it.
    pub(super) fn came_again(&self, agent: &str) {
        if let Some(desk) = self.lock().desks.get_mut(agent) {
            desk.out += 1;
        }
    }

    /// Notes how an attempt of an agent went.
    pub(super) fn note(&self, agent: &str, completed: bool) {
        if let Some(desk) = self.lock().desks.get_mut(agent) {
            desk.health.note(Instant::now(), completed);
        }
    }

    /// Frees a slot of an agent.
    pub(super) fn free(self: &Arc<Self>, agent: &Arc<str>) {
        if let Some(desk) = self.lock().desks.get_mut(agent) {
            desk.out = desk.out.saturating_sub(1);
            if !desk.is_open {
                self.emptied.notify_waiters();
                return;
            }
        }
        self.serve(agent);
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

    /// Gives an agent tasks while it has free slots.
    fn serve(self: &Arc<Self>, agent: &Arc<str>) {
        self.hand_out(|inner| inner.meet_at(agent));
    }

    fn hand_out(self: &Arc<Self>, meet: impl Fn(&mut Inner) -> Option<Met>) {
        loop {
            let met = meet(&mut self.lock());
            let Some(Met { ready, partition, agent, chosen }) = met else { return };
            let grant = Grant { ready, agent, chosen, backlog: Some(self.clone()) };
            if let Err(MessagingErr::SendErr(Message::HandOut(mut grant))) = partition.cast(Message::HandOut(grant)) {
                // Not by its drop, which would hand out from within, once for every task of a partition that ended.
                grant.backlog = None;
                if let Some(desk) = self.lock().desks.get_mut(&grant.agent) {
                    desk.out = desk.out.saturating_sub(1);
                }
            }
        }
    }

    /// Why tasks that ask for `capability` and require this wait for an agent.
    pub(crate) fn reason(&self, capability: &str, requires: &Requirements) -> String {
        self.lock().reason(capability, requires)
    }

    /// The lanes in which tasks wait.
    pub(crate) fn lanes(&self) -> Vec<QueueInfo> {
        let inner = self.lock();
        let lanes = inner.queue.lanes().map(|(capability, lane)| QueueInfo {
            capability: capability.clone(),
            requires: lane.requires().clone(),
            waiting: lane.waiting(),
            reason: inner.reason(capability, lane.requires()),
        });
        lanes.collect()
    }

    /// The agents of this process, by id.
    pub(crate) fn agents(&self) -> Vec<AgentState> {
        let (inner, now) = (self.lock(), Instant::now());
        inner.desks.values().map(|desk| state(desk, now)).collect()
    }

    /// What is known of a capability, by each agent of this process that offers it.
    pub(crate) fn capability(&self, name: &str) -> Vec<Capability> {
        let inner = self.lock();
        let agents = inner.offering.get(name).into_iter().flatten();
        agents.filter_map(|agent| inner.desks.get(agent)?.capabilities.get(name).cloned()).collect()
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
    /// Works out who offers what, after a change.
    fn index(&mut self) {
        self.offering.clear();
        for (id, desk) in &self.desks {
            for capability in desk.capabilities.keys() {
                self.offering.entry(capability.clone()).or_default().push(id.clone());
            }
        }
    }

    /// The next task for an agent, if it has a free slot.
    fn meet_at(&mut self, agent: &Arc<str>) -> Option<Met> {
        let desk = self.desks.get(agent).filter(|desk| desk.free() > 0)?;
        let capabilities = desk.capabilities.keys().map(|capability| &**capability);
        let (ready, partition) = self.queue.pop(capabilities, |_, requires| requires.are_met_by(desk.traits()))?;
        self.give(ready, partition, agent.clone(), None)
    }

    /// The next task that asks for one of these capabilities and finds an agent free.
    fn meet(&mut self, capabilities: &[Arc<str>]) -> Option<Met> {
        let (desks, offering) = (&self.desks, &self.offering);
        let free = |capability: &str, requires: &Requirements| {
            let mut agents = offering.get(capability).into_iter().flatten();
            agents.any(|agent| desks.get(agent).is_some_and(|desk| desk.takes(capability, requires)))
        };
        let (ready, partition) = self.queue.pop(capabilities.iter().map(|capability| &**capability), free)?;
        let (agent, chosen) = self.choose(&ready)?;
        self.give(ready, partition, agent, chosen)
    }

    fn give(
        &mut self,
        ready: Ready,
        partition: ActorRef<Message>,
        agent: Arc<str>,
        chosen: Option<Arc<str>>,
    ) -> Option<Met> {
        self.turn += 1;
        let desk = self.desks.get_mut(&agent)?;
        desk.out += 1;
        desk.chosen_at = self.turn;
        Some(Met { ready, partition, agent, chosen })
    }

    /// The agent for a task, among those that have a free slot, and why it is that one.
    fn choose(&self, ready: &Ready) -> Option<(Arc<str>, Option<Arc<str>>)> {
        let agents = self.offering.get(&ready.capability)?;
        let free = agents.iter().filter_map(|agent| {
            let desk = self.desks.get(agent).filter(|desk| desk.takes(&ready.capability, &ready.requires))?;
            Some((agent, desk))
        });
        let now = Instant::now();
        let mut ranked: Vec<(Rank, &Arc<str>)> =
            free.map(|(agent, desk)| (rank(ready, agent, desk, now), agent)).collect();
        ranked.sort_unstable_by_key(|(rank, _)| *rank);
        let (first, agent) = *ranked.first()?;
        let reason = ranked.get(1).map(|(second, _)| why(first, *second, ranked.len()));
        Some((agent.clone(), reason.map(Arc::from)))
    }

    fn reason(&self, capability: &str, requires: &Requirements) -> String {
        let Some(agents) = self.offering.get(capability) else {
            let closest = closest(capability, self.offering.keys().map(|name| &**name));
            let hint = closest.map_or_else(String::new, |name| format!("; the closest is {name:?}"));
            return format!("no agent offers {capability:?}{hint}");
        };
        let desks: Vec<(&Arc<str>, &Desk)> =
            agents.iter().filter_map(|agent| Some((agent, self.desks.get(agent)?))).collect();
        let admitting: Vec<&Desk> =
            desks.iter().filter(|(_, desk)| desk.admits(capability, requires)).map(|(_, desk)| *desk).collect();
        if admitting.is_empty() {
            let unmet = desks.iter().map(|(agent, desk)| match requires.iter().find_map(|r| r.unmet(desk.traits())) {
                Some(unmet) => format!("{agent}: {unmet}"),
                None => format!("{agent} is being drained"),
            });
            let shown: Vec<String> = unmet.take(REASONS_MAX).collect();
            let more = desks.len().saturating_sub(REASONS_MAX);
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            return format!(
                "no agent that offers {capability:?} meets what the task requires: {}{more}",
                shown.join("; ")
            );
        }
        let (seats, out) = admitting.iter().fold((0, 0), |(seats, out), desk| (seats + desk.seats, out + desk.out));
        match admitting.iter().find_map(|desk| desk.trouble.as_ref().filter(|_| seats == 0)) {
            Some(trouble) => format!("no instance runs yet: {trouble}"),
            None if seats == 0 => "no instance runs yet".to_owned(),
            None => format!("{} of {seats} slots are taken", out.min(seats)),
        }
    }
}

/// Agents that a reason names at most.
const REASONS_MAX: usize = 8;

/// In which order agents are chosen: whether the task failed there, whether it is unhealthy, its load, its last turn.
type Rank = (bool, bool, u64, u64);

/// An agent that does worse than this is chosen last.
const HEALTHY: f64 = 0.5;

fn rank(ready: &Ready, agent: &Arc<str>, desk: &Desk, now: Instant) -> Rank {
    let failed_there = ready.avoid.as_ref() == Some(agent);
    (failed_there, desk.health.score(now) < HEALTHY, desk.load(), desk.chosen_at)
}

/// What told the first from the second of `free` agents.
fn why(first: Rank, second: Rank, free: usize) -> String {
    let percent = |load: u64| load * 100 / FULL;
    if first.0 != second.0 {
        format!("1 of {free} free agents: the other has failed with it")
    } else if first.1 != second.1 {
        format!("1 of {free} free agents: the healthy one")
    } else if first.2 != second.2 {
        format!("1 of {free} free agents: the least loaded, at {} %", percent(first.2))
    } else {
        format!("1 of {free} free agents: idle for the longest")
    }
}
