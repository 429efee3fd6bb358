//! The desks of a process, and which of them is chosen for a task.
//!
//! Every desk has a number that no other ever has, so that what an agent leaves behind (a grant on its way, an instance
//! that is stuck) does not count for another agent of the same id that comes after it. Those that have a free slot are
//! kept in the order in which they are chosen: to find one costs no more among a thousand than among two, unless tasks
//! require what most of them lack.

use super::desk::{Desk, FULL, Home};
use super::turnover::Turnover;
use crate::cluster::note::Lent;
use crate::query::Cause;
use crate::registry::profile::{Capability, Profile};
use crate::telemetry::{Meters, Utilization};
use callboard_core::{Ready, Requirements, closest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The desk of one agent, which may have gone since.
#[derive(Clone, Debug)]
pub(crate) struct DeskId {
    pub(crate) agent: Arc<str>,
    pub(super) number: u64,
    /// Where it is, if that is another node.
    pub(crate) home: Option<Home>,
}

/// All desks.
#[derive(Default)]
pub(super) struct Desks {
    /// By their numbers.
    desks: BTreeMap<u64, Desk>,
    /// The number of the desk of each agent of this process.
    numbers: BTreeMap<Arc<str>, u64>,
    /// The number of each desk of another node that slots were lent of, by the node and its number there.
    elsewhere: BTreeMap<(Arc<str>, u64), u64>,
    /// By capability; never empty inside.
    offering: BTreeMap<Arc<str>, Offering>,
    /// The node that this is, if there are several.
    pub(super) node: Arc<str>,
    /// Counts desks and grants, so that it is known who had one longest ago.
    turn: u64,
    /// Who is told how busy they are, if anybody.
    meters: Option<Arc<Meters>>,
}

/// The desks that offer one capability.
struct Offering {
    all: BTreeSet<u64>,
    /// Those with a free slot.
    free: BTreeSet<Place>,
    /// Of this process.
    slots: Slots,
    turnover: Turnover,
    told: Utilization,
}

/// The slots of desks of this process.
#[derive(Clone, Copy, Default, PartialEq)]
struct Slots {
    taken: usize,
    all: usize,
}

impl Slots {
    fn of(desk: &Desk) -> Self {
        match desk.home {
            None => Self { taken: desk.out.min(desk.seats), all: desk.seats },
            Some(_) => Self::default(),
        }
    }
}

impl Offering {
    fn new(told: Utilization) -> Self {
        Self {
            all: BTreeSet::new(),
            free: BTreeSet::new(),
            slots: Slots::default(),
            turnover: Turnover::default(),
            told,
        }
    }

    /// A desk had these slots, and has those.
    fn changed(&mut self, from: Slots, to: Slots) {
        if to.taken < from.taken {
            self.turnover.freed(Instant::now());
        }
        self.slots.taken = (self.slots.taken + to.taken).saturating_sub(from.taken);
        self.slots.all = (self.slots.all + to.all).saturating_sub(from.all);
        self.told.is(self.slots.taken, self.slots.all);
    }
}

/// In which order free desks are chosen, but for what speaks against one: their load, their last turn, their number.
type Place = (u64, u64, u64);

impl Desks {
    /// None, which will tell these how busy they are.
    pub(super) fn measured(meters: Arc<Meters>) -> Self {
        Self { meters: Some(meters), ..Self::default() }
    }

    /// Adds a desk; false if the agent has one.
    pub(super) fn open(&mut self, profile: Arc<Profile>, capabilities: Vec<Capability>) -> bool {
        if self.numbers.contains_key(&profile.id) {
            return false;
        }
        self.turn += 1;
        let (number, agent) = (self.turn, profile.id.clone());
        self.desks.insert(number, Desk::new(profile, None, Instant::now()));
        self.numbers.insert(agent, number);
        self.retrain(number, |offered| {
            offered.extend(capabilities.into_iter().map(|capability| (capability.name.clone(), capability)));
        });
        true
    }

    pub(super) fn remove(&mut self, agent: &str) {
        if let Some(number) = self.numbers.remove(agent) {
            self.clear_away(number);
        }
    }

    fn clear_away(&mut self, number: u64) {
        self.retrain(number, BTreeMap::clear);
        self.desks.remove(&number);
    }

    /// The desk of another node, with the slots that it has lent.
    pub(super) fn borrow(&mut self, node: &Arc<str>, lent: Lent) -> u64 {
        let Lent { agent, desk, slots, capabilities, traits, load, health } = lent;
        let key = (node.clone(), desk);
        let number = match self.elsewhere.get(&key) {
            Some(number) => *number,
            None => {
                self.turn += 1;
                let profile = Arc::new(Profile { id: agent, traits, ..Profile::default() });
                let home = Home { node: node.clone(), desk, load };
                self.desks.insert(self.turn, Desk::new(profile, Some(home), Instant::now()));
                self.elsewhere.insert(key, self.turn);
                self.turn
            }
        };
        self.change(number, |desk| {
            desk.seats += slots as usize;
            desk.health.is_now(health as f64 / FULL as f64, Instant::now());
            if let Some(home) = &mut desk.home {
                home.load = load;
            }
        });
        let known = self.desks.get(&number).map_or(0, |desk| desk.capabilities.len());
        if known != capabilities.len()
            || self
                .desks
                .get(&number)
                .is_some_and(|desk| !capabilities.iter().all(|c| desk.capabilities.contains_key(c)))
        {
            self.retrain(number, |offered| {
                offered.clear();
                offered.extend(capabilities.into_iter().map(|name| (name.clone(), Capability::new(name))));
            });
        }
        number
    }

    /// Forgets the desks of another node.
    pub(super) fn forget_node(&mut self, node: &str) {
        let gone: Vec<(Arc<str>, u64)> = self.elsewhere.keys().filter(|(home, _)| **home == *node).cloned().collect();
        for key in gone {
            if let Some(number) = self.elsewhere.remove(&key) {
                self.clear_away(number);
            }
        }
    }

    /// The nodes of which desks are known.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Arc<str>> {
        self.elsewhere.keys().map(|(node, _)| node)
    }

    /// The desks of this process with a free slot that offer a capability.
    pub(super) fn free_here(&self, capability: &str) -> Vec<u64> {
        let free = self.offering.get(capability).into_iter().flat_map(|offering| &offering.free);
        let numbers = free.map(|(.., number)| *number);
        numbers.filter(|number| self.desks.get(number).is_some_and(|desk| desk.home.is_none())).collect()
    }

    pub(super) fn number(&self, agent: &str) -> Option<u64> {
        self.numbers.get(agent).copied()
    }

    pub(super) fn of(&self, agent: &str) -> Option<&Desk> {
        self.desks.get(&self.number(agent)?)
    }

    pub(super) fn get(&self, number: u64) -> Option<&Desk> {
        self.desks.get(&number)
    }

    /// The numbers of the desks of this process.
    pub(super) fn here(&self) -> Vec<u64> {
        self.numbers.values().copied().collect()
    }

    /// By the ids of their agents.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Desk> {
        self.numbers.values().filter_map(|number| self.desks.get(number))
    }

    /// Changes a desk; not what it offers.
    pub(super) fn change<R>(&mut self, number: u64, change: impl FnOnce(&mut Desk) -> R) -> Option<R> {
        let desk = self.desks.get_mut(&number)?;
        let (before, had) = (place(desk, number), Slots::of(desk));
        let result = change(desk);
        let (after, has) = (place(desk, number), Slots::of(desk));
        if before != after || had != has {
            for capability in desk.capabilities.keys() {
                if let Some(offering) = self.offering.get_mut(capability) {
                    before.map(|before| offering.free.remove(&before));
                    after.map(|after| offering.free.insert(after));
                    offering.changed(had, has);
                }
            }
        }
        Some(result)
    }

    /// Changes what a desk offers.
    pub(super) fn retrain(&mut self, number: u64, change: impl FnOnce(&mut BTreeMap<Arc<str>, Capability>)) {
        let Some(desk) = self.desks.get_mut(&number) else { return };
        let (place, slots) = (place(desk, number), Slots::of(desk));
        for capability in desk.capabilities.keys() {
            if let Some(offering) = self.offering.get_mut(capability) {
                offering.all.remove(&number);
                place.map(|place| offering.free.remove(&place));
                offering.changed(slots, Slots::default());
                if offering.all.is_empty() {
                    self.offering.remove(capability);
                }
            }
        }
        change(&mut desk.capabilities);
        for capability in desk.capabilities.keys() {
            let meters = self.meters.as_ref();
            let told = || Offering::new(meters.map_or_else(Utilization::noop, |meters| meters.utilization(capability)));
            let offering = self.offering.entry(capability.clone()).or_insert_with(told);
            offering.all.insert(number);
            place.map(|place| offering.free.insert(place));
            offering.changed(Slots::default(), slots);
        }
    }

    /// Takes a slot of a desk for a task.
    pub(super) fn give(&mut self, number: u64) -> Option<DeskId> {
        self.turn += 1;
        let turn = self.turn;
        self.change(number, |desk| {
            desk.out += 1;
            desk.allowance = desk.allowance.map(|allowance| allowance.saturating_sub(1));
            desk.chosen_at = turn;
            DeskId { agent: desk.profile.id.clone(), number, home: desk.home.clone() }
        })
    }

    /// Those with a free slot that may do such tasks, in the order of their places.
    fn free<'a>(
        &'a self,
        capability: &str,
        requires: &'a Requirements,
    ) -> impl Iterator<Item = (u64, &'a Desk)> + use<'a> {
        let places = self.offering.get(capability).into_iter().flat_map(|offering| &offering.free);
        let desks = places.filter_map(|&(.., number)| Some((number, self.desks.get(&number)?)));
        desks.filter(|(_, desk)| requires.are_met_by(desk.traits()))
    }

    /// Whether a task has failed at a desk, and another one that is known may do it.
    pub(super) fn has_better_than(&self, number: u64, ready: &Ready) -> bool {
        let failed_at = |desk: &Desk| ready.avoid.as_ref().is_some_and(|failed| desk.is_of(failed, &self.node));
        if !self.desks.get(&number).is_some_and(failed_at) {
            return false;
        }
        let all = self.offering.get(&ready.capability).into_iter().flat_map(|offering| &offering.all);
        let mut others = all.filter(|other| **other != number).filter_map(|other| self.desks.get(other));
        others.any(|desk| desk.admits(&ready.requires) && (desk.home.is_some() || desk.seats > 0))
    }

    /// Whether agents of this process take so many tasks sooner than it is worth to ask others, of which the first has waited
    /// for so long.
    pub(super) fn take_soon(
        &self,
        capability: &str,
        requires: &Requirements,
        waiting: usize,
        waited: Duration,
        now: Instant,
    ) -> bool {
        let Some(offering) = self.offering.get(capability) else { return false };
        let mut desks = offering.all.iter().filter_map(|number| self.desks.get(number));
        offering.turnover.takes_soon(waiting, waited, now)
            && desks.any(|desk| desk.home.is_none() && desk.seats > 0 && desk.admits(requires))
    }

    /// Whether there is one.
    pub(super) fn has_free(&self, capability: &str, requires: &Requirements) -> bool {
        self.free(capability, requires).next().is_some()
    }

    /// The desk for a task, among those that have a free slot, and why it is that one.
    pub(super) fn choose(&self, ready: &Ready) -> Option<(u64, Option<Arc<str>>)> {
        let now = Instant::now();
        let (mut first, mut second): (Option<(Rank, u64)>, Option<Rank>) = (None, None);
        for (number, desk) in self.free(&ready.capability, &ready.requires) {
            let rank = rank(ready, desk, &self.node, now);
            match first {
                Some((best, _)) if best <= rank => second = Some(second.map_or(rank, |second| second.min(rank))),
                _ => second = first.replace((rank, number)).map(|(best, _)| best),
            }
            if second.is_some_and(|(failed_there, is_unhealthy, ..)| !failed_there && !is_unhealthy) {
                break; // the places of the others are behind theirs
            }
        }
        let (first, number) = first?;
        let reason = second.map(|second| why(first, second, &self.count_free(ready)).into());
        Some((number, reason))
    }

    /// How many desks with a free slot there are for a task.
    fn count_free(&self, ready: &Ready) -> String {
        if ready.requires.is_empty() {
            return self.offering.get(&ready.capability).map_or(0, |offering| offering.free.len()).to_string();
        }
        match self.free(&ready.capability, &ready.requires).take(COUNTED_MAX + 1).count() {
            count if count > COUNTED_MAX => format!("more than {COUNTED_MAX}"),
            count => count.to_string(),
        }
    }

    /// What is known of a capability, by each agent that offers it.
    pub(super) fn capability(&self, name: &str) -> Vec<Capability> {
        let agents = self.offering.get(name).into_iter().flat_map(|offering| &offering.all);
        let desks = agents.filter_map(|number| self.desks.get(number)).filter(|desk| desk.home.is_none());
        desks.filter_map(|desk| desk.capabilities.get(name).cloned()).collect()
    }

    /// Why tasks of this kind wait.
    pub(super) fn reason(&self, capability: &str, requires: &Requirements) -> Cause {
        let Some(offering) = self.offering.get(capability) else {
            let closest = closest(capability, self.offering.keys().map(|name| &**name)).map(str::to_owned);
            return Cause::NoAgent { capability: capability.into(), closest };
        };
        let all = offering.all.iter().filter_map(|number| self.desks.get(number));
        let (mut desks, elsewhere): (Vec<&Desk>, Vec<&Desk>) = all.partition(|desk| desk.home.is_none());
        if elsewhere.iter().any(|desk| desk.admits(requires)) {
            return Cause::SlotsAsked;
        }
        desks.sort_by(|a, b| a.profile.id.cmp(&b.profile.id));
        let admitting: Vec<&Desk> = desks.iter().copied().filter(|desk| desk.admits(requires)).collect();
        if admitting.is_empty() {
            return unmet(capability, requires, &desks);
        }
        let now = Instant::now();
        let barred = |desk: &&&Desk| desk.seats > desk.out && desk.free() == 0;
        let of_breaker = |desk: &&Desk| desk.breaker.as_ref().and_then(|breaker| breaker.reason(now));
        if let Some(reason) = admitting.iter().filter(barred).find_map(of_breaker) {
            return reason;
        }
        let (of, out) = admitting.iter().fold((0, 0), |(seats, out), desk| (seats + desk.seats, out + desk.out));
        if of == 0 {
            return Cause::NoInstance { trouble: admitting.iter().find_map(|desk| desk.trouble.clone()) };
        }
        Cause::Slots { taken: out.min(of), of }
    }
}

