//! How much a cluster takes, and how it behaves then: plans without faults, but for a flood of twice of what it can do.

#[cfg(test)]
mod tests;

use crate::plan::{Error, FaultKind, Plan};
use crate::report::Report;
use std::time::Duration;

/// How long a cluster is flooded to see what it can do.
const MEASURED: Duration = Duration::from_secs(20);
/// How many runs a second that takes: more than it can do, on any machine.
const FLOOD_PER_SECOND: u64 = 200;
/// How long it takes until what is done is what can be done, in seconds.
const WARM: usize = 5;
/// How long a plan goes on behind its flood.
const AFTER: Duration = Duration::from_secs(20);

/// A plan of that long: with its flood, if it has one, and time to see what comes behind.
///
/// # Errors
///
/// When that is out of its range.
pub fn lasting(mut plan: Plan, duration: Duration) -> Result<Plan, Error> {
    let mut whole = duration;
    for flood in plan.faults.iter_mut().filter(|fault| fault.kind == FaultKind::Flood) {
        flood.lasts = Some(duration);
        whole = flood.at.unwrap_or_default() + duration + AFTER;
    }
    plan.lasting(whole)
}

/// What is run before a plan to see what its cluster can do: nothing, if it does not want to know.
///
/// # Errors
///
/// Those of [`lasting`].
pub fn measuring(plan: &Plan) -> Result<Option<Plan>, Error> {
    if !plan.faults.iter().any(|fault| fault.kind == FaultKind::Flood) {
        return Ok(None);
    }
    let mut before = flooded(plan.clone(), FLOOD_PER_SECOND);
    before.name = "load-capacity".to_owned();
    before.about = format!("What the cluster of {} can do: it is flooded for a moment.", plan.name);
    lasting(before, MEASURED).map(Some)
}

/// The plan with a flood of twice as many tasks a second as the cluster was measured to do.
#[must_use]
pub fn twice(plan: Plan, measured: &Report) -> Plan {
    flooded(plan, 2 * capacity(measured))
}

fn flooded(mut plan: Plan, per_second: u64) -> Plan {
    for flood in plan.faults.iter_mut().filter(|fault| fault.kind == FaultKind::Flood) {
        flood.per_second = Some(per_second);
    }
    plan
}

/// How many tasks were done in a second while the cluster was flooded; one at least.
#[must_use]
pub fn capacity(report: &Report) -> u64 {
    let service = &report.service;
    let seconds = |of: &crate::check::Recovery| (of.begin as usize + WARM, of.end as usize);
    let Some((from, to)) = service.recoveries.first().map(seconds) else { return 1 };
    let done = service.results_per_second.get(from..to.min(service.results_per_second.len())).unwrap_or_default();
    (done.iter().sum::<usize>() / done.len().max(1)).max(1) as u64
}

/// What came of several plans, a line each, as it stands in the docs.
#[must_use]
pub fn table(reports: &[Report]) -> String {
    let mut lines = vec![
        "| load | lasted | offered/s | done/s | at once | errors | refused | p50 | p99 | memory of a node, MiB | good probes | |"
            .to_owned(),
        "|---|---|---|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(reports.iter().map(row));
    lines.join("\n")
}

fn row(report: &Report) -> String {
    let (figures, plan) = (&report.figures, &report.head.plan);
    let breached = report.verdicts.iter().filter(|verdict| verdict.breached > 0).map(|verdict| &*verdict.check);
    let breached: Vec<&str> = breached.collect();
    let said = if breached.is_empty() { "holds".to_owned() } else { format!("BREACHED: {}", breached.join(", ")) };
    let memory = figures.memory.map_or("-".to_owned(), |of| format!("{} → {}, most {}", of.before, of.after, of.most));
    format!(
        "| {} | {} | {:.1} | {:.1} | {} | {:.2} % | {} | {} ms | {} ms | {memory} | {:.1} % | {said} |",
        plan.name.trim_start_matches("load-"),
        humantime::format_duration(plan.duration),
        figures.offered,
        figures.done,
        figures.at_once,
        figures.errors_percent,
        figures.refused,
        figures.p50_ms,
        figures.p99_ms,
        report.service.availability_percent
    )
}
