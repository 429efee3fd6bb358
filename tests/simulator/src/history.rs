//! One history: everything that follows from a seed.

use crate::copies::Copies;
use crate::deeds::Deeds;
use crate::log::Log;
use crate::plan::{Plan, Trouble};
use crate::process::{Condition, Make, Process};
use crate::random::Random;
use crate::world::World;
use callboard::port::bus::fault::Cut;
use callboard::testing::audit::audit;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Time passes in windows of this length: processes live one after the other within each, so their clocks are never
/// further apart than that, but for what is ordered.
const WINDOW: Duration = Duration::from_millis(5);
/// How often it is looked whether something is to be done to the processes.
const LOOK: u32 = 4;
/// Nobody has anything for longer than that without saying so again.
const EXPIRY: Duration = Duration::from_secs(60);
/// No history needs so long behind its last trouble.
const PATIENCE: Duration = Duration::from_secs(300);
/// The first of January 2026, midnight in Greenwich, in milliseconds since 1970.
const BEGINNING_MS: i64 = 1_767_225_600_000;

/// What a history was like.
#[derive(Debug)]
pub struct Report {
    /// The hash of everything that happened between processes.
    pub hash: blake3::Hash,
    /// How many lines that were.
    pub lines: u64,
    /// How much time passed in it.
    pub simulated: Duration,
    /// How often each trouble was made.
    pub troubles: BTreeMap<Trouble, usize>,
    /// How often the ports had each fault, by chance and by order: `store LoseAnswer` and the like.
    pub faults: BTreeMap<String, u64>,
    /// How many lives of processes there were.
    pub lives: usize,
    /// How many runs there were.
    pub runs: usize,
    /// How often the code of a step or an effect ran.
    pub bodies: u64,
    /// How many approvals were answered and came to a handler, and how many were answered before they were seen to be open.
    pub answers: (u64, u64),
    /// What must not be.
    pub breaches: Vec<String>,
}

/// Plays the history of a seed; prints what happens if `is_shown`.
#[must_use]
pub fn play(seed: u64, is_shown: bool) -> Report {
    let mut random = Random(seed);
    let plan = Plan::draw(&mut random);
    Stage::new(plan, random, Log::new(is_shown)).play()
}

fn count(faults: &mut BTreeMap<String, u64>, port: &str, kind: &impl Debug, times: u64) {
    *faults.entry(format!("{port} {kind:?}")).or_default() += times;
}

/// A place for a process: one, or the time at which the next begins.
enum Place {
    Taken { process: Box<Process>, is_spoilt: bool },
    Free { until: Duration },
}

/// Who looks after a matter: the life of a process, and what it does.
type Customer = Option<(String, Option<JoinHandle<()>>)>;

struct Stage {
    plan: Plan,
    random: Random,
    log: Log,
    world: World,
    deeds: Deeds,
    places: Vec<Place>,
    customers: Vec<Customer>,
    at: Duration,
    lives: usize,
    next_trouble: usize,
    trouble_at: Duration,
    /// When a process that something was done to is itself again.
    mends: Vec<(Duration, String)>,
    copies: Copies,
    next_copy: usize,
    copier: Customer,
    is_calm: bool,
    done: BTreeMap<Trouble, usize>,
    faults: BTreeMap<String, u64>,
    /// What processes have seen that must not be.
    breaches: Vec<String>,
}

impl Stage {
    fn new(plan: Plan, mut random: Random, log: Log) -> Self {
        let world = World::new(plan.latency_ms, random.any(), log.clone());
        let places = plan.makes.iter().map(|_| Place::Free { until: Duration::ZERO }).collect();
        let customers = plan.matters.iter().map(|_| None).collect();
        let deeds = Deeds::new(log.clone());
        let trouble_at = plan.troubles.first().map_or(Duration::ZERO, |(after, _)| *after);
        Self {
            plan,
            random,
            log,
            world,
            deeds,
            places,
            customers,
            at: Duration::ZERO,
            lives: 0,
            next_trouble: 0,
            trouble_at,
            mends: Vec::new(),
            copies: Copies::default(),
            next_copy: 0,
            copier: None,
            is_calm: false,
            done: BTreeMap::new(),
            faults: BTreeMap::new(),
            breaches: Vec::new(),
        }
    }

