//! Which task starts next when a slot frees, and at which agent: exact over all partitions of a process.
//!
//! Partitions offer tasks once their readiness is durable; instances sit down at the desk of their agent. A slot and a
//! task that meet become a grant, and the partition hands the task out. The backlog decides the order and the agent and
//! nothing else: the partition checks each grant against its state, and the slot is free again when the task has been
//! taken back meanwhile.
//!
//! - A slot that frees takes the most urgent task that its agent may do: [`ReadyQueue`] says which that is.
//! - A task that a breaker or a limit has refused waits at that gate: it is handed out when the gate lets one through. A
//!   task of a capability that is limited is handed out when there is room.
//! - A task that finds several agents free goes to the least loaded; among equals to the one that has had nothing for the
//!   longest. An agent at which the task has failed, or that fails more than half of what it is given, comes last. The
//!   reason is kept with the task.

#[cfg(test)]
mod tests;

use super::desk::Desk;
use super::desks::{DeskId, Desks};
use super::gates::{Gates, Passed};
use super::lending::{Announced, Loans, Wants};
use super::order;
use super::turnover;
use crate::breaches::Breaches;
use crate::breaker::{Breaker, Breakers, Ticket};
use crate::cluster::Switchboard;
use crate::cluster::note::{Lent, Note, Wanted};
use crate::limit::{Held, LimitInfo, Limiter, Limits};
use crate::partition::message::Message;
use crate::query::Cause;
use crate::registry::profile::{AgentState, AgentStatus, Capability, Profile};
use crate::sync::{Mutex, MutexGuard};
use crate::telemetry::Meters;
use callboard_core::{Breach, Invariant, Lane, Ready, ReadyQueue, Requirements, RunId, TaskIndex};
use ractor::{ActorRef, ActorStatus, MessagingErr};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The tasks that wait for a slot, and the agents that have slots.
#[derive(Default)]
pub(crate) struct Backlog {
    inner: Mutex<Inner>,
    /// Told whenever a slot frees at a desk that is closed, a desk is removed, or an instance sits down.
    changed: Notify,
    /// The way to other nodes, if there may be any.
    others: OnceLock<Switchboard>,
}

#[derive(Default)]
struct Inner {
    /// Each task with the tenure that offers it. What a tenure that has ended has offered is dropped when the next one
    /// begins, which offers it again.
    queue: ReadyQueue<Offer>,
    desks: Desks,
    wants: Wants,
    loans: Loans,
    announced: Announced,
    /// The gates at which tasks wait.
    gates: Gates,
    /// Counts what is lent, so that who had something longest ago is known.
    lent: u64,
    /// Whether it is looked at again soon what is to be asked of other nodes.
    is_looked_at: bool,
    breaches: Breaches,
}

/// Who offers a task.
#[derive(Clone)]
struct Offer {
    partition: ActorRef<Message>,
    tenant: Option<Arc<str>>,
    /// How many units of the limit at whose gate it waits it asks for.
    units: u64,
    /// Until when an agent at which it has failed leaves it to another one, where there are several nodes: a slot of that one
    /// has to be asked for.
    left_until: Option<Instant>,
    /// Since when it waits.
    since: Instant,
}

/// How long an agent leaves a task to another one.
const LEFT_FOR: Duration = Duration::from_millis(500);

/// A task and the slot it has been given. Dropped anywhere on its way to an instance, with the mailbox of a partition
/// that has ended, say, it frees the slot; only [`Grant::used`] does not.
pub(crate) struct Grant {
    pub(crate) ready: Ready,
    /// Whose slot it is.
    pub(crate) desk: DeskId,
    /// Why that one, if there was a choice.
    pub(crate) chosen: Option<Arc<str>>,
    /// On whose behalf its run runs.
    pub(crate) tenant: Option<Arc<str>>,
    /// What it was let through with, if it has waited at a gate.
    pub(crate) ticket: Option<Ticket>,
    /// What it has taken of limits: its partition's, until it ends.
    pub(crate) held: Vec<Arc<Held>>,
    /// Where the slot goes back to, until it is used.
    backlog: Option<Arc<Backlog>>,
    /// Whose task it is.
    partition: ActorRef<Message>,
}

