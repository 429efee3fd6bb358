//! Whether a history keeps what Callboard promises.
//!
//! Nothing here knows how Callboard works: it reads what clients were told, what handlers have done, and what the cluster says
//! at the end, and holds that against the promises.

pub(crate) mod documents;
mod figures;
mod runs;
mod service;
mod tasks;
#[cfg(test)]
mod tests;

pub use figures::{Figures, Growth};
pub use service::{Recovery, Service, Window};

use crate::history::{Did, History, Line, Op, Outcome};
use crate::plan::FaultKind;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How many breaches of a check are shown with what led to them; all are counted.
const SHOWN: usize = 10;

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The check.
    pub check: String,
    /// What must hold.
    pub promise: String,
    /// How many things it has looked at: a check of nothing proves nothing.
    pub looked_at: usize,
    /// How often that does not hold.
    pub breached: usize,
    /// The first of these.
    pub breaches: Vec<Breach>,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// What is wrong, in a sentence.
    pub what: String,
    /// The part of the history that shows it, a line each.
    pub evidence: Vec<String>,
}

/// What a check has found.
#[derive(Debug, Default)]
struct Found {
    looked_at: usize,
    breaches: Vec<Breach>,
}

impl Found {
    fn breach(&mut self, what: String, evidence: Vec<String>) {
        self.breaches.push(Breach { what, evidence });
    }
}