    fn play(mut self) -> Report {
        let mut breaches = Vec::new();
        let mut patience = PATIENCE;
        while !(self.is_calm && self.plan.matters.iter().all(|(_, matter)| matter.findings().are_done())) {
            for _ in 0..LOOK {
                self.pass();
            }
            self.tend();
            if self.is_calm {
                patience = patience.saturating_sub(WINDOW * LOOK);
                if patience.is_zero() {
                    let open = self.plan.matters.iter().filter(|(_, matter)| !matter.findings().are_done());
                    breaches.extend(open.map(|(_, matter)| format!("it does not end: {}", matter.status())));
                    break;
                }
            }
        }
        breaches.extend(self.end());
        breaches.extend(self.audit());
        breaches.extend(self.copied());
        breaches.extend(self.leftovers());
        breaches.append(&mut self.breaches);
        breaches.extend(self.world.store.breaches());
        breaches.extend(self.plan.matters.iter().flat_map(|(_, matter)| matter.findings().breaches()));
        breaches.extend(self.deeds.breaches());
        let (hash, lines) = self.log.hash();
        Report {
            hash,
            lines,
            simulated: self.at,
            troubles: self.done,
            faults: self.faults,
            lives: self.lives,
            runs: self.plan.runs,
            bodies: self.deeds.bodies(),
            answers: self.deeds.answers(),
            breaches,
        }
    }

    /// Lets a window of time pass.
    fn pass(&mut self) {
        self.at += WINDOW;
        self.log.is_at(self.at.as_millis() as u64);
        self.world.play(self.at);
        for place in &mut self.places {
            if let Place::Taken { process, .. } = place {
                process.play(self.at);
            }
        }
    }

    /// Starts, breaks and mends processes, and has matters looked after.
    fn tend(&mut self) {
        self.bury();
        self.start();
        self.spoil_all();
        if !self.is_calm {
            self.mend();
            self.trouble();
        }
        self.copy();
        self.attend();
    }

    /// Has some process copy the name space, when that is due.
    fn copy(&mut self) {
        // One after the other: a copy is sound when it is finished and nobody makes the next.
        if self.plan.copies.get(self.next_copy).is_none_or(|at| *at > self.at) || self.is_busy(&self.copier) {
            return;
        }
        self.next_copy += 1;
        let up: Vec<&Process> = self.processes().filter(|process| process.condition() == Condition::Up).collect();
        if let Some(process) = up.get(self.next_copy % up.len().max(1)) {
            let (copies, settings) = (self.copies.clone(), self.plan.makes[0].settings.clone());
            let source = Arc::new(process.remote.clone());
            let copier = (process.name.clone(), process.spawn(async move { copies.add(source, &settings).await }));
            self.log.note(|| format!("{} copies", process.name));
            self.copier = Some(copier);
        }
    }

    /// What is wrong with the copies, when nobody writes any more.
    fn copied(&self) -> Vec<String> {
        if self.plan.copies.is_empty() {
            return Vec::new();
        }
        let (source, settings) = (Arc::new(self.world.store.clone()), &self.plan.makes[0].settings);
        let end = self.world.now(self.copies.end(source, settings));
        let breaches = end.unwrap_or_else(|error| vec![format!("{error:#}")]);
        breaches.into_iter().map(|breach| format!("copies: {breach}")).collect()
    }

    /// Processes that have ended leave their places.
    fn bury(&mut self) {
        for n in 0..self.places.len() {
            let Place::Taken { process, .. } = &self.places[n] else { continue };
            if let Condition::Ended(why) = process.condition() {
                let name = self.vacate(n);
                self.log.note(|| format!("{name} has ended: {why}"));
            }
        }
    }

    fn vacate(&mut self, n: usize) -> String {
        let until = self.at + self.random.millis(1_000);
        match std::mem::replace(&mut self.places[n], Place::Free { until }) {
            Place::Taken { process, .. } => {
                let breaches = process.board().map(|board| board.breaches()).unwrap_or_default();
                self.breaches.extend(breaches.iter().map(ToString::to_string));
                let ports = &process.remote;
                let of_store = ports.store.injected_by_kind();
                of_store.iter().for_each(|(kind, times)| count(&mut self.faults, "store", kind, *times));
                let of_bus = ports.bus.faults().injected_by_kind();
                of_bus.iter().for_each(|(kind, times)| count(&mut self.faults, "bus", kind, *times));
                let of_directory = ports.directory.faults().injected_by_kind();
                of_directory.iter().for_each(|(kind, times)| count(&mut self.faults, "directory", kind, *times));
                process.crash()
            }
            Place::Free { .. } => String::new(),
        }
    }

