//! How much was done, and how soon; and what a plan of load asks for.

use super::{Breach, Found};
use crate::check::service::MIB;
use crate::history::{Call, Did, History, Memory, Moment, Op, Outcome};
use crate::work::FLOOD;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How long memory is looked at before it is said whether it grows: what is kept of ended runs fills it first.
const GROWS_FROM: Moment = 240_000_000;

/// How much was done, and how soon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Runs that were submitted in a second, over the duration of the plan.
    pub offered: f64,
    /// Results that handlers said in a second, over the same time.
    pub done: f64,
    /// How many tasks were under way at the same time at the most.
    pub at_once: usize,
    /// Of submissions and probes, those that failed or are unknown; without those of a flood.
    pub errors_percent: f64,
    /// Runs of a flood that were refused.
    pub refused: usize,
    /// From the first submission of a run to its last result, in milliseconds: of half of them at most that.
    pub p50_ms: u64,
    /// Of 99 in a hundred.
    pub p99_ms: u64,
    /// The memory of the node that grew most.
    pub memory: Option<Growth>,
}

/// What memory a node has, in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// Which node, from 1.
    pub node: usize,
    /// The median of the second quarter of the time.
    pub before: u64,
    /// The median of the last.
    pub after: u64,
    /// The most at any time.
    pub most: u64,
}

impl Growth {
    fn percent(self) -> f64 {
        100.0 * (self.after as f64 - self.before as f64) / self.before.max(1) as f64
    }
}

impl Figures {
    /// Counts.
    #[must_use]
    pub fn of(history: &History) -> Self {
        let seconds = history.head.plan.duration.as_secs_f64();
        let submitted = first_starts(history);
        let (errors, calls) = errors(history);
        let took = took(history, &submitted);
        let until = history.head.at + history.head.plan.duration.as_micros() as Moment;
        let said = history.ledger.iter().filter(|line| matches!(line.did, Did::Said { .. }) && line.at < until);
        let is_refused = |call: &&Call| is_of_flood(call) && call.outcome == Outcome::Failed;
        let growth = growth(history).into_iter();
        Self {
            offered: submitted.len() as f64 / seconds,
            done: said.count() as f64 / seconds,
            at_once: at_once(history),
            errors_percent: 100.0 * errors.len() as f64 / calls.max(1) as f64,
            refused: history.calls.iter().filter(is_refused).count(),
            p50_ms: percentile(&took, 50) / 1_000,
            p99_ms: percentile(&took, 99) / 1_000,
            memory: growth.max_by(|one, other| one.percent().total_cmp(&other.percent())),
        }
    }
}

fn is_of_flood(call: &Call) -> bool {
    call.op == Op::Start && call.run.starts_with(FLOOD)
}

/// When each run was submitted for the first time.
fn first_starts(history: &History) -> BTreeMap<&str, Moment> {
    let mut first: BTreeMap<&str, Moment> = BTreeMap::new();
    for call in history.calls.iter().filter(|call| call.op == Op::Start) {
        let at = first.entry(&call.run).or_insert(call.begin);
        *at = (*at).min(call.begin);
    }
    first
}

/// How long it took from there to the last result of each, ascending.
fn took(history: &History, submitted: &BTreeMap<&str, Moment>) -> Vec<Moment> {
    let mut last: BTreeMap<&str, Moment> = BTreeMap::new();
    for line in history.ledger.iter().filter(|line| matches!(line.did, Did::Said { .. })) {
        last.insert(&line.run, line.at);
    }
    let took = last.into_iter().filter_map(|(run, at)| Some(at.saturating_sub(*submitted.get(run)?)));
    let mut took: Vec<Moment> = took.collect();
    took.sort_unstable();
    took
}

/// Of what is ascending, the smallest that so many of a hundred do not exceed; 0 of nothing.
fn percentile(ascending: &[Moment], percent: usize) -> Moment {
    let rank = (ascending.len() * percent).div_ceil(100);
    ascending.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// Tasks that had begun and had not yet said their result, however often they had begun.
fn at_once(history: &History) -> usize {
    let (mut open, mut most) = (BTreeSet::new(), 0);
    for line in &history.ledger {
        match line.did {
            Did::Began { .. } => drop(open.insert((&*line.run, &*line.task))),
            Did::Said { .. } => drop(open.remove(&(&*line.run, &*line.task))),
            _ => {}
        }
        most = most.max(open.len());
    }
    most
}

/// Submissions and probes that were not answered well, of how many.
fn errors(history: &History) -> (Vec<&Call>, usize) {
    let calls = history.calls.iter().filter(|call| matches!(call.op, Op::Start | Op::Probe) && !is_of_flood(call));
    let calls: Vec<&Call> = calls.collect();
    let count = calls.len();
    (calls.into_iter().filter(|call| call.outcome != Outcome::Ok).collect(), count)
}

/// How the memory of each node grew while work was submitted.
fn growth(history: &History) -> Vec<Growth> {
    let (from, lasts) = (history.head.at, history.head.plan.duration.as_micros() as Moment);
    let mut nodes: BTreeMap<usize, Vec<&Memory>> = BTreeMap::new();
    for seen in &history.memory {
        nodes.entry(seen.node).or_default().push(seen);
    }
    let of = |(node, seen): (usize, Vec<&Memory>)| {
        let median = |quarter: u64| {
            let within = from + lasts * quarter / 4..from + lasts * (quarter + 1) / 4;
            let mut bytes: Vec<u64> =
                seen.iter().filter(|seen| within.contains(&seen.at)).map(|seen| seen.bytes / MIB).collect();
            bytes.sort_unstable();
            (!bytes.is_empty()).then(|| percentile(&bytes, 50))
        };
        let most = seen.iter().map(|seen| seen.bytes / MIB).max()?;
        Some(Growth { node, before: median(1)?, after: median(3)?, most })
    };
    nodes.into_iter().filter_map(of).collect()
}

/// The checks that a plan asks for, with what they have found.
pub(super) fn limits(history: &History) -> Vec<(&'static str, &'static str, Found)> {
    let limits = &history.head.plan.limits;
    let errors = limits.errors_percent.map(|percent| {
        let what = "Nearly every submission and probe is answered well, as the plan says.";
        ("errors", what, too_many_errors(history, percent))
    });
    let memory = limits.memory_growth_percent.map(|percent| {
        let what = "The memory of a node does not grow, but for what the plan allows.";
        ("memory-flat", what, too_much_growth(history, percent))
    });
    errors.into_iter().chain(memory).collect()
}

fn too_many_errors(history: &History, percent: f64) -> Found {
    let (errors, calls) = errors(history);
    let (count, is) = (errors.len(), 100.0 * errors.len() as f64 / calls.max(1) as f64);
    let mut found = Found { looked_at: calls, ..Found::default() };
    if is > percent {
        let facts = super::Facts::of(history);
        let evidence = errors.iter().take(super::SHOWN).map(|call| facts.tell_call(call)).collect();
        let what =
            format!("{count} of {calls} submissions and probes were not answered well: {is:.2} % of {percent:.2} %");
        found.breaches.push(Breach { what, evidence });
    }
    found
}

fn too_much_growth(history: &History, percent: f64) -> Found {
    let mut found = Found::default();
    if (history.head.plan.duration.as_micros() as Moment) < GROWS_FROM {
        return found;
    }
    for of in growth(history) {
        found.looked_at += 1;
        if of.percent() > percent {
            let Growth { node, before, after, .. } = of;
            let what = format!("node {node} has grown from {before} MiB to {after} MiB, by more than {percent:.0} %");
            found.breach(what, Vec::new());
        }
    }
    found
}
