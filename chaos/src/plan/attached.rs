//! A cluster that somebody else runs: where it is, what it is given to do, and what may be done to it.

#[cfg(test)]
mod tests;

use super::{Cluster, FaultKind, FaultPlan, Plan, Workload};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A cluster that is there already. Nothing is done to it that is not written here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attached {
    /// What the cluster is called: whoever runs the plan says the same name, so that none is run against another by mistake.
    pub cluster: String,
    /// Where its nodes answer by HTTP, each `HOST:PORT`. What one does not take is asked of the next.
    pub addresses: Vec<String>,
    /// The workflow that is submitted again and again: a file as `callboard task submit` takes it, beside the plan.
    pub workflow: PathBuf,
    /// The workflow of a probe; that of the workload without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<PathBuf>,
    /// The kinds of faults that may be done to it.
    #[serde(default)]
    pub allow: Vec<FaultKind>,
    /// The programs that commands may run, each written as they write it.
    #[serde(default)]
    pub programs: Vec<String>,
}

impl Attached {
    /// The kinds that need no process of the suite's own.
    pub const KINDS: [FaultKind; 2] = [FaultKind::Command, FaultKind::Flood];

    /// The workflow of a probe.
    #[must_use]
    pub fn of_probe(&self) -> &Path {
        self.probe.as_ref().unwrap_or(&self.workflow)
    }

    /// The same with its files beside another, which is where they are meant to be.
    pub(super) fn beside(&mut self, plan: &Path) {
        let folder = plan.parent().unwrap_or(Path::new(""));
        for file in [Some(&mut self.workflow), self.probe.as_mut()].into_iter().flatten() {
            *file = folder.join(&file);
        }
    }
}

/// What is wrong with a plan of a cluster that somebody else runs, or with one that has commands and no such cluster.
pub(super) fn faults_of(plan: &Plan) -> Vec<String> {
    let Some(attached) = &plan.attached else {
        let has_commands = plan.faults.iter().any(|fault| fault.kind == FaultKind::Command);
        let what = "the fault command is for a cluster that is attached: it needs a table `[attached]`";
        return has_commands.then(|| what.to_owned()).into_iter().collect();
    };
    let mut faults = Vec::new();
    if attached.cluster.trim().is_empty() {
        faults.push("attached.cluster is empty, and says what the cluster is called".to_owned());
    }
    if attached.addresses.is_empty() {
        faults.push("attached.addresses has none".to_owned());
    }
    for address in attached.addresses.iter().filter(|address| !is_address(address)) {
        faults.push(format!("attached.addresses has {address:?}, and an address is HOST:PORT"));
    }
    if plan.cluster != Cluster::default() {
        faults.push("`[cluster]` says what is built, and an attached cluster is there already".to_owned());
    }
    // Of the workload it says how often; what is done is the workflow's.
    let work = &plan.workload;
    let own = Workload {
        runs_per_second: work.runs_per_second,
        runs_per_second_last: work.runs_per_second_last,
        cancelled_percent: work.cancelled_percent,
        once_percent: work.once_percent,
        asked_percent: work.asked_percent,
        ..Workload::default()
    };
    if *work != own {
        faults.push(
            "`[workload]` says what tasks of the suite do, and an attached cluster is given a workflow: it may have runs_per_second, \
             runs_per_second_last, cancelled_percent, once_percent and asked_percent"
                .to_owned(),
        );
    }
    faults.extend(plan.faults.iter().flat_map(|fault| attached.faults_of(fault)));
    faults
}

impl Attached {
    /// The guard: what is not declared is not done.
    fn faults_of(&self, fault: &FaultPlan) -> Vec<String> {
        let kind = fault.kind.name();
        if !Self::KINDS.contains(&fault.kind) {
            let may: Vec<&str> = Self::KINDS.iter().map(|kind| kind.name()).collect();
            let may = may.join(" or ");
            return vec![format!(
                "the fault {kind} is done to processes of the suite's own, and an attached cluster has none: use {may}"
            )];
        }
        let mut faults = Vec::new();
        if !self.allow.contains(&fault.kind) {
            faults.push(format!("the fault {kind} is not declared: attached.allow does not have it"));
        }
        for program in fault.programs().filter(|program| !self.programs.iter().any(|may| may == program)) {
            faults.push(format!("the fault {kind} runs {program:?}, which attached.programs does not have"));
        }
        faults
    }
}

fn is_address(address: &str) -> bool {
    address
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && !host.contains(['/', '@', ' ']) && port.parse::<u16>().is_ok())
}