    fn start(&mut self) {
        for n in 0..self.places.len() {
            let is_due = matches!(self.places[n], Place::Free { until } if until <= self.at);
            if !is_due {
                continue;
            }
            self.lives += 1;
            let name = format!("p{n}.{}", self.lives);
            let skew = self.plan.skew_ms;
            let skew = if skew == 0 { 0 } else { (self.random.any() % (2 * skew as u64)) as i64 - skew };
            let wall_ms = BEGINNING_MS + self.at.as_millis() as i64 + skew;
            self.log.note(|| format!("{name} starts"));
            let make: Make = self.plan.makes[n].clone();
            let chance = &mut self.random;
            let process = Process::start(&self.world, self.at, name, &make, &self.deeds, chance, wall_ms);
            // A start that fails is an end, so it has a chance to come through as a rule.
            let is_spoilt = chance.once_in(5);
            self.places[n] = Place::Taken { process: Box::new(process), is_spoilt: false };
            if is_spoilt {
                self.spoil(n);
            }
        }
    }

    /// Has the ports of a process that is up do what they do by chance.
    fn spoil_all(&mut self) {
        for n in 0..self.places.len() {
            if matches!(&self.places[n], Place::Taken { process, is_spoilt: false } if process.condition() == Condition::Up)
            {
                self.spoil(n);
            }
        }
    }

    fn spoil(&mut self, n: usize) {
        let Place::Taken { process, is_spoilt } = &mut self.places[n] else { return };
        *is_spoilt = true;
        if self.is_calm {
            return;
        }
        if let Some(odds) = self.plan.store {
            process.remote.store.random(self.random.any(), odds);
        }
        if let Some(odds) = self.plan.bus {
            process.remote.bus.faults().random(self.random.any(), odds);
        }
        if let Some(odds) = self.plan.directory {
            process.remote.directory.faults().random(self.random.any(), odds);
        }
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        self.places.iter().filter_map(|place| match place {
            Place::Taken { process, .. } => Some(&**process),
            Place::Free { .. } => None,
        })
    }

