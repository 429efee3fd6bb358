//! What must hold of runs.

use super::{Facts, Found};
use crate::history::{Call, Did, Felt, Line, Moment, NOT_TOLD, Op, Outcome, RunEnd};
use crate::plan::{FaultKind, Target};
use crate::work::{BUDGET_CALLS, FLOOD, FLOOD_TASK, SPEND, is_urgent};
use std::collections::BTreeMap;

/// How a run can have ended.
pub(super) const ENDED: [&str; 3] = ["completed", "failed", "cancelled"];
/// Within what whoever is too much is to be told so: half of what a caller waits for.
const PATIENCE: Moment = 10_000_000;
/// How long after a cancellation a handler that was on its way may still begin: a lease and a bit.
const LATE: Moment = 8_000_000;
/// The same for one on a node that has become deaf: what goes round must have been missed, twice in a row on a machine that is busy.
const DEAF: Moment = 20_000_000;

pub(super) fn ends(facts: &Facts<'_>) -> Found {
    let mut found = Found::default();
    let ends: BTreeMap<&str, &RunEnd> = facts.history.runs.iter().map(|run| (&*run.run, run)).collect();
    let lost = facts.acknowledged.iter().filter(|run| ends.get(*run).is_none_or(|end| end.status.is_none()));
    for run in lost {
        found.breach(format!("{run} was acknowledged and is not there at the end"), told(facts, run));
    }
    for (run, end) in ends {
        let Some(status) = &end.status else { continue };
        if status == NOT_TOLD && !facts.acknowledged.contains(run) {
            continue; // nobody knows whether it is there
        }
        found.looked_at += 1;
        let is_cancelled = calls(facts, run).any(|call| call.op == Op::Cancel && call.outcome != Outcome::Failed);
        let what = match status.as_str() {
            "completed" => continue,
            "cancelled" | "failed" if is_cancelled => continue,
            NOT_TOLD => format!("{run} was acknowledged, and nobody says at the end how it stands"),
            status if !ENDED.contains(&status) => format!("{run} was accepted and is {status} at the end"),
            status => format!("{run} is {status}, and nobody has cancelled it"),
        };
        let open = end.tasks.iter().filter(|task| task.status != "completed");
        let open = open.map(|task| format!("{run}/{} is {}", task.task, task.status));
        found.breach(what, told(facts, run).into_iter().chain(open).collect());
    }
    found
}

/// What was asked of a run, and answered well.
fn told(facts: &Facts<'_>, run: &str) -> Vec<String> {
    calls(facts, run).filter(|call| call.outcome == Outcome::Ok).map(|call| facts.tell_call(call)).collect()
}

pub(super) fn failed_means_never(facts: &Facts<'_>) -> Found {
    let mut found = Found::default();
    let mut starts: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in facts.history.calls.iter().filter(|call| call.op == Op::Start) {
        starts.entry(&call.run).or_default().push(call);
    }
    for (run, calls) in starts {
        if calls.iter().any(|call| call.outcome != Outcome::Failed) {
            continue;
        }
        found.looked_at += 1;
        let told = || calls.iter().map(|call| facts.tell_call(call));
        let done = facts.history.ledger.iter().position(|line| line.run == run);
        if let Some(at) = done {
            found.breach(
                format!("the start of {run} has failed, and it was worked on"),
                told().chain([facts.tell(at)]).collect(),
            );
        }
        let status = facts.history.runs.iter().find(|end| end.run == run).and_then(|end| end.status.as_ref());
        if let Some(status) = status.filter(|status| *status != NOT_TOLD) {
            found.breach(format!("the start of {run} has failed, and it is {status} at the end"), told().collect());
        }
    }
    found
}

pub(super) fn cancelled_stops(facts: &Facts<'_>) -> Found {
    let mut found = Found::default();
    let history = facts.history;
    for call in history.calls.iter().filter(|call| call.op == Op::Cancel && call.outcome == Outcome::Ok) {
        found.looked_at += 1;
        let Some(end) = history.runs.iter().find(|end| end.run == call.run) else { continue };
        for task in &end.tasks {
            let lines = || facts.of_task(&end.run, &task.task);
            let accepted = lines().find(|(_, line)| match &line.did {
                Did::Said { mark } => task.mark.as_ref() == Some(mark),
                _ => false,
            });
            if let Some((at, line)) = accepted.filter(|(_, line)| line.at > call.end) {
                let what = format!("{}/{} has a result that was said after the run was cancelled", end.run, line.task);
                found.breach(what, vec![facts.tell_call(call), facts.tell(at)]);
            }
            for (at, line) in lines().filter(|(_, line)| matches!(line.did, Did::Began { .. })) {
                if line.at > call.end + LATE && !is_excused(&history.faults, line.node, line.at) {
                    let what = format!("{}/{} has begun long after the run was cancelled", end.run, line.task);
                    found.breach(what, vec![facts.tell_call(call), facts.tell(at)]);
                }
            }
        }
    }
    found
}

