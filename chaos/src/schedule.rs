//! When what happens: all of it is drawn from the seed before anything begins.

#[cfg(test)]
mod tests;

use crate::plan::{FaultKind, FaultPlan, Order, Plan, SKEW_MAX, Server, Target};
use crate::random::Random;
use crate::work::{Odds, Submit, Work};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Between the end of a fault and the next, when they come one by one.
pub(crate) const CALM_MS: u64 = 5_000;
/// What a fault that has no duration is taken to need, in the schedule.
const AT_ONCE_MS: u64 = 3_000;
/// By how much what is delayed comes later.
const DELAY_MS: u64 = 300;
/// Of how many creates one loses its answer.
const ONE_IN: u64 = 5;

/// What happens, and when, counted from the first submission. The same plan and seed give the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The runs, in the order of their submission.
    pub runs: Vec<Submission>,
    /// The faults, in the order of their beginning.
    pub faults: Vec<Fault>,
    /// When clients add one to the document, in milliseconds.
    pub increments_ms: Vec<u64>,
}

/// A run, and when it is submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// When, in milliseconds.
    pub at_ms: u64,
    /// What.
    pub work: Work,
}

/// A fault, and when it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When, in milliseconds.
    pub at_ms: u64,
    /// How long, in milliseconds; 0 for what is over when it is done.
    pub lasts_ms: u64,
    /// What is done.
    pub kind: FaultKind,
    /// To what.
    pub target: Target,
    /// By how much what is delayed comes later, in milliseconds.
    pub delay_ms: u64,
    /// Of how many creates one loses its answer, or of how many requests one has another answer.
    pub one_in: u64,
    /// How many runs of a flood are submitted in a second.
    pub per_second: u64,
    /// What else is drawn for it.
    pub drawn: Drawn,
}

/// What is drawn for a fault; of each kind some of it is meant, and the rest is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawn {
    /// With what a store answers.
    pub status: u16,
    /// Of a hundred keys so many are deleted at a time; of a hundred milliseconds a node may run for so many.
    pub percent: u64,
    /// How many bytes arrive in a second.
    pub bytes_per_second: u64,
    /// By how much a clock is wrong, in milliseconds: ahead, or behind.
    pub skew_ms: i64,
    /// From what is drawn whatever is drawn while it lasts.
    pub seed: u64,
}

impl Fault {
    /// What was drawn for it, in words, if anything was.
    #[must_use]
    pub fn how(&self) -> Option<String> {
        let Drawn { status, percent, bytes_per_second, skew_ms, .. } = self.drawn;
        Some(match self.kind {
            FaultKind::StoreAnswers => format!("{status} to one of {}", self.one_in),
            FaultKind::StoreFull => format!("{status} to all objects"),
            FaultKind::RedisEvict => format!("{percent} of a hundred keys at a time"),
            FaultKind::Starve => format!("it runs for {percent} of a hundred milliseconds"),
            FaultKind::Trickle => format!("{bytes_per_second} bytes a second"),
            FaultKind::ClockSkew => format!("by {} s", skew_ms / 1_000),
            FaultKind::BrokerAlarm => format!("of its {}", if self.is_of_disk() { "disk" } else { "memory" }),
            _ => return None,
        })
    }

    /// Whether it is the disk that is full, and not the memory.
    pub(crate) const fn is_of_disk(&self) -> bool {
        self.drawn.seed.is_multiple_of(2)
    }
}

/// How long a task of a flood takes, in milliseconds: so many instances do so many of them in a second, on any machine.
const FLOOD_MS: u64 = 300;
/// How many runs of a flood are submitted in a second.
const FLOOD_PER_SECOND: u64 = 100;

impl Schedule {
    /// Draws one.
    #[must_use]
    pub fn draw(plan: &Plan, seed: u64) -> Self {
        let end = millis(plan.duration);
        let (mut runs, faults) = (runs(plan, seed, end), faults(plan, seed, end));
        runs.extend(
            faults
                .iter()
                .filter(|fault| fault.kind == FaultKind::Flood)
                .flat_map(flood)
                .enumerate()
                .map(|(n, at_ms)| Submission { at_ms, work: Work::of_flood(n, FLOOD_MS) }),
        );
        runs.sort_by_key(|run| run.at_ms);
        Self {
            runs,
            faults,
            // What others have written in theirs is not ours to count in.
            increments_ms: match plan.attached {
                Some(_) => Vec::new(),
                None => moments(plan.workload.increments_per_second, end, &mut Random::of(seed, "increments")),
            },
        }
    }
}

fn runs(plan: &Plan, seed: u64, end: u64) -> Vec<Submission> {
    let work = &plan.workload;
    let odds = Odds {
        tasks_max: work.tasks_max,
        kinds: &work.kinds,
        part_ms_min: millis(work.part_min),
        part_ms_max: millis(work.part_max),
        limit_ms: work.attempt_max.map(millis),
        fails: work.fails_percent,
        crashes: work.crashes_percent,
        hangs: work.hangs_percent,
    };
    let moments = match work.runs_per_second_last {
        Some(last) => growing(work.runs_per_second, last, end),
        None => moments(work.runs_per_second, end, &mut Random::of(seed, "submissions")),
    };
    let run = |(n, at_ms)| {
        // Each run has numbers of its own: a longer plan begins with the runs of a shorter one.
        let random = &mut Random::of(seed, &format!("run {n}"));
        let mut drawn = Work::draw(format!("run-{n}"), odds, random);
        if plan.attached.is_some() {
            drawn.tasks.clear(); // they are those of the workflow
        }
        if random.percent(work.once_percent) {
            drawn.submit = Submit::Once;
        }
        if random.percent(work.cancelled_percent) {
            drawn.cancel_after_ms = Some(random.between(50, 1_500));
        }
        Submission { at_ms, work: drawn }
    };
    moments.into_iter().enumerate().map(run).collect()
}