    fn mend(&mut self) {
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.mends).into_iter().partition(|(at, _)| *at <= self.at);
        self.mends = later;
        for (_, name) in due {
            if let Some(process) = self.processes().find(|process| process.name == name) {
                process.heal(&self.world);
                process.remote.store.calm();
                if let Some(odds) = self.plan.store {
                    process.remote.store.random(self.at.as_micros() as u64, odds);
                }
                let store = process.remote.store.clone();
                process.remote.link().leave(async move {
                    let _many = store.release_all().await;
                });
                self.log.note(|| format!("{name} is mended"));
            }
        }
    }

    /// Makes trouble, when it is due; behind the last of it there is none any more.
    fn trouble(&mut self) {
        if self.at < self.trouble_at {
            return;
        }
        let Some((_, trouble)) = self.plan.troubles.get(self.next_trouble).copied() else {
            return self.calm();
        };
        self.next_trouble += 1;
        self.trouble_at = match self.plan.troubles.get(self.next_trouble) {
            Some((after, _)) => self.at + *after,
            None => self.at + self.random.millis(3_000),
        };
        let n = self.random.below(self.places.len());
        let for_long = self.at + Duration::from_millis(50) + self.random.millis(4_000);
        let Place::Taken { process, .. } = &mut self.places[n] else { return };
        *self.done.entry(trouble).or_default() += 1;
        let name = process.name.clone();
        self.log.note(|| format!("{trouble:?} {name}"));
        let (world, remote) = (&self.world, &process.remote);
        let mut is_mended = true;
        match trouble {
            Trouble::Stop => process.stop(),
            Trouble::Suspend => process.suspend(for_long),
            Trouble::CutSending => world.now(async { remote.bus.cut(Cut::Sending) }),
            Trouble::CutReceiving => world.now(async { remote.bus.cut(Cut::Receiving) }),
            Trouble::CutBus => world.now(async { remote.bus.cut(Cut::Both) }),
            Trouble::CutDirectory => world.now(async { remote.directory.cut() }),
            Trouble::HangStore => process.hang_store(),
            Trouble::RefuseStore => process.refuse_store(),
            Trouble::FillDisk => remote.store.fill_disk(),
            Trouble::WipeBus => world.now(async { remote.bus.wipe() }),
            Trouble::WipeDirectory => world.now(async { remote.directory.wipe() }),
            Trouble::ForgetLeases => drop(world.now(async { remote.directory.forget_leases("*") })),
            Trouble::Crash | Trouble::Blackout => is_mended = false,
        }
        match trouble {
            Trouble::Crash => drop(self.vacate(n)),
            Trouble::Blackout => (0..self.places.len()).for_each(|n| drop(self.vacate(n))),
            _ if is_mended => self.mends.push((for_long, name)),
            _ => {}
        }
    }

    /// From now on nothing goes wrong.
    fn calm(&mut self) {
        self.log.note(|| "calm".to_owned());
        self.is_calm = true;
        for place in &mut self.places {
            if let Place::Taken { process, .. } = place {
                process.wake();
                process.calm(&self.world);
            }
        }
    }

    /// Has every matter that is due looked after by some process that is up.
    fn attend(&mut self) {
        for n in 0..self.plan.matters.len() {
            let (due, matter) = &self.plan.matters[n];
            if *due > self.at || matter.findings().are_done() || self.is_busy(&self.customers[n]) {
                continue;
            }
            let (matter, deeds) = (matter.clone(), self.deeds.clone());
            let up: Vec<&Process> = self
                .processes()
                .filter(|process| !process.is_suspended() && process.condition() == Condition::Up)
                .collect();
            if up.is_empty() {
                return;
            }
            let chosen = self.random.clone().below(up.len());
            let process = up[chosen];
            let Some(board) = process.board() else { return };
            let customer = (process.name.clone(), process.spawn(matter.look_after(board, deeds)));
            self.customers[n] = Some(customer);
            self.random.any();
        }
    }

    /// Whether somebody is at it, in a process that lives.
    fn is_busy(&self, customer: &Customer) -> bool {
        let Some((name, task)) = customer else { return false };
        let is_alive = self.processes().any(|process| process.name == *name);
        is_alive && task.as_ref().is_some_and(|task| !task.is_finished())
    }

    /// Holds every journal, from its first event on, against what is left of it.
    fn audit(&self) -> Vec<String> {
        let partitions = self.plan.makes[0].settings.partitions;
        let (now, ever) = (Arc::new(self.world.store.clone()), Arc::new(self.world.store.ever()));
        let audits = (0..partitions).map(|n| match self.world.now(audit(now.clone(), ever.clone(), "default", n)) {
            Ok(breaches) => breaches.iter().map(|breach| format!("partition {n}: {breach}")).collect(),
            Err(error) => vec![error],
        });
        audits.flatten().collect()
    }

    /// What is left when all have gone and what they had for a time has expired.
    fn leftovers(&mut self) -> Vec<String> {
        self.world.play(self.at + EXPIRY);
        let queues = self.world.bus.queues().into_iter().map(|queue| format!("queue {queue}"));
        let known = self.world.now(async { self.world.directory.live() });
        queues.chain(known).map(|what| format!("{what} is left behind")).collect()
    }

    /// Has every process end in order.
    fn end(&mut self) -> Vec<String> {
        // Who is not up yet has nobody left to join.
        let starting = (0..self.places.len()).filter(
            |n| matches!(&self.places[*n], Place::Taken { process, .. } if process.condition() == Condition::Starts),
        );
        let starting: Vec<usize> = starting.collect();
        starting.into_iter().for_each(|n| drop(self.vacate(n)));
        let mut windows = 0;
        let mut stopped = std::collections::BTreeSet::new();
        while self.processes().any(|process| !matches!(process.condition(), Condition::Ended(_))) {
            let up: Vec<&Process> = self.processes().filter(|process| process.condition() == Condition::Up).collect();
            for process in up {
                if stopped.insert(process.name.clone()) {
                    process.stop();
                }
            }
            self.pass();
            windows += 1;
            if windows > 12_000 {
                let stuck = self.processes().filter(|process| !matches!(process.condition(), Condition::Ended(_)));
                return stuck.map(|process| format!("{} does not end", process.name)).collect();
            }
        }
        (0..self.places.len()).for_each(|n| drop(self.vacate(n)));
        Vec::new()
    }
}
