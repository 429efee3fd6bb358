//! One limit on one node: what has been taken of it, and who may take more.

use super::actor::Order;
use super::held::Held;
use super::info::{LimitInfo, RateInfo};
use super::meter::{Meter, Reach};
use super::named::gate_of;
use super::rules::Limit;
use crate::breaker::Ticket;
use crate::query::Cause;
use crate::supervise::Slot;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use tokio::sync::Notify;
use tokio::time::Instant;

/// A limit as whoever takes of it has it.
pub(crate) struct Limiter {
    /// What it is called as a gate, and in the directory: the limit's name, and the tenant's.
    pub(crate) gate: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) tenant: Option<Arc<str>>,
    /// The capability whose tasks it limits, if it does.
    pub(crate) capability: Option<Arc<str>>,
    pub(super) limit: Limit,
    pub(super) state: Mutex<State>,
    /// How many have not ended, for whoever looks whether the count is right.
    pub(super) live: AtomicU64,
    /// Told when there may be room.
    changed: Notify,
    actor: Arc<OnceLock<Slot<Order>>>,
}

pub(super) struct State {
    /// How many are at it.
    pub(super) taken: u64,
    pub(super) meters: Vec<Meter>,
    pub(super) reach: Reach,
    /// How many at a time were leased, until when, and how many of them others are not in want of.
    pub(super) places: Places,
    /// Units of handlers that wait here and keep their slots: what is free is theirs first.
    claims: BTreeMap<u64, u64>,
    /// What was taken for tasks of the backlog, and is not in the hands of their handlers yet.
    on_the_way: BTreeMap<u64, Weak<Held>>,
    /// Counts what is taken, from a number that no other node's are near.
    next: u64,
    /// Who has come and found no room, since that was looked at.
    pub(super) short: Option<Short>,
    /// Whether the actor was told that.
    pub(super) is_looked_at: bool,
    /// Tasks of this node that wait at this gate.
    waiting: usize,
    /// Until when it leases no more places than the share that it had, for others may have theirs still: the directory is
    /// back.
    pub(super) careful: Option<(Reach, Instant)>,
    /// Counts the batches of its rates.
    pub(super) next_batch: u64,
}

/// What has found no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short {
    /// What the first of them asks for.
    pub(super) units: u64,
    /// How many they are.
    pub(super) waiting: u64,
}

/// So many at a time that are this node's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) held: u64,
    /// What is above this is not to be used again: others wait for it.
    pub(super) fair: u64,
    pub(super) until: Instant,
}

/// Whether a handler goes on.
pub(super) enum Enter {
    In(Arc<Held>),
    /// Nobody has asked the directory yet.
    Ask,
    Full,
}