type Check = (&'static str, &'static str, fn(&Facts<'_>) -> Found);

/// All of them.
const CHECKS: [Check; 21] = [
    (
        "ends",
        "Every run that was accepted ends once faults have ended, and completes unless it was cancelled.",
        runs::ends,
    ),
    ("failed-means-never", "What a caller was told has failed has never happened.", runs::failed_means_never),
    (
        "cancelled-stops",
        "No result counts that was said after a run was cancelled, and nothing of it begins any more.",
        runs::cancelled_stops,
    ),
    ("one-result", "A task has one accepted result: everybody who needs it sees the same.", tasks::one_result),
    ("holder", "No result counts of an attempt that another had followed before it was said.", tasks::holder),
    ("order", "No task begins before those that it needs have said their results.", tasks::order),
    ("steps", "A recorded step is never run again, and everybody is given its value.", tasks::steps),
    ("signals", "What a task was told, and the teller that it was, is heard.", tasks::signals),
    ("approvals", "Of what a task is answered one answer is acknowledged, and that is heard.", tasks::approvals),
    ("effects", "What must not be repeated blindly is asked for once, or under one key.", tasks::effects),
    ("budgets", "No run makes more calls than its budget has room for.", runs::budgets),
    (
        "linearizable",
        "Nobody sees less of the document that counts than was there, and what is written comes behind that.",
        documents::linearizable,
    ),
    ("counter", "The document counts each acknowledged increment once, and none that has failed.", documents::counter),
    ("lock", "Holders of a lock do not overlap in effect.", documents::lock),
    ("refused", "What is too much is refused in words, and at once.", runs::refused),
    ("priorities", "Of a flood the urgent is done first.", runs::priorities),
    ("dead", "What can not be read ends in agent.dead, and nothing else does.", dead),
    ("memory", "No node takes more memory than the plan allows.", service::memory),
    ("invariants", "No node finds an invariant of its own broken.", invariants),
    ("journal", "The journals have no gap and no fork, and all that they name is there.", journal),
    ("left-behind", "When all is over, nothing is left.", left_behind),
];

/// What can be held against a cluster that the suite has not built: the others need the ledger that its own handlers write, or to
/// see nodes and servers.
const FROM_OUTSIDE: [&str; 5] = ["ends", "failed-means-never", "one-result", "order", "refused"];

/// A history with what is looked up in it.
struct Facts<'a> {
    history: &'a History,
    /// The places in the ledger of each task, by run and task.
    lines: BTreeMap<(&'a str, &'a str), Vec<usize>>,
    /// The runs that a client knows to be accepted.
    acknowledged: BTreeSet<&'a str>,
}

impl<'a> Facts<'a> {
    fn of(history: &'a History) -> Self {
        let mut lines: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (at, line) in history.ledger.iter().enumerate() {
            lines.entry((&*line.run, &*line.task)).or_default().push(at);
        }
        let starts = history.calls.iter().filter(|call| call.op == Op::Start && call.outcome == Outcome::Ok);
        Self { history, lines, acknowledged: starts.map(|call| &*call.run).collect() }
    }

    /// What was done for a task, in order.
    fn of_task(&self, run: &'a str, task: &'a str) -> impl Iterator<Item = (usize, &'a Line)> + '_ {
        let places = self.lines.get(&(run, task)).into_iter().flatten();
        places.map(|at| (*at, &self.history.ledger[*at]))
    }

    /// A line of the ledger as people read it.
    fn tell(&self, at: usize) -> String {
        let line = &self.history.ledger[at];
        let did = match &line.did {
            Did::Began { attempt, inputs } if inputs.is_empty() => format!("begins, attempt {attempt}"),
            Did::Began { attempt, inputs } => {
                let inputs: Vec<String> = inputs.iter().map(|(task, mark)| format!("{task} = {mark}")).collect();
                format!("begins, attempt {attempt}, with {}", inputs.join(", "))
            }
            Did::Executed { step, value } => format!("runs {step}: {value}"),
            Did::Given { step, value } => format!("is given {step}: {value}"),
            Did::Tries { document } => format!("is about to write {document}"),
            Did::Wrote { document, version } => {
                let version = version.map(|version| format!(", version {version}")).unwrap_or_default();
                format!("has written {document}{version}")
            }
            Did::Performed { contract, key, value } => {
                let contract = format!("{contract:?}").to_lowercase();
                format!("has a {contract} effect under {key}: {value}")
            }
            Did::Heard { value } => format!("hears {value:?}"),
            Did::Said { mark } => format!("says {mark}"),
        };
        let Line { node, run, task, life, .. } = line;
        format!("{:9.3} s  node {node}  {run}/{task} ({life}) {did}", self.history.seconds(line.at))
    }

    /// A call as people read it.
    fn tell_call(&self, call: &crate::history::Call) -> String {
        let seconds = |at| self.history.seconds(at);
        let (op, outcome) = (format!("{:?}", call.op).to_lowercase(), format!("{:?}", call.outcome).to_lowercase());
        let told = call.signal.as_ref().map(|(task, value)| format!(" {task} {value:?}")).unwrap_or_default();
        let saw = call.seen.map(|seen| format!(" version {}", seen.version)).unwrap_or_default();
        let error = call.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        format!(
            "{:9.3} s  client  {op} {}{told}, answered at {:.3} s: {outcome}{saw}{error}",
            seconds(call.begin),
            call.run,
            seconds(call.end)
        )
    }
}

/// Holds a history against every promise.
#[must_use]
pub fn all(history: &History) -> Vec<Verdict> {
    let facts = Facts::of(history);
    let can_be_seen = |check: &&Check| !history.is_attached() || FROM_OUTSIDE.contains(&check.0);
    let verdicts = CHECKS.iter().filter(can_be_seen).map(|(check, promise, of)| verdict(check, promise, of(&facts)));
    let of_plan = figures::limits(history).into_iter().map(|(check, promise, found)| verdict(check, promise, found));
    verdicts.chain(service::limits(history)).chain(of_plan).collect()
}

fn verdict(check: &str, promise: &str, mut found: Found) -> Verdict {
    let breached = found.breaches.len();
    found.breaches.truncate(SHOWN);
    let Found { looked_at, breaches } = found;
    Verdict { check: check.to_owned(), promise: promise.to_owned(), looked_at, breached, breaches }
}

fn dead(facts: &Facts<'_>) -> Found {
    let (is, faults) = (facts.history.end.dead, &facts.history.faults);
    let poisoned: u64 = faults.iter().map(|felt| felt.published).sum();
    // What was wiped with its queue is nowhere.
    let least = if faults.iter().any(|felt| felt.kind == FaultKind::BrokerWipe) { 0 } else { poisoned };
    let mut found = Found { looked_at: poisoned as usize, ..Found::default() };
    if !(least..=poisoned).contains(&is) {
        let what = format!("{is} messages are in agent.dead, and {poisoned} were published that nobody can read");
        found.breach(what, Vec::new());
    }
    found
}

fn invariants(facts: &Facts<'_>) -> Found {
    let mut found = Found { looked_at: facts.history.head.plan.cluster.nodes, ..Found::default() };
    for line in &facts.history.end.broken {
        found.breach(line.clone(), Vec::new());
    }
    found
}

fn journal(facts: &Facts<'_>) -> Found {
    let mut found = Found { looked_at: facts.history.end.objects as usize, ..Found::default() };
    for fault in &facts.history.end.journal {
        found.breach(fault.clone(), Vec::new());
    }
    found
}

fn left_behind(facts: &Facts<'_>) -> Found {
    let mut found = Found { looked_at: 1, ..Found::default() };
    for left in &facts.history.end.left {
        found.breach(left.clone(), Vec::new());
    }
    found
}