impl Grant {
    /// The task did not get to its agent: its partition offers it again.
    pub(crate) fn failed(&self) {
        let _ended = self.partition.cast(Message::NotDelivered(self.ready.task, self.ready.token));
    }

    /// The task is in the queue of its agent: the instance that takes it frees the slot.
    pub(crate) fn used(mut self) {
        if let Some(backlog) = self.backlog.take().filter(|_| self.desk.home.is_some()) {
            backlog.filled(&self.desk);
        }
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

/// What a free slot is used for.
enum Met {
    /// A task with its slot, before it is on its way.
    Task { ready: Ready, offer: Offer, desk: DeskId, chosen: Option<Arc<str>>, passed: Passed },
    /// Another node has the more urgent task.
    Loan { to: Arc<str>, lent: Lent },
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
    /// One that tells here what is handed out of turn, and whose tasks wait at the gates of these breakers and limits.
    pub(crate) fn watched(breaches: Breaches, breakers: Breakers, limits: Limits, meters: Arc<Meters>) -> Self {
        let (gates, desks) = (Gates::of(breakers, limits), Desks::measured(meters));
        Self { inner: Mutex::new(Inner { breaches, gates, desks, ..Inner::default() }), ..Self::default() }
    }

    /// Says how other nodes are reached, once, before there is anything to do.
    pub(crate) fn join(&self, node: Arc<str>, others: Switchboard) {
        self.lock().desks.node = node;
        let _first = self.others.set(others);
    }

    #[cfg(test)]
    pub(crate) fn others(&self) -> Option<&Switchboard> {
        self.others.get()
    }

    /// Opens the desk of an agent; false if there is one of that name.
    pub(crate) fn open(&self, profile: Arc<Profile>, capabilities: Vec<Capability>) -> bool {
        self.lock().desks.open(profile, capabilities)
    }

    /// Says which breaker is that of an agent.
    pub(crate) fn guard(&self, agent: &str, breaker: Arc<Breaker>) {
        self.with(agent, |desk| desk.breaker = Some(breaker));
    }

    /// The breaker of an agent lets it have so many more tasks, or as many as it has slots for.
    pub(crate) fn allow(self: &Arc<Self>, agent: &str, allowance: Option<u32>) {
        let mut inner = self.lock();
        let Some(number) = inner.desks.number(agent) else { return };
        inner.desks.change(number, |desk| desk.allowance = allowance);
        drop(inner);
        self.serve(number);
    }

    /// A gate lets tasks through, or lets none through any more.
    pub(crate) fn lets_through(self: &Arc<Self>, gate: &str) {
        let waiting = {
            let inner = self.lock();
            let lanes = inner.queue.lanes().filter(|(_, lane)| lane.gate().is_some_and(|of| **of == *gate));
            lanes.map(|(capability, _)| capability.clone()).collect::<BTreeSet<Arc<str>>>()
        };
        self.hand_out_of(waiting);
    }

    /// A limit may have room.
    pub(crate) fn has_room(self: &Arc<Self>, limiter: &Limiter) {
        match &limiter.capability {
            Some(capability) => self.hand_out_of([capability.clone()].into()),
            None => self.lets_through(&limiter.gate),
        }
    }

    fn hand_out_of(self: &Arc<Self>, capabilities: BTreeSet<Arc<str>>) {
        if !capabilities.is_empty() {
            let capabilities: Vec<Arc<str>> = capabilities.into_iter().collect();
            self.hand_out(|inner| inner.meet(&capabilities));
            self.announce_if_needed();
        }
    }

    /// Notes that a task is under way of which this process has not heard before, until what this gives is dropped.
    pub(crate) fn adopt(&self, capability: &str, tenant: Option<&Arc<str>>) -> Option<Arc<Held>> {
        let limiter = self.lock().gates.of_capability(capability, tenant)?;
        Some(limiter.adopt())
    }

    /// The limits of this process as they stand.
    pub(crate) fn limits(&self, limits: &Limits) -> Vec<LimitInfo> {
        let mut waiting: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        let inner = self.lock();
        for (capability, lane) in inner.queue.lanes() {
            if let Some(limiter) = inner.gates.of_capability(capability, lane.share()) {
                *waiting.entry(limiter.gate.clone()).or_default() += lane.waiting();
            }
        }
        drop(inner);
        limits.list(&waiting)
    }

    /// Takes no more tasks for an agent; false if there is no such agent.
    pub(crate) fn close(&self, agent: &str) -> bool {
        self.with(agent, |desk| desk.is_open = false).is_some()
    }

    /// Takes no more tasks for any agent: the node stops.
    pub(crate) fn close_all(&self) {
        let mut inner = self.lock();
        for number in inner.desks.here() {
            inner.desks.change(number, |desk| desk.is_open = false);
        }
        drop(inner);
        self.changed.notify_waiters();
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
        DeskId { agent: agent.clone(), number, home: None }
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
        if desk.home.is_some() {
            self.give_back(desk.number);
        }
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

    /// Adds tasks, each with the tenant of its run; a partition does this only when their readiness is durable.
    pub(crate) fn offer(
        self: &Arc<Self>,
        tasks: impl IntoIterator<Item = (Ready, Option<Arc<str>>)>,
        partition: &ActorRef<Message>,
    ) {
        let (now, has_others) = (Instant::now(), self.others.get().is_some());
        let mut touched: Vec<Arc<str>> = Vec::new();
        let mut inner = self.lock();
        for (mut ready, tenant) in tasks {
            if !touched.contains(&ready.capability) {
                touched.push(ready.capability.clone());
            }
            let units = inner.gates.comes(&mut ready, tenant.as_ref());
            let left_until = ready.avoid.is_some().then(|| now + LEFT_FOR).filter(|_| has_others);
            inner.queue.push(ready, Offer { partition: partition.clone(), tenant, units, left_until, since: now });
        }
        drop(inner);
        self.hand_out(|inner| inner.meet(&touched));
        self.announce_if_needed();
    }

    /// Forgets the tasks that were offered by tenures that have ended.
    pub(crate) fn sweep(&self) {
        let mut inner = self.lock();
        inner.queue.retain(|_, offer| offer.partition.get_status() < ActorStatus::Stopping);
        inner.count_at_gates();
    }

    /// Forgets the tasks of a run, which was cancelled or paused.
    pub(crate) fn withdraw(&self, run: RunId) {
        let mut inner = self.lock();
        inner.queue.withdraw(run);
        inner.count_at_gates();
    }

    /// Forgets those tasks of a run of which `has_ended` says so, for one of them was cancelled. The others keep their places.
    pub(crate) fn withdraw_ended(&self, run: RunId, has_ended: impl Fn(TaskIndex) -> bool) {
        let mut inner = self.lock();
        inner.queue.retain(|ready, _| ready.task.run != run || !has_ended(ready.task.task));
        inner.count_at_gates();
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
            let (ready, offer, desk, chosen, passed) = match met {
                None => return,
                Some(Met::Task { ready, offer, desk, chosen, passed }) => (ready, offer, desk, chosen, passed),
                Some(Met::Loan { to, lent }) => {
                    if let Some(others) = self.others.get() {
                        others.tell(&to, Note::Lend(lent));
                    }
                    continue;
                }
            };
            let (backlog, Offer { partition, tenant, .. }) = (Some(self.clone()), offer);
            let (Passed { ticket, held }, to) = (passed, partition.clone());
            let grant = Grant { ready, desk, chosen, tenant, ticket, held, backlog, partition: to };
            if let Err(MessagingErr::SendErr(Message::HandOut(mut grant))) = partition.cast(Message::HandOut(grant)) {
                // Not by its drop, which would hand out from within, once for every task of a partition that ended.
                grant.backlog = None;
                self.put_back(&grant.desk);
                came_back.insert(grant.desk.number);
            }
        }
    }

    /// Why a task of this tenant waits for an agent.
    pub(crate) fn reason(&self, ready: &Ready, tenant: Option<&Arc<str>>) -> Cause {
        self.lock().reason(&ready.capability, &ready.requires, ready.gate.as_ref(), tenant)
    }

    /// How many come before a task of this tenant, counted up to `most`; `None` if it does not wait here any more.
    pub(crate) fn ahead_of(&self, mut ready: Ready, tenant: Option<&Arc<str>>, most: usize) -> Option<usize> {
        let inner = self.lock();
        let _units = inner.gates.stands(&mut ready, tenant);
        inner.queue.ahead_of(&ready, most)
    }

    /// Whether other nodes may be asked for slots.
    pub(crate) fn has_others(&self) -> bool {
        self.others.get().is_some()
    }

    /// The lanes in which tasks wait.
    pub(crate) fn lanes(&self) -> Vec<QueueInfo> {
        let inner = self.lock();
        let lanes = inner.queue.lanes().map(|(capability, lane)| QueueInfo {
            capability: capability.clone(),
            requires: lane.requires().clone(),
            waiting: lane.waiting(),
            reason: inner.reason(capability, lane.requires(), lane.gate(), lane.share()).to_string(),
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
        breaker: desk.breaker.as_ref().map(|breaker| breaker.state()).unwrap_or_default(),
        trouble: desk.trouble.clone(),
    }
}

/// What other nodes want, lend and give back.
impl Backlog {
    /// Another node wants slots for this, and for nothing else.
    pub(crate) fn wanted(self: &Arc<Self>, node: &Arc<str>, lanes: Vec<Wanted>) {
        let mut inner = self.lock();
        let mut free: BTreeSet<u64> = BTreeSet::new();
        lanes.iter().for_each(|lane| free.extend(inner.desks.free_here(&lane.capability)));
        inner.wants.set(node, lanes);
        drop(inner);
        free.into_iter().for_each(|number| self.serve(number));
    }

    /// Another node lends slots: they are filled now, or given back.
    pub(crate) fn borrow(self: &Arc<Self>, node: &Arc<str>, lent: Lent) {
        let number = self.lock().desks.borrow(node, lent);
        self.serve(number);
        self.give_back(number);
        self.announce_if_needed();
    }

    /// Gives back what of a desk of another node is not filled.
    fn give_back(&self, number: u64) {
        let mut inner = self.lock();
        let given = inner.desks.change(number, |desk| {
            let slots = desk.free();
            desk.seats -= slots;
            let home = desk.home.as_ref().filter(|_| slots > 0)?;
            let note = Note::Return { agent: desk.profile.id.clone(), desk: home.desk, slots: slots as u32 };
            Some((home.node.clone(), note))
        });
        drop(inner);
        if let (Some(Some((node, note))), Some(others)) = (given, self.others.get()) {
            others.tell(&node, note);
        }
    }

    /// A slot of another node is filled: the task is on its way there.
    fn filled(&self, desk: &DeskId) {
        self.at(desk, |desk| {
            desk.out = desk.out.saturating_sub(1);
            desk.seats = desk.seats.saturating_sub(1);
        });
    }

    /// Another node gives back slots, for it has nothing more for that desk.
    pub(crate) fn given_back(self: &Arc<Self>, node: &Arc<str>, desk: u64, slots: u32) {
        let mut inner = self.lock();
        let slots = inner.loans.take(node, desk, slots);
        let Inner { desks, wants, .. } = &mut *inner;
        if let Some(desk) = desks.get(desk) {
            wants.drop_for(node, |capability| desk.capabilities.contains_key(capability));
        }
        desks.change(desk, |desk| desk.out = desk.out.saturating_sub(slots as usize));
        drop(inner);
        self.serve(desk);
    }

    /// Slots were lent to a node that has not heard of it: they are lent once more.
    pub(crate) fn not_lent(self: &Arc<Self>, node: &Arc<str>, desk: u64, slots: u32) {
        let mut inner = self.lock();
        let slots = inner.loans.take(node, desk, slots);
        let Inner { desks, wants, .. } = &mut *inner;
        if let Some(desk) = desks.get(desk) {
            wants.not_lent(node, slots, desk.traits(), |capability| desk.capabilities.contains_key(capability));
        }
        desks.change(desk, |desk| desk.out = desk.out.saturating_sub(slots as usize));
        drop(inner);
        self.serve(desk);
    }

    /// A task has come for a slot that was lent; false if the desk is gone, or takes no more. A slot that was taken back meanwhile is taken
    /// once more: then the task waits for an instance.
    pub(crate) fn loan_used(&self, node: &Arc<str>, desk: u64) -> bool {
        let mut inner = self.lock();
        let was_lent = inner.loans.take(node, desk, 1) > 0;
        let taken = inner.desks.change(desk, |desk| {
            match desk.is_open {
                true => desk.out += usize::from(!was_lent),
                false => desk.out = desk.out.saturating_sub(usize::from(was_lent)),
            }
            desk.is_open
        });
        taken == Some(true)
    }

    /// Frees a slot of a desk, by its number.
    pub(crate) fn free_slot(self: &Arc<Self>, desk: u64) {
        self.lock().desks.change(desk, |desk| desk.out = desk.out.saturating_sub(1));
        self.serve(desk);
    }

    /// The nodes that have lent slots.
    pub(crate) fn lenders(&self) -> Vec<Arc<str>> {
        let nodes: BTreeSet<Arc<str>> = self.lock().desks.nodes().cloned().collect();
        nodes.into_iter().collect()
    }

    /// A node is dead: what it lent is gone, and what was lent to it is free.
    pub(crate) fn lender_is_gone(self: &Arc<Self>, node: &str) {
        let mut inner = self.lock();
        inner.desks.forget_node(node);
        inner.wants.forget_node(node);
        let ended = inner.loans.forget_node(node);
        self.take_back(inner, ended);
    }

    /// Takes back what was lent and not used, and says again what is wanted.
    pub(crate) fn refresh_loans(self: &Arc<Self>) {
        let mut inner = self.lock();
        inner.wants.forget_old();
        let ended = inner.loans.forget_old();
        self.take_back(inner, ended);
        let mut inner = self.lock();
        inner.is_looked_at = false; // or it was forgotten with the switchboard
        let lanes = inner.lanes_wanted(Instant::now()).0;
        if lanes.is_empty() && inner.announced.is_empty() {
            return;
        }
        inner.announced.set(&lanes);
        // What was left to other agents for a while may have found none.
        let free: BTreeSet<u64> = lanes.iter().flat_map(|lane| inner.desks.free_here(&lane.capability)).collect();
        drop(inner);
        free.into_iter().for_each(|number| self.serve(number));
        if let Some(others) = self.others.get() {
            others.tell_all(Note::Want { lanes });
        }
    }

    /// What was said to a node may be lost, or to this one: what was lent is taken back, for it may never have come there, or
    /// what was done with it not here; and what is wanted is said again.
    pub(crate) fn missed(self: &Arc<Self>, by: Option<&Arc<str>>) {
        let mut inner = self.lock();
        let ended = match by {
            Some(node) => inner.loans.forget_node(node),
            None => inner.loans.forget_all(),
        };
        let lanes = inner.lanes_wanted(Instant::now()).0;
        self.take_back(inner, ended);
        if let (Some(others), false) = (self.others.get(), lanes.is_empty()) {
            match by {
                Some(node) => others.tell(node, Note::Want { lanes }),
                None => others.tell_all(Note::Want { lanes }),
            }
        }
    }

    fn take_back(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>, ended: Vec<(u64, u32)>) {
        for (desk, slots) in &ended {
            inner.desks.change(*desk, |desk| desk.out = desk.out.saturating_sub(*slots as usize));
        }
        drop(inner);
        ended.into_iter().for_each(|(desk, _)| self.serve(desk));
    }

    /// Looks at what waits, as was asked for.
    pub(crate) fn look(&self) {
        self.lock().is_looked_at = false;
        self.announce_if_needed();
    }

    /// Tells the others what waits, if it is much more than they know. What an agent of this node is about to take is looked at
    /// again soon.
    fn announce_if_needed(&self) {
        let Some(others) = self.others.get() else { return };
        let mut inner = self.lock();
        if inner.queue.is_empty() {
            return;
        }
        let (lanes, is_some_left) = inner.lanes_wanted(Instant::now());
        if is_some_left && !std::mem::replace(&mut inner.is_looked_at, true) {
            others.look_in(turnover::LATELY);
        }
        if inner.announced.is_outdated_by(&lanes) {
            inner.announced.set(&lanes);
            drop(inner);
            others.tell_all(Note::Want { lanes });
        }
    }
}

impl Inner {
    fn reason(
        &self,
        capability: &str,
        requires: &Requirements,
        gate: Option<&Arc<str>>,
        share: Option<&Arc<str>>,
    ) -> Cause {
        let at_gate = self.gates.reason(gate.map(|gate| &**gate), capability, share);
        at_gate.unwrap_or_else(|| self.desks.reason(capability, requires))
    }

    /// Takes what a task needs that is handed out: of limits, and at the gate at which it has waited.
    fn pass(&mut self, ready: &Ready, offer: &Offer) -> Passed {
        let passed = self.gates.goes(ready, offer.units);
        let wrong = passed.held.iter().filter_map(|held| held.breach());
        self.breaches.report(None, wrong.map(|what| Breach::of_task(Invariant::ContractsAreKept, ready.task, what)));
        passed
    }

    /// What the first tasks ask for that wait at a gate and find an agent free: nobody of theirs goes before there is room
    /// for each of them, for what asks for much would never find it.
    fn needs(&self, is_free: impl Fn(&str, &Lane<Offer>) -> bool) -> Needs {
        let mut needs = Needs::default();
        if !self.gates.are_waited_at() {
            return needs;
        }
        for (capability, lane) in self.queue.lanes() {
            if let Some((gate, (_, offer))) = lane.gate().zip(lane.first())
                && is_free(capability, lane)
            {
                let need = needs.0.entry(gate.clone()).or_default();
                *need = offer.units.max(*need);
            }
        }
        needs
    }

    /// Counts anew who waits where.
    fn count_at_gates(&mut self) {
        let lanes = self.queue.lanes().filter_map(|(_, lane)| Some((lane.gate()?, lane.waiting())));
        self.gates.count(lanes);
    }

    /// What waits, lane by lane, but for what an agent of this node takes sooner than another could; and whether there is such.
    fn lanes_wanted(&self, now: Instant) -> (Vec<Wanted>, bool) {
        let mut is_some_left = false;
        let lanes = self.queue.lanes().filter_map(|(capability, lane)| {
            if take_soon(&self.desks, capability, lane, now) {
                is_some_left = true;
                return None;
            }
            Some(Wanted {
                capability: capability.clone(),
                requires: lane.requires().clone(),
                priority: lane.priority()?,
                waiting: {
                    let units = lane.first().map_or(1, |(_, offer)| offer.units);
                    let through = self.gates.lets_through(capability, lane, units);
                    u32::try_from(lane.waiting().min(through)).unwrap_or(u32::MAX)
                },
            })
        });
        // What waits at a gate and what does not is one want.
        let mut wanted: BTreeMap<(Arc<str>, Requirements), Wanted> = BTreeMap::new();
        for lane in lanes.filter(|lane| lane.waiting > 0) {
            match wanted.entry((lane.capability.clone(), lane.requires.clone())) {
                Entry::Vacant(free) => drop(free.insert(lane)),
                Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    known.priority = known.priority.max(lane.priority);
                    known.waiting = known.waiting.saturating_add(lane.waiting);
                }
            }
        }
        (wanted.into_values().collect(), is_some_left)
    }

    /// What the free slot of a desk is used for, if it has one.
    fn meet_at(&mut self, number: u64) -> Option<Met> {
        let desk = self.desks.get(number).filter(|desk| desk.free() > 0)?;
        let capabilities = || desk.capabilities.keys().map(|capability| &**capability);
        let (gates, traits) = (&self.gates, desk.traits());
        let is_free = |capability: &str, lane: &Lane<Offer>| {
            desk.capabilities.contains_key(capability) && lane.requires().are_met_by(traits)
        };
        let needs = self.needs(is_free);
        // A slot of another node goes back if it is not needed any more.
        let (desks, now, is_elsewhere) = (&self.desks, Instant::now(), desk.home.is_some());
        let admits = |capability: &str, lane: &Lane<Offer>| {
            lane.requires().are_met_by(traits)
                && gates.lets_through(capability, lane, needs.of(lane)) > 0
                && !(is_elsewhere && take_soon(desks, capability, lane, now))
        };
        let offers = |capability: &str| desk.capabilities.contains_key(capability);
        if desk.home.is_none()
            && let Some(next) = self.wants.next(desk.traits(), offers)
        {
            let ours = self.queue.most_urgent(capabilities(), admits);
            // Among equals they take turns, ours with each of theirs.
            let is_theirs =
                ours.is_none_or(|ours| next.priority > ours || (next.priority == ours && self.lent.is_multiple_of(2)));
            self.lent += 1;
            if is_theirs {
                let slots = next.waiting.min(u32::try_from(desk.free()).unwrap_or(u32::MAX)).min(if ours.is_some() {
                    1
                } else {
                    u32::MAX
                });
                let lent = Lent {
                    agent: desk.profile.id.clone(),
                    desk: number,
                    slots,
                    capabilities: desk.capabilities.keys().cloned().collect(),
                    traits: desk.traits().clone(),
                    load: desk.load(),
                    health: (desk.health.score(Instant::now()) * 1e6) as u64,
                };
                self.wants.lent(&next.node, slots, self.lent, desk.traits(), offers);
                self.loans.lend(&next.node, number, slots);
                self.desks.change(number, |desk| desk.out += slots as usize);
                return Some(Met::Loan { to: next.node, lent });
            }
        }
        let (ready, offer) = self.queue.pop(capabilities(), admits)?;
        let is_left = offer.left_until.is_some_and(|until| Instant::now() < until);
        if is_left && self.desks.has_better_than(number, &ready) {
            self.queue.push(ready, offer);
            return None;
        }
        let left = self.queue.most_urgent(capabilities(), admits);
        self.breaches.report(None, order::breach(&self.queue, &ready, left));
        let passed = self.pass(&ready, &offer);
        if is_elsewhere {
            self.announced.served(&ready.capability, &ready.requires);
        }
        Some(Met::Task { ready, offer, desk: self.desks.give(number)?, chosen: None, passed })
    }

    /// The next task that asks for one of these capabilities and finds an agent free.
    fn meet(&mut self, capabilities: &[Arc<str>]) -> Option<Met> {
        let needs = self.needs(|capability, lane| self.desks.has_free(capability, lane.requires()));
        let (queue, desks, gates) = (&mut self.queue, &self.desks, &self.gates);
        let admits = |capability: &str, lane: &Lane<Offer>| {
            desks.has_free(capability, lane.requires()) && gates.lets_through(capability, lane, needs.of(lane)) > 0
        };
        let capabilities = capabilities.iter().map(|capability| &**capability);
        let (ready, offer) = queue.pop(capabilities.clone(), admits)?;
        let left = queue.most_urgent(capabilities, admits);
        self.breaches.report(None, order::breach(queue, &ready, left));
        let (number, chosen) = desks.choose(&ready)?;
        let passed = self.pass(&ready, &offer);
        Some(Met::Task { ready, offer, desk: self.desks.give(number)?, chosen, passed })
    }
}

/// Whether agents of this node take all of a lane sooner than it is worth to ask others.
fn take_soon(desks: &Desks, capability: &str, lane: &Lane<Offer>, now: Instant) -> bool {
    let waited = lane.first().map_or(Duration::ZERO, |(_, offer)| now.duration_since(offer.since));
    desks.take_soon(capability, lane.requires(), lane.waiting(), waited, now)
}

/// How many units there must be at a gate before one of those who wait there goes.
#[derive(Default)]
struct Needs(BTreeMap<Arc<str>, u64>);

impl Needs {
    fn of(&self, lane: &Lane<Offer>) -> u64 {
        lane.gate().and_then(|gate| self.0.get(gate)).copied().unwrap_or(1)
    }
}