/// The moments of its submissions.
fn flood(fault: &Fault) -> impl Iterator<Item = u64> + use<> {
    let (at, count) = (fault.at_ms, fault.per_second * fault.lasts_ms / 1_000);
    let lasts = fault.lasts_ms;
    (0..count).map(move |n| at + n * lasts / count)
}

/// So many in a second, irregularly.
fn moments(per_second: f64, end: u64, random: &mut Random) -> Vec<u64> {
    if per_second <= 0.0 {
        return Vec::new();
    }
    let mean = ((1_000.0 / per_second) as u64).max(1);
    let mut at = random.between(0, mean);
    let mut all = Vec::new();
    while at < end {
        all.push(at);
        at += random.between(mean / 2, mean + mean / 2).max(1);
    }
    all
}

/// From so many in a second to so many, evenly: by the time t it is `first · t + (last - first) · t² / (2 · end)`.
fn growing(first: f64, last: f64, end: u64) -> Vec<u64> {
    let seconds = end as f64 / 1_000.0;
    let (growth, count) = ((last - first) / (2.0 * seconds), (first + last) / 2.0 * seconds);
    // That of the two solutions that grows with n, written so that there may be no growth.
    let at = |n: f64| 2.0 * n / (first + (first * first + 4.0 * growth * n).max(0.0).sqrt());
    // Each in the middle of its share of the time.
    (0..count.round() as u64).map(|n| (at(n as f64 + 0.5) * 1_000.0) as u64).filter(|at| *at < end).collect()
}

fn faults(plan: &Plan, seed: u64, end: u64) -> Vec<Fault> {
    let mut all = Vec::new();
    for (n, of) in plan.faults.iter().enumerate() {
        let random = &mut Random::of(seed, &format!("fault {n}"));
        let Some(every) = of.every.map(millis) else {
            all.extend(of.at.map(|at| draw(of, n, millis(at), plan, random)));
            continue;
        };
        let mut at = of.at.map_or_else(|| random.between(every / 2, every), millis);
        while at < end {
            all.push(draw(of, n, at, plan, random));
            at += random.between(every / 2, every + every / 2).max(1);
        }
    }
    all.sort_by_key(|fault| fault.at_ms);
    let mut free: BTreeMap<Option<Target>, u64> = BTreeMap::new();
    for fault in &mut all {
        let (whose, calm) = match plan.order {
            Order::OneByOne => (None, CALM_MS),
            Order::Together => (Some(fault.target), 0),
        };
        let free = free.entry(whose).or_default();
        fault.at_ms = fault.at_ms.max(*free);
        let needs = if fault.lasts_ms == 0 { AT_ONCE_MS } else { fault.lasts_ms };
        *free = fault.at_ms + needs + calm;
    }
    all.retain(|fault| fault.at_ms < end);
    all.sort_by_key(|fault| fault.at_ms);
    all
}

fn draw(of: &FaultPlan, n: usize, at_ms: u64, plan: &Plan, random: &mut Random) -> Fault {
    // Drawn whether they are needed or not: a plan that names them leaves the rest as it was.
    let node = random.between(1, plan.cluster.nodes as u64) as usize;
    let server = Server::ALL[random.below(Server::ALL.len() as u64) as usize];
    let (node, server) = (of.node.unwrap_or(node), of.server.unwrap_or(server));
    Fault {
        at_ms,
        lasts_ms: of.lasts.or(of.kind.lasts()).map_or(0, millis),
        kind: of.kind,
        target: match of.kind {
            FaultKind::Command => Target::Command(n + 1),
            kind => kind.target(node, server),
        },
        delay_ms: of.by.map_or(DELAY_MS, millis),
        one_in: of.one_in.unwrap_or(ONE_IN),
        per_second: of.per_second.unwrap_or(FLOOD_PER_SECOND),
        drawn: Drawn::of(of, random),
    }
}

impl Drawn {
    /// Draws what this kind needs, and of other kinds nothing: what they draw does not change.
    fn of(fault: &FaultPlan, random: &mut Random) -> Self {
        let mut drawn = Self::default();
        match fault.kind {
            FaultKind::StoreAnswers | FaultKind::StoreFull => {
                let statuses = fault.kind.statuses();
                let status = statuses[random.below(statuses.len() as u64) as usize];
                (drawn.status, drawn.seed) = (fault.status.unwrap_or(status), random.next());
            }
            FaultKind::RedisEvict => {
                let percent = random.between(10, 60);
                (drawn.percent, drawn.seed) = (fault.percent.unwrap_or(percent), random.next());
            }
            FaultKind::Starve => {
                let percent = random.between(5, 20);
                drawn.percent = fault.percent.unwrap_or(percent);
            }
            FaultKind::Trickle => {
                let bytes = random.between(300, 4_096);
                drawn.bytes_per_second = fault.bytes_per_second.unwrap_or(bytes);
            }
            FaultKind::ClockSkew => {
                let (by, is_behind) = (random.between(60_000, millis(SKEW_MAX)), random.percent(50));
                let by = fault.by.map_or(by, millis).min(millis(SKEW_MAX)) as i64;
                drawn.skew_ms = if is_behind { -by } else { by };
            }
            FaultKind::BrokerAlarm => drawn.seed = random.next(),
            _ => {}
        }
        drawn
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