impl Limiter {
    pub(super) fn new(
        (name, tenant): (Arc<str>, Option<Arc<str>>),
        capability: Option<Arc<str>>,
        limit: Limit,
        (reach, first): (Reach, u64),
        actor: Arc<OnceLock<Slot<Order>>>,
    ) -> Self {
        let now = Instant::now();
        let meters = limit.rates().map(|(what, rate)| Meter::new(what, rate, now)).collect();
        let state = State {
            taken: 0,
            meters,
            reach,
            places: Places { held: 0, fair: u64::MAX, until: now },
            claims: BTreeMap::new(),
            on_the_way: BTreeMap::new(),
            next: first,
            short: None,
            is_looked_at: false,
            waiting: 0,
            careful: None,
            next_batch: 0,
        };
        let (gate, state) = (gate_of(&name, tenant.as_deref()), Mutex::new(state));
        let (live, changed) = (AtomicU64::new(0), Notify::new());
        Self { gate, name, tenant, capability, limit, state, live, changed, actor }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses what could never go.
    pub(super) fn check(&self, units: u64) -> Result<()> {
        match self.limit.units.map(|rate| rate.most).filter(|most| units > *most) {
            None => Ok(()),
            Some(most) => {
                let name = &self.name;
                Err(Error::invalid(format!("{units} units are more than limit {name:?} ever allows at once, {most}")))
            }
        }
    }

    // For the backlog.

    /// How many of the tasks that wait may go now, where the first asks for so many units.
    pub(crate) fn lets_through(&self, units: u64, waiting: usize) -> usize {
        let now = Instant::now();
        let mut state = self.lock();
        let room = state.room_behind_claims(&self.limit, now, units);
        if room == 0 {
            self.is_short(&mut state, Short { units, waiting: waiting as u64 });
        }
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    /// Takes what a task of the backlog needs, and what its handler is to show. That there is room has just been seen.
    pub(crate) fn take(self: &Arc<Self>, units: u64) -> (Ticket, Arc<Held>) {
        let mut state = self.lock();
        let held = self.take_now(&mut state, units);
        state.on_the_way.insert(held.number, Arc::downgrade(&held));
        let gate = format!("{}/{units}", self.gate).into();
        (Ticket { gate, generation: held.number }, held)
    }

    /// Whether more are at it than it allows, of what this node has let go: told apart from how that is counted.
    pub(crate) fn breach(&self) -> Option<String> {
        let (live, most) = (self.live.load(Ordering::Acquire), self.limit.at_once?);
        // What was adopted has not been let go here.
        let counted = self.lock().taken;
        (live > most && live > counted).then(|| format!("{live} are at limit {:?}, which allows {most}", self.name))
    }

    /// Notes one that is at it already: nobody has to let it.
    pub(crate) fn adopt(self: &Arc<Self>) -> Arc<Held> {
        let mut state = self.lock();
        state.taken += 1;
        state.number(self, 0)
    }

    /// How many tasks of the backlog wait here.
    pub(crate) fn waits(&self, waiting: usize) {
        self.lock().waiting = waiting;
    }

    /// Why nothing goes; `None` if something does.
    pub(crate) fn reason(&self, units: u64, now: Instant) -> Option<Cause> {
        let mut state = self.lock();
        if state.room_behind_claims(&self.limit, now, units) > 0 {
            return None;
        }
        let reached = state.why(&self.limit, now, units);
        Some(Cause::Limit { name: self.name.clone(), tenant: self.tenant.clone(), reached })
    }

    // For handlers.

    /// Lets a handler go on, or not. Whoever has waited in the backlog has a ticket; whoever has not goes behind them, unless
    /// it has a claim.
    pub(super) fn enter(self: &Arc<Self>, ticket: Option<&Ticket>, units: u64, claim: Option<&Claim>) -> Enter {
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(held) = ticket.and_then(|ticket| state.redeem(self, ticket, units)) {
            return Enter::In(held);
        }
        let is_polite = claim.is_none() && (state.waiting > 0 || !state.claims.is_empty());
        if !is_polite && state.room(&self.limit, now, units) > 0 {
            return Enter::In(self.take_now(&mut state, units));
        }
        let asks = !is_polite && state.reach == Reach::Leased;
        let waiting = state.claims.len() as u64 + 1;
        if !is_polite {
            self.is_short(&mut state, Short { units, waiting });
        }
        if asks { Enter::Ask } else { Enter::Full }
    }

    /// Keeps what becomes free for a handler that can not be parked.
    pub(super) fn claim(self: &Arc<Self>, units: u64) -> Claim {
        let mut state = self.lock();
        state.next += 1;
        let number = state.next;
        state.claims.insert(number, units);
        Claim { limiter: self.clone(), number }
    }

    /// Waits until there may be room.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn notified(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    pub(super) fn tell_all(&self) {
        self.changed.notify_waiters();
    }

    // What both do.

    fn take_now(self: &Arc<Self>, state: &mut State, units: u64) -> Arc<Held> {
        let now = Instant::now();
        state.taken += 1;
        state.meters.iter_mut().for_each(|meter| meter.take(now, units));
        state.number(self, units)
    }

    /// One of those that were taken has ended.
    pub(super) fn free(&self, number: u64) {
        let mut state = self.lock();
        state.taken = state.taken.saturating_sub(1);
        state.on_the_way.remove(&number);
        let somebody_waits = state.short.is_some() || !state.claims.is_empty() || state.waiting > 0;
        if self.limit.at_once.is_some() && somebody_waits {
            self.order(Order::Freed(self.gate.clone()));
        }
    }

    fn is_short(&self, state: &mut State, short: Short) {
        let known = state.short.replace(short);
        if let (Some(known), Some(now)) = (known, &mut state.short) {
            now.waiting = now.waiting.max(known.waiting);
        }
        // Who asks for something else may go at another time.
        let is_known = state.is_looked_at && known.is_some_and(|known| known.units == short.units);
        // Without an actor it is looked at when there is one again.
        state.is_looked_at = is_known || self.order(Order::Look(self.gate.clone()));
    }

    fn order(&self, order: Order) -> bool {
        self.actor.get().and_then(Slot::current).is_some_and(|actor| actor.cast(order).is_ok())
    }

    pub(super) fn info(&self, waiting: usize) -> LimitInfo {
        let now = Instant::now();
        let mut state = self.lock();
        let rates = state.meters.iter_mut().map(|meter| RateInfo {
            what: meter.what.as_str(),
            most: meter.rate.most,
            per: meter.rate.per,
            went: meter.went(now),
        });
        LimitInfo {
            rates: rates.collect(),
            name: self.name.clone(),
            tenant: self.tenant.clone(),
            capability: self.capability.clone(),
            at_once: self.limit.at_once,
            taken: state.taken,
            waiting: waiting.max(state.waiting),
            nodes: match state.reach {
                Reach::Away { nodes } => Some(nodes),
                Reach::Alone | Reach::Leased => None,
            },
        }
    }

    /// Whether nothing of it is in use, so that it may be forgotten.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let went = state.meters.iter_mut().any(|meter| meter.went(now) > 0 || !meter.batches.is_empty());
        state.taken == 0 && state.waiting == 0 && state.claims.is_empty() && state.places.held == 0 && !went
    }
}

