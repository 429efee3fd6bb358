//! Why tasks do not run: what the partition, the backlog, breakers and limits know of it.

use super::tenant::Tenant;
use crate::dispatch::backlog::Backlog;
use crate::query::{Cause, Why};
use callboard_core::{EffectState, Limits, Millis, Noted, Record, Run, Status, Task, TaskIndex, TaskState, Wait};
use std::sync::Arc;

/// How many things of one kind are named.
const TOLD_MAX: usize = 8;

/// Why tasks do not run: the one place where that is gathered.
pub(crate) struct Waits {
    /// Who knows of agents; nobody, for a state of the past.
    backlog: Option<Arc<Backlog>>,
    now: Millis,
    limits: Limits,
}

impl Waits {
    pub(super) fn of(tenant: &Tenant) -> Self {
        let backlog = Some(tenant.around.backlog.clone());
        Self { backlog, now: tenant.now(), limits: *tenant.state.limits() }
    }

    /// As far as a run itself said it at a moment of the past.
    pub(crate) fn in_the_past(now: Millis, limits: Limits) -> Self {
        Self { backlog: None, now, limits }
    }

    /// Why a task does not run; `None` if it does, has ended, or nothing is known.
    pub(crate) fn why(&self, run: &Run, index: TaskIndex) -> Option<Why> {
        let task = run.task(index)?;
        let mut causes = match &task.state {
            TaskState::Blocked { .. } => vec![needs(run, index, task)],
            TaskState::Parked { since } => parked_for(run, index, *since),
            TaskState::Ready { .. } if run.paused.is_some() => Vec::new(),
            TaskState::Ready { not_before, .. } if *not_before > self.now => vec![self.delayed(task, *not_before)],
            TaskState::Ready { .. } => {
                let backlog = self.backlog.as_ref()?;
                backlog.why(run.ready(index)?, run.tenant.as_ref())
            }
            _ => return None,
        };
        causes.extend(run.paused.iter().map(|reason| Cause::Paused { reason: reason.clone() }));
        Why::of(causes)
    }

    /// What it is that a task waits for which may not start before a moment.
    fn delayed(&self, task: &Task, not_before: Millis) -> Cause {
        let left = not_before.since(self.now);
        // One that was cut short goes on with its attempt, and at once.
        let last = task.failures.last().filter(|last| last.attempt + 1 == task.token.attempt);
        match (task.retries_used(), last) {
            (retry @ 1.., Some(last)) => {
                let of = task.spec.retry.unwrap_or(self.limits.retry).retries;
                Cause::Retry { retry, of, left, error: last.failure.to_string() }
            }
            _ => Cause::Later { left },
        }
    }
}

/// Which tasks a task needs that have not completed.
fn needs(run: &Run, index: TaskIndex, task: &Task) -> Cause {
    let open = run.needs(index).iter().filter_map(|need| run.task(*need));
    let open = open.filter(|need| need.status() != Status::Completed);
    let tasks: Vec<(String, Status)> =
        open.clone().take(TOLD_MAX).map(|need| (need.spec.name.clone(), need.status())).collect();
    if tasks.is_empty() && task.undoes.is_some() {
        return Cause::UndoneLater;
    }
    let more = open.count() - tasks.len();
    Cause::Needs { tasks, more }
}

/// What a parked task waits for.
fn parked_for(run: &Run, index: TaskIndex, parked_at: Millis) -> Vec<Cause> {
    let record = run.record(index);
    let unknown = record.iter().flat_map(|record| &record.effects).filter_map(|(call, effect)| match &effect.state {
        EffectState::Unknown(reason) => {
            Some(Cause::Outcome { call: call.clone(), since: effect.at, reason: reason.clone() })
        }
        _ => None,
    });
    let waits = record.iter().flat_map(|record| {
        record.waits.iter().map(|(call, wait)| {
            let since = since(record, call).unwrap_or(parked_at);
            waits_for(run, index, call, wait, since)
        })
    });
    let open = run.children(index).iter().filter_map(|child| run.task(*child)).filter(|task| !task.status().is_ended());
    let children = open.map(|task| Cause::Child { task: task.spec.name.clone(), status: task.status() });
    unknown.chain(waits).chain(children).take(TOLD_MAX).collect()
}

/// When a call began to wait.
fn since(record: &Record, call: &Arc<str>) -> Option<Millis> {
    let begun = |entry: &&callboard_core::Entry| entry.key == *call && entry.what == Noted::Waits;
    record.entries.iter().rev().find(begun).map(|entry| entry.at)
}

fn waits_for(run: &Run, index: TaskIndex, call: &Arc<str>, wait: &Wait, since: Millis) -> Cause {
    match wait {
        Wait::Sleep { until } => Cause::Sleep { until: *until },
        Wait::Signal { name, until } => Cause::Signal { name: name.clone(), since, until: *until },
        Wait::Approval { prompt, number, until } => {
            Cause::Approval { number: *number, prompt: prompt.clone(), since, until: *until }
        }
        Wait::Barrier { name, parties, until, .. } => {
            Cause::Barrier { name: name.clone(), parties: *parties, since, until: *until }
        }
        Wait::Budget { cost, .. } => {
            let ledger = run.ledger();
            let before = |(task, other): &(TaskIndex, &Arc<str>)| (*task, *other) != (index, call);
            Cause::Budget {
                cost: (*cost).into(),
                limit: ledger.map(|ledger| ledger.limit).unwrap_or_default().into(),
                spent: ledger.map(|ledger| ledger.spent).unwrap_or_default().into(),
                reserved: ledger.map(|ledger| ledger.reserved).unwrap_or_default().into(),
                ahead: ledger.map_or(0, |ledger| ledger.waiting().take_while(before).count()),
            }
        }
    }
}
