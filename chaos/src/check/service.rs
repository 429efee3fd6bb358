//! How well the cluster served while things were done to it.

use super::{Breach, Facts, Found, Verdict};
use crate::history::{Felt, History, Memory, Moment, Op, Outcome};
use crate::plan::FaultKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes.
pub(crate) const MIB: u64 = 1 << 20;

/// How well the cluster served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// The windows, a probe each, in the order of their beginning.
    pub windows: Vec<Window>,
    /// The share of good windows, in percent; 100 without any.
    pub availability_percent: f64,
    /// How long each fault was felt, in the order of their beginning.
    pub recoveries: Vec<Recovery>,
    /// Results that handlers said in each second.
    pub results_per_second: Vec<usize>,
}

/// A second with its probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// When it begins, in seconds.
    pub at: f64,
    /// How long its probe took, in seconds.
    pub took: f64,
    /// Whether the probe was done within its limit.
    pub is_good: bool,
}

/// How long a fault was felt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// The fault.
    pub fault: String,
    /// When it began, in seconds.
    pub begin: f64,
    /// When everything was in its place again, in seconds.
    pub end: f64,
    /// How long it took from then, or from the kill of a node, until a probe that begins is good and the next one is, too, in
    /// seconds; nothing if that never came.
    pub recovery: Option<f64>,
    /// What went wrong with the fault itself.
    pub error: Option<String>,
    /// Whether nothing can be said of anybody by it, for it was not done.
    #[serde(default)]
    pub is_untried: bool,
    /// What was drawn for it, or what the commands that did it have written, and how they ended.
    #[serde(default)]
    pub said: Vec<String>,
}

impl Service {
    /// Measures it.
    #[must_use]
    pub fn of(history: &History) -> Self {
        let limit = history.head.plan.limits.probe.as_micros() as Moment;
        let mut probes: Vec<_> = history.calls.iter().filter(|call| call.op == Op::Probe).collect();
        probes.sort_by_key(|call| call.begin);
        let good: Vec<(Moment, Moment, bool)> = probes
            .iter()
            .map(|call| (call.begin, call.end, call.outcome == Outcome::Ok && call.end - call.begin <= limit))
            .collect();
        let count = good.iter().filter(|(.., is_good)| *is_good).count();
        let availability_percent = if good.is_empty() { 100.0 } else { 100.0 * count as f64 / good.len() as f64 };
        let windows = good.iter().map(|(begin, end, is_good)| Window {
            at: history.seconds(*begin),
            took: (end - begin) as f64 / 1e6,
            is_good: *is_good,
        });
        let mut faults: Vec<&Felt> = history.faults.iter().collect();
        faults.sort_by_key(|felt| felt.begin);
        let recoveries = faults.iter().map(|felt| recovery(history, felt, &good)).collect();
        let windows = windows.collect();
        Self { windows, availability_percent, recoveries, results_per_second: results(history) }
    }
}

fn recovery(history: &History, felt: &Felt, probes: &[(Moment, Moment, bool)]) -> Recovery {
    // A killed node is gone at once; when it is back is no matter.
    let from = if felt.kind == FaultKind::NodeKill { felt.begin } else { felt.end };
    let behind = &probes[probes.partition_point(|(begin, ..)| *begin < from)..];
    let good = behind
        .iter()
        .enumerate()
        .find(|(n, (.., is_good))| *is_good && behind.get(n + 1).is_none_or(|(.., is_good)| *is_good));
    Recovery {
        fault: history.head.plan.called(felt.kind, felt.target),
        begin: history.seconds(felt.begin),
        end: history.seconds(felt.end),
        recovery: good.map(|(_, (_, end, _))| end.saturating_sub(from) as f64 / 1e6),
        error: felt.error.clone(),
        is_untried: felt.is_untried(),
        said: felt.said.clone(),
    }
}

fn results(history: &History) -> Vec<usize> {
    let mut seconds = Vec::new();
    for line in history.ledger.iter().filter(|line| matches!(line.did, crate::history::Did::Said { .. })) {
        let second = history.seconds(line.at).max(0.0) as usize;
        if seconds.len() <= second {
            seconds.resize(second + 1, 0);
        }
        seconds[second] += 1;
    }
    seconds
}

/// No node takes more memory than the plan allows.
pub(super) fn memory(facts: &Facts<'_>) -> Found {
    let (history, mib) = (facts.history, facts.history.head.plan.limits.memory_mib);
    let mut found = Found { looked_at: history.memory.len(), ..Found::default() };
    let mut most: BTreeMap<usize, &Memory> = BTreeMap::new();
    for seen in &history.memory {
        let most = most.entry(seen.node).or_insert(seen);
        if seen.bytes > most.bytes {
            *most = seen;
        }
    }
    for seen in most.into_values().filter(|seen| seen.bytes > mib * MIB) {
        let (node, is, at) = (seen.node, seen.bytes / MIB, history.seconds(seen.at));
        found.breach(format!("node {node} has {is} MiB at {at:.1} s, of {mib} MiB"), Vec::new());
    }
    found
}

/// For how many seconds of what this fault was felt something else was being done: that is not held against it.
fn others(recoveries: &[Recovery], n: usize) -> f64 {
    let of = &recoveries[n];
    let Some(took) = of.recovery else { return 0.0 };
    let (mut at, until) = (of.end, of.end + took);
    let mut others = 0.0;
    // They come in the order of their beginning, so what is counted once lies before `at`.
    for other in recoveries.iter().enumerate().filter(|(other, _)| *other != n).map(|(_, other)| other) {
        let (begin, end) = (other.begin.max(at), other.end.min(until));
        others += (end - begin).max(0.0);
        at = at.max(end);
    }
    others
}

/// What the plan asks for beside the promises.
pub(super) fn limits(history: &History) -> Vec<Verdict> {
    let (service, limits) = (Service::of(history), &history.head.plan.limits);
    let mut slow = Vec::new();
    for (n, of) in service.recoveries.iter().enumerate() {
        let longest = limits.recovery.as_secs_f64() + others(&service.recoveries, n);
        let what = match (of.recovery, &of.error) {
            _ if of.is_untried => continue,
            (_, Some(error)) => format!("{} at {:.1} s could not be done: {error}", of.fault, of.begin),
            (None, _) => format!("{} at {:.1} s: no two good probes in a row behind it", of.fault, of.begin),
            (Some(took), _) if took > longest => {
                format!("{} at {:.1} s was felt for {took:.1} s behind its end, of {longest:.1} s", of.fault, of.begin)
            }
            _ => continue,
        };
        slow.push(Breach { what, evidence: Vec::new() });
    }
    let mut short = Vec::new();
    if service.availability_percent < limits.availability_percent {
        let (is, wanted) = (service.availability_percent, limits.availability_percent);
        short.push(Breach {
            what: format!("{is:.1} % of the windows are good, of {wanted:.1} %"),
            evidence: Vec::new(),
        });
    }
    let verdict = |check: &str, promise: &str, looked_at, breaches: Vec<Breach>| Verdict {
        check: check.to_owned(),
        promise: promise.to_owned(),
        looked_at,
        breached: breaches.len(),
        breaches,
    };
    vec![
        verdict(
            "recovery",
            "No fault is felt for longer than its limit behind its end.",
            service.recoveries.len(),
            slow,
        ),
        verdict("availability", "The share of good windows is what the plan asks for.", service.windows.len(), short),
    ]
}