pub(super) fn refused(facts: &Facts<'_>) -> Found {
    let mut found = Found::default();
    let of_flood = |call: &&Call| call.op == Op::Start && call.run.starts_with(FLOOD);
    let mut told = 0;
    for call in facts.history.calls.iter().filter(of_flood) {
        found.looked_at += 1;
        let what = match call.outcome {
            Outcome::Unknown => "was not told what came of it",
            Outcome::Failed if call.error.as_ref().is_none_or(String::is_empty) => "was refused without a word",
            Outcome::Failed if call.end - call.begin > PATIENCE => "was refused later than a caller waits for",
            Outcome::Failed => {
                told += 1;
                continue;
            }
            Outcome::Ok => continue,
        };
        found.breach(format!("whoever started {} {what}", call.run), vec![facts.tell_call(call)]);
    }
    if found.looked_at > 0 && found.breaches.is_empty() && told == 0 {
        found.breach(format!("all {} runs were accepted: it was no flood", found.looked_at), Vec::new());
    }
    found
}

/// Whoever spends has reserved it before: of each call that is made there is room for one then.
pub(super) fn budgets(facts: &Facts<'_>) -> Found {
    let mut found = Found::default();
    let mut made: BTreeMap<&str, u64> = BTreeMap::new();
    for (at, line) in facts.history.ledger.iter().enumerate() {
        if !matches!(&line.did, Did::Executed { step, .. } if step.starts_with(SPEND)) {
            continue;
        }
        found.looked_at += 1;
        let is_added = |call: &&Call| call.op == Op::TopUp && call.outcome != Outcome::Failed && call.begin <= line.at;
        let limit = BUDGET_CALLS + calls(facts, &line.run).filter(is_added).count() as u64;
        let made = made.entry(&line.run).or_default();
        *made += 1;
        if *made > limit {
            let what = format!("{} has made {made} calls, and its budget was {limit} then", line.run);
            found.breach(what, vec![facts.tell(at)]);
        }
    }
    found
}

/// Whether a run of a flood begins that is not urgent.
fn is_patient(line: &Line) -> bool {
    matches!(line.did, Did::Began { .. }) && line.run.starts_with(FLOOD) && !is_urgent(&line.run)
}

/// How long an urgent run may be there before all nodes know what waits, where nothing else is done to them.
const KNOWN: Moment = 1_000_000;

/// A task is given to a slot that is free, so of less urgent ones no more are before it than there are slots.
pub(super) fn priorities(facts: &Facts<'_>) -> Found {
    let mut found = Found::default();
    // An owner that is away decides of none of its own meanwhile.
    if facts.history.faults.iter().any(|felt| felt.kind != FaultKind::Flood) {
        return found;
    }
    let cluster = &facts.history.head.plan.cluster;
    let slots = cluster.nodes * cluster.instances;
    // In the order of time, as a ledger is but for what several nodes write at once.
    let mut patient: Vec<Moment> =
        facts.history.ledger.iter().filter(|line| is_patient(line)).map(|line| line.at).collect();
    patient.sort_unstable();
    let begun_by = |moment: Moment| patient.partition_point(|at| *at < moment);
    let urgent = |call: &&Call| call.op == Op::Start && call.outcome == Outcome::Ok && is_urgent(&call.run);
    for call in facts.history.calls.iter().filter(urgent) {
        let began = facts.of_task(&call.run, FLOOD_TASK).find(|(_, line)| matches!(line.did, Did::Began { .. }));
        let Some((_, began)) = began else { continue };
        found.looked_at += 1;
        let before = begun_by(began.at).saturating_sub(begun_by(call.end + KNOWN));
        if before > slots {
            let what = format!("{before} less urgent runs began before {}, and there are {slots} slots", call.run);
            found.breach(what, vec![facts.tell_call(call)]);
        }
    }
    found
}

/// Whether the node could not hear of it: it stood still or was cut off until shortly before.
fn is_excused(faults: &[Felt], node: usize, to: Moment) -> bool {
    faults.iter().any(|felt| {
        let is_deaf = match (felt.kind, felt.target) {
            (FaultKind::NodePause | FaultKind::Starve, Target::Node(of)) | (_, Target::Wire(of, _)) => of == node,
            (_, Target::Server(_)) => true,
            _ => false,
        };
        // A node that is deaf has to notice it by itself.
        let late = if felt.kind == FaultKind::Deaf { DEAF } else { LATE };
        is_deaf && felt.begin < to && felt.end + late > to
    })
}

fn calls<'a>(facts: &'a Facts<'_>, run: &'a str) -> impl Iterator<Item = &'a Call> {
    facts.history.calls.iter().filter(move |call| call.run == run)
}
