//! Why tasks do not run: what the partition, the backlog, breakers and limits know of it.

use super::tenant::Tenant;
use crate::dispatch::backlog::Backlog;
use crate::query::{Cause, Why};
use callboard_core::{
    EffectState, Limits, Millis, Noted, Ready, Record, Requirements, Run, Status, Task, TaskIndex, TaskState, Wait,
};
use std::sync::Arc;

/// How many things of one kind are named.
const TOLD_MAX: usize = 8;
/// How many tasks that come before another one are counted.
const AHEAD_MAX: usize = 1_000;
/// And of all tasks that one question is about: the backlog serves every partition, and a list of a thousand tasks must not hold
/// it up. Of those that come later in the list it is not told how many are ahead of them.
const AHEAD_OF_ALL_MAX: usize = 10_000;

/// Why the tasks do not run that one question is about: the one place where that is gathered.
pub(crate) struct Waits {
    /// Who knows of agents; nobody, for a state of the past.
    backlog: Option<Arc<Backlog>>,
    now: Millis,
    limits: Limits,
    /// How many more may be counted.
    left: usize,
    /// The last answer of the backlog: tasks of a run are often alike.
    last: Option<(Arc<str>, Requirements, Cause)>,
}

impl Waits {
    pub(super) fn of(tenant: &Tenant) -> Self {
        let backlog = Some(tenant.around.backlog.clone());
        Self { backlog, ..Self::in_the_past(tenant.now(), *tenant.state.limits()) }
    }

    /// As far as a run itself said it at a moment of the past.
    pub(crate) fn in_the_past(now: Millis, limits: Limits) -> Self {
        Self { backlog: None, now, limits, left: AHEAD_OF_ALL_MAX, last: None }
    }

    /// Why a task does not run; `None` if it does, has ended, or nothing is known.
    pub(crate) fn why(&mut self, run: &Run, index: TaskIndex) -> Option<Why> {
        let task = run.task(index)?;
        let mut causes = match &task.state {
            TaskState::Blocked { .. } => vec![needs(run, index, task)],
            TaskState::Parked { since } => parked_for(run, index, *since),
            TaskState::Ready { .. } if run.paused.is_some() => Vec::new(),
            TaskState::Ready { not_before, .. } if *not_before > self.now => vec![self.delayed(task, *not_before)],
            TaskState::Ready { .. } => self.queued(run.ready(index)?, run.tenant.as_ref())?,
            _ => return None,
        };
        causes.extend(run.paused.iter().map(|reason| Cause::Paused { reason: reason.clone() }));
        Why::of(causes)
    }

    /// Why a task of this tenant waits for an agent, and how many come before it; `None` if nobody knows of agents.
    fn queued(&mut self, ready: Ready, tenant: Option<&Arc<str>>) -> Option<Vec<Cause>> {
        let backlog = self.backlog.as_ref()?;
        let alike = |(capability, requires, _): &&(Arc<str>, Requirements, Cause)| {
            *capability == ready.capability && *requires == ready.requires
        };
        let cause = match self.last.as_ref().filter(alike) {
            // At a gate it is that one's, and of a limit each tenant may have a share.
            Some((.., cause)) if ready.gate.is_none() && tenant.is_none() => cause.clone(),
            _ => backlog.reason(&ready, tenant),
        };
        if ready.gate.is_none() && tenant.is_none() {
            self.last = Some((ready.capability.clone(), ready.requires.clone(), cause.clone()));
        }
        let most = AHEAD_MAX.min(self.left);
        if most == 0 {
            return Some(vec![cause]);
        }
        let ahead = backlog.ahead_of(ready, tenant, most);
        // All that wait may have been looked at to see that one does not.
        self.left -= ahead.map_or(most, |ahead| ahead + 1).min(most);
        Some(match (ahead, cause) {
            (None, Cause::Slots { .. } | Cause::SlotsAsked) => vec![Cause::OnItsWay],
            (None | Some(0), cause) => vec![cause],
            (Some(tasks), cause) if tasks >= most && most < AHEAD_MAX => vec![cause],
            (Some(tasks), cause) => vec![cause, Cause::Ahead { tasks, or_more: tasks >= AHEAD_MAX }],
        })
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