fn place(desk: &Desk, number: u64) -> Option<Place> {
    (desk.free() > 0).then(|| (desk.load(), desk.chosen_at, number))
}

fn unmet(capability: &str, requires: &Requirements, desks: &[&Desk]) -> Cause {
    let lacks = desks.iter().map(|desk| match requires.iter().find_map(|r| r.unmet(desk.traits())) {
        Some(unmet) => format!("{}: {unmet}", desk.profile.id),
        None => format!("{} is being drained", desk.profile.id),
    });
    let more = desks.len().saturating_sub(REASONS_MAX);
    Cause::Unmet { capability: capability.into(), lacks: lacks.take(REASONS_MAX).collect(), more }
}

/// Agents that a reason names at most.
const REASONS_MAX: usize = 8;
/// Free agents that are counted at most where each must be looked at.
const COUNTED_MAX: usize = 8;

/// In which order agents are chosen: whether the task failed there, whether it is unhealthy, its load, its last turn.
type Rank = (bool, bool, u64, u64);

/// An agent that does worse than this is chosen last.
const HEALTHY: f64 = 0.5;

fn rank(ready: &Ready, desk: &Desk, here: &str, now: Instant) -> Rank {
    let failed_there = ready.avoid.as_ref().is_some_and(|failed| desk.is_of(failed, here));
    (failed_there, desk.health.score(now) < HEALTHY, desk.load(), desk.chosen_at)
}

/// What told the first from the second of `free` agents.
fn why(first: Rank, second: Rank, free: &str) -> String {
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