impl State {
    /// How often `units` may go now.
    fn room(&mut self, limit: &Limit, now: Instant, units: u64) -> u64 {
        let reach = self.reach;
        let places = limit.at_once.map_or(u64::MAX, |most| self.places(most, now).saturating_sub(self.taken));
        let meters = self.meters.iter_mut().map(|meter| meter.room(reach, now, units));
        meters.fold(places, u64::min)
    }

    /// How many may be at it, on this node.
    fn places(&self, most: u64, now: Instant) -> u64 {
        match self.reach {
            Reach::Leased if self.places.until <= now => 0,
            Reach::Leased => self.places.held.min(self.places.fair),
            reach => reach.share(most),
        }
    }

    pub(super) fn has_no_place(&self, limit: &Limit, now: Instant) -> bool {
        limit.at_once.is_some_and(|most| self.places(most, now) <= self.taken)
    }

    fn room_behind_claims(&mut self, limit: &Limit, now: Instant, units: u64) -> u64 {
        if self.claims.is_empty() {
            return self.room(limit, now, units);
        }
        let first: u64 = self.claims.values().sum();
        let free = limit.at_once.map_or(u64::MAX, |most| self.places(most, now).saturating_sub(self.taken));
        let fits = free > self.claims.len() as u64 && self.room(limit, now, units.saturating_add(first)) > 0;
        u64::from(fits)
    }

    fn number(&mut self, limiter: &Arc<Limiter>, units: u64) -> Arc<Held> {
        self.next += 1;
        Held::new(limiter.clone(), self.next, units)
    }

    /// What was taken for the task of a handler, which has it from now on. A ticket of another node has been paid for there,
    /// and counts there until the attempt ends; here it counts too, for that node may die.
    fn redeem(&mut self, limiter: &Arc<Limiter>, ticket: &Ticket, units: u64) -> Option<Arc<Held>> {
        let is_ours = ticket.generation >> 32 == self.next >> 32;
        if !is_ours {
            self.taken += 1;
            return Some(self.number(limiter, units));
        }
        let held = self.on_the_way.remove(&ticket.generation)?.upgrade()?;
        (held.units >= units).then_some(held)
    }

    /// What keeps `units` from going, in words.
    fn why(&mut self, limit: &Limit, now: Instant, units: u64) -> String {
        let shared = match self.reach {
            Reach::Alone => "",
            Reach::Leased => ", shared by all nodes",
            Reach::Away { .. } => ", shared by all nodes, and the directory is away",
        };
        if let Some(most) = limit.at_once
            && self.places(most, now) <= self.taken
        {
            return format!("{} of {most} at a time{shared}", self.taken);
        }
        let reach = self.reach;
        let full = self.meters.iter_mut().find_map(|meter| (meter.room(reach, now, units) == 0).then_some(meter));
        let Some(meter) = full else { return format!("what is free is for those who came first{shared}") };
        let (went, next) = (meter.went(now), meter.next(reach, now, units).saturating_duration_since(now));
        let (most, what, per) = (meter.rate.most, meter.what.as_str(), meter.rate.per);
        match reach {
            Reach::Leased => format!("{most} {what} in {per:?}{shared}, of which {went} went here"),
            _ => format!("{went} of {most} {what} in {per:?}{shared}; {units} more in {next:.1?}"),
        }
    }
}

/// What is free is for this handler first, until this is dropped.
pub(super) struct Claim {
    limiter: Arc<Limiter>,
    number: u64,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = self.limiter.lock();
        state.claims.remove(&self.number);
        if state.waiting > 0 || state.short.is_some() {
            self.limiter.order(Order::Freed(self.limiter.gate.clone()));
        }
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Limiter").field(&self.gate).finish()
    }
}
