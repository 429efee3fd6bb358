//! What people and programs are told: one page that needs nothing from outside, and the same as JSON.

mod html;
mod picture;
#[cfg(test)]
mod tests;

use crate::check::{self, Figures, Service, Verdict};
use crate::history::{Head, History, Moment, Op, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The page.
pub const PAGE: &str = "report.html";
/// The same for programs.
pub const JSON: &str = "report.json";

/// From how many seconds on it is told that the suite itself stood still.
const STILL: f64 = 2.0;

/// What came of one run of the suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What was run.
    pub head: Head,
    /// How long it took until everything had ended, in seconds.
    pub took: f64,
    /// The checks.
    pub verdicts: Vec<Verdict>,
    /// How well the cluster served.
    pub service: Service,
    /// How much was done, and how soon.
    pub figures: Figures,
    /// How many runs ended how.
    pub runs: BTreeMap<String, usize>,
    /// How many calls came to what, by what was asked.
    pub calls: BTreeMap<String, BTreeMap<String, usize>>,
    /// How long the suite itself stood still at the longest, in seconds: on a machine that is too busy for it nobody can be
    /// held to anything.
    pub stood_still: f64,
    /// How many lines handlers have written.
    pub ledger_lines: usize,
}

impl Report {
    /// Looks at all of a history.
    #[must_use]
    pub fn of(history: &History) -> Self {
        let mut runs: BTreeMap<String, usize> = BTreeMap::new();
        for run in &history.runs {
            *runs.entry(run.status.clone().unwrap_or_else(|| "never there".to_owned())).or_default() += 1;
        }
        let mut calls: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for call in &history.calls {
            *calls.entry(word(call.op).to_owned()).or_default().entry(outcome(call.outcome).to_owned()).or_default() +=
                1;
        }
        Self {
            head: history.head.clone(),
            took: history.seconds(history.end.at),
            verdicts: check::all(history),
            service: Service::of(history),
            figures: Figures::of(history),
            runs,
            calls,
            stood_still: stood_still(history),
            ledger_lines: history.ledger.len(),
        }
    }

    /// Whether everything holds.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.breached == 0)
    }

    /// What was to be done to the cluster and was not, in words: nothing can be said of anybody by it.
    pub fn untried(&self) -> impl Iterator<Item = String> {
        let untried = self.service.recoveries.iter().filter(|of| of.is_untried);
        untried.map(|of| format!("{} at {:.1} s: {}", of.fault, of.begin, of.error.as_deref().unwrap_or_default()))
    }

    /// The command that does the same again.
    #[must_use]
    pub fn again(&self) -> String {
        let Head { seed, plan, file, .. } = &self.head;
        let duration = humantime::format_duration(plan.duration).to_string().replace(' ', "");
        let attached = plan.attached.as_ref().map(|attached| format!(" --attached {:?}", attached.cluster));
        let what = file.as_ref().map_or_else(|| plan.name.clone(), |file| file.display().to_string());
        format!("callboard-chaos run {what} --seed {seed} --duration {duration}{}", attached.unwrap_or_default())
    }

    /// What came of it, in a few lines for a terminal.
    #[must_use]
    pub fn words(&self) -> String {
        let mut lines = Vec::new();
        for of in &self.service.recoveries {
            let felt = of.recovery.map_or("for ever".to_owned(), |took| format!("for {took:.1} s"));
            let lasted = of.end - of.begin;
            lines.push(format!("  {:6.1} s  {} ({lasted:.1} s), felt {felt} behind it", of.begin, of.fault));
            lines.extend(of.said.iter().map(|line| format!("              {line}")));
        }
        lines.extend(self.untried().map(|what| format!("  could not be tried: {what}")));
        for verdict in &self.verdicts {
            let Verdict { check, looked_at, breached, .. } = verdict;
            let said = if *breached == 0 { "holds".to_owned() } else { format!("BREACHED {breached} times") };
            lines.push(format!("  {check:<20} {said} ({looked_at} looked at)"));
            for breach in &verdict.breaches {
                lines.push(format!("    {}", breach.what));
                lines.extend(breach.evidence.iter().map(|line| format!("      {line}")));
            }
        }
        let good = self.service.windows.iter().filter(|window| window.is_good).count();
        let (all, percent) = (self.service.windows.len(), self.service.availability_percent);
        lines.push(format!("  {good} of {all} windows are good ({percent:.1} %)"));
        if self.stood_still >= STILL {
            let still = self.stood_still;
            lines.push(format!("  the machine is too busy: the suite itself stood still for {still:.1} s"));
        }
        let Figures { offered, done, p50_ms, p99_ms, .. } = &self.figures;
        if self.ledger_lines > 0 {
            lines.push(format!(
                "  {offered:.1} runs and {done:.1} results a second; from submission to result {p50_ms} ms (p50), {p99_ms} ms (p99)"
            ));
        }
        let runs: Vec<String> = self.runs.iter().map(|(status, count)| format!("{count} {status}")).collect();
        lines.push(format!("  runs: {}", runs.join(", ")));
        lines.push(format!("  again: {}", self.again()));
        lines.join("\n")
    }

    /// Writes both files into the folder.
    ///
    /// # Errors
    ///
    /// Those of the files.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::write(folder.join(PAGE), html::page(self))?;
        std::fs::write(folder.join(JSON), serde_json::to_string_pretty(self)? + "\n")
    }
}

/// The nodes are weighed each second, or at least asked something: what is more than that between two times is what the suite was late by.
fn stood_still(history: &History) -> f64 {
    let weighed = history.memory.iter().map(|seen| seen.at);
    let probes = history.calls.iter().filter(|call| call.op == Op::Probe).map(|call| call.begin);
    let mut seen: Vec<Moment> = if history.memory.is_empty() { probes.collect() } else { weighed.collect() };
    seen.sort_unstable();
    let late = seen.windows(2).map(|pair| (pair[1] - pair[0]).saturating_sub(1_000_000));
    late.max().unwrap_or(0) as f64 / 1e6
}

fn word(op: Op) -> &'static str {
    match op {
        Op::Start => "start",
        Op::Cancel => "cancel",
        Op::Signal => "signal",
        Op::Increment => "increment",
        Op::Answer => "answer",
        Op::Decide => "decision",
        Op::TopUp => "top-up",
        Op::Read => "read",
        Op::Probe => "probe",
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Failed => "failed",
        Outcome::Unknown => "unknown",
    }
}
