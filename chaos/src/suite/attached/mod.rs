//! A cluster that somebody else runs: it is asked by HTTP and nothing else, has a workflow of theirs to do, and nothing is done to
//! it but what their commands do. Nothing of it is deleted.

mod command;
mod ends;
mod http;
#[cfg(test)]
mod tests;
mod user;
mod workflow;

pub use command::Undos;

use super::course::{Course, ended};
use super::probe::probe;
use super::record::Recorder;
use super::{Error, Options, clock, faults};
use crate::history::{End, Felt, Head, Record};
use crate::plan::{Attached, Plan};
use crate::schedule::{Fault, Schedule};
use command::{Ran, Undo};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;
use user::User;
use workflow::Workflow;

/// What the commands write.
const LOG: &str = "commands.log";

/// A cluster of which was said that it is meant, and what it is going to be given.
pub(super) struct Confirmed<'a> {
    attached: &'a Attached,
    user: User,
    needs: Vec<(String, String)>,
}

impl<'a> Confirmed<'a> {
    /// # Errors
    ///
    /// When nobody has said so, or there is nothing that could be submitted.
    pub(super) fn of(attached: &'a Attached, options: &Options) -> Result<Self, Error> {
        if options.cluster.as_ref() != Some(&attached.cluster) {
            return Err(Error::NotConfirmed { cluster: attached.cluster.clone(), said: options.cluster.clone() });
        }
        // The runs of this time have a name that those of no other time have: by it they are found again.
        let label = super::ledger::unique();
        let workflow = Workflow::read(&attached.workflow, &label)?;
        let of_probe = Workflow::read(attached.of_probe(), &label)?;
        let needs = workflow.needs();
        let user = User::of(&attached.addresses, label, workflow, of_probe)?;
        Ok(Self { attached, user, needs })
    }
}

/// Has it work, does to it what the plan says, and writes down what comes of it.
///
/// # Errors
///
/// Why it could not be tried: what the cluster does wrong is in the history, and no error.
pub(super) async fn run(
    plan: &Plan,
    confirmed: &Confirmed<'_>,
    options: &Options,
    folder: &Path,
    recorder: Recorder,
) -> Result<(), Error> {
    let Confirmed { attached, user, needs } = confirmed;
    let not_well = |said| Error::NotWell { cluster: attached.cluster.clone(), said };
    user.first(plan.limits.settle).await.map_err(not_well)?;

    let schedule = Schedule::draw(plan, options.seed);
    let (course, is_calm) = Course::of(plan);
    let versions = [("callboard-chaos", env!("CARGO_PKG_VERSION").to_owned()), ("label of the runs", user.label())];
    let versions: BTreeMap<String, String> =
        versions.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let head = super::run::head(plan, options.seed, course.zero, versions);
    recorder.write(&Record::Head(Box::new(Head { needs: needs.clone(), ..head })));
    let mut runs = user.begin(&schedule, course.zero, &recorder);
    let (probing, recording, zero, limit) = (user.clone(), recorder.clone(), course.zero, plan.limits.probe);
    let mut probes = JoinSet::new();
    probes.spawn(async move {
        let ask = |name: String| {
            let user = probing.clone();
            async move { user.probe(&name).await }
        };
        probe(zero, &recording, is_calm, limit, ask).await;
    });
    let log = folder.join(LOG);
    let inflict = async |fault: &Fault| {
        recorder.write(&Record::Fault(inflict(plan, fault, &log, &options.undos).await));
        Ok(())
    };
    let inflicting = faults::inflict_all(&schedule, plan.order, zero, inflict);
    let deadline = course.run(&mut runs, inflicting, async || std::future::pending().await).await?;
    for of_run in ends::of(user, &schedule, plan.workload.asked_percent, deadline).await {
        recorder.write(&Record::Run(of_run));
    }
    ended(&mut probes).await;
    recorder.write(&Record::End(End { at: clock::now(), ..End::default() }));
    recorder.finish()
}

/// Does it and undoes it, and tells how that went.
async fn inflict(plan: &Plan, fault: &Fault, log: &Path, undos: &Undos) -> Felt {
    let (kind, target) = (fault.kind, fault.target);
    let Some(of_plan) = plan.command(target) else {
        let begin = faults::flood(fault).await;
        return Felt { kind, target, begin, end: clock::now(), published: 0, error: None, said: Vec::new() };
    };
    let (begin, limit) = (clock::now(), of_plan.limit());
    let undo = Undo { words: of_plan.undo.clone(), limit, log: log.to_owned() };
    let is_undone = !undo.words.is_empty();
    if is_undone {
        undos.add(&undo); // before it is done: half of it may be
    }
    let Ran { mut said, mut error } = command::run(&of_plan.run, limit, log).await;
    if is_undone {
        if error.is_none() {
            sleep(Duration::from_millis(fault.lasts_ms)).await;
        }
        let undone = undos.undo(&undo).await;
        said.extend(undone.said);
        error = error.or(undone.error);
    }
    Felt { kind, target, begin, end: clock::now(), published: 0, error, said }
}
