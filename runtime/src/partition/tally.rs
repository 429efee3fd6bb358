//! What is counted and logged of the events of a partition, once they are durable.
//!
//! Whoever replays them says nothing: the owner that had them committed has. What only the state before an event tells (how
//! long something took) is measured before it is applied, and told with the rest.

use super::tenure::Surroundings;
use crate::telemetry::tracer::{Told, context};
use crate::telemetry::{self, Meters, OfCapability, Tracer};
use callboard_core::{
    AttemptFailed, AttemptLost, Counts, Event, EventKind, InstanceId, LossReason, Millis, Run, State, Status, Task,
    TaskIndex, TaskRef, TaskState, Then, Token, Wait,
};
use std::sync::Arc;
use tracing::Span;

/// What a partition has told so far.
pub(super) struct Tally {
    meters: Arc<Meters>,
    tracer: Tracer,
    /// The partition, and the node that it is on.
    partition: u16,
    node: Arc<str>,
    /// Where the tasks of this tenure stand, once it has begun: its share of what all partitions of the node tell.
    told: Option<Counts>,
}

/// What the state before an event tells of it.
#[derive(Debug)]
pub(super) struct Measured {
    capability: Arc<str>,
    what: What,
}

#[derive(Debug)]
enum What {
    /// A task was ready since then, and is accepted.
    Waited { since: Millis, until: Millis },
    /// A task had its holder since then, and this attempt has ended by itself.
    Took { since: Millis, until: Millis },
    /// A task waits for this.
    Parked(&'static str),
    /// An activation is lost, which has had its holder since then.
    Lost(Box<Lost>),
}

/// An activation that is lost with its holder.
#[derive(Debug)]
struct Lost {
    task: TaskRef,
    token: Token,
    holder: InstanceId,
    since: Millis,
    at: Millis,
}

/// What is to be told of an event, by the state before it.
pub(super) fn measured(state: &State, event: &Event) -> Option<Measured> {
    let index = match &event.kind {
        EventKind::TaskAccepted(accepted) => accepted.task,
        EventKind::TaskCompleted(completed) => completed.task,
        EventKind::AttemptFailed(failed) => failed.task,
        EventKind::TaskParked(parked) => parked.task,
        EventKind::AttemptLost(lost) => lost.task,
        _ => return None,
    };
    let run = state.run(event.run?)?;
    let task = run.task(index)?;
    let until = event.at;
    let what = match (&event.kind, &task.state) {
        (EventKind::TaskAccepted(_), TaskState::Ready { not_before, gate: None }) => {
            What::Waited { since: *not_before, until }
        }
        (EventKind::TaskCompleted(_) | EventKind::AttemptFailed(_), TaskState::Running { since, .. }) => {
            What::Took { since: *since, until }
        }
        // What a holder hands back it tells of itself.
        (EventKind::AttemptLost(lost), TaskState::Running { since, .. }) if lost.reason != LossReason::Released => {
            let (task, holder) = (TaskRef { run: run.id, task: index }, lost.holder.clone());
            What::Lost(Box::new(Lost { task, token: lost.token, holder, since: *since, at: until }))
        }
        (EventKind::TaskParked(parked), _) => What::Parked(match &parked.gate {
            Some(gate) if gate.starts_with("limit:") => "limit",
            Some(_) => "breaker",
            None => waits_for(run, index, task),
        }),
        _ => return None,
    };
    Some(Measured { capability: task.spec.capability.clone(), what })
}

/// In one word, what a task waits for that is parked at no gate.
fn waits_for(run: &Run, index: TaskIndex, task: &Task) -> &'static str {
    let waits = task.record.iter().flat_map(|record| record.waits.values());
    let mut words = waits.map(|wait| match wait {
        Wait::Sleep { .. } => "sleep",
        Wait::Signal { .. } => "signal",
        Wait::Approval { .. } => "approval",
        Wait::Barrier { .. } => "barrier",
        Wait::Budget { .. } => "budget",
    });
    match words.next() {
        Some(word) if words.all(|other| other == word) => word,
        Some(_) => "several",
        None if run.unknown_effects().any(|(of, ..)| of == index) => "effect",
        None => "children",
    }
}

impl Tally {
    pub(super) fn new(around: &Surroundings) -> Self {
        let (meters, tracer, node) = (around.meters.clone(), around.tracer.clone(), around.node.clone());
        Self { meters, tracer, partition: around.number, node, told: None }
    }

    /// A tenure has begun with this state.
    pub(super) fn begun(&mut self, state: &State) {
        self.meters.tenure_began();
        self.meters.queues(&Counts::default(), state.counts());
        self.told = Some(*state.counts());
    }

    /// Counts and logs what durable events say.
    pub(super) fn committed(&mut self, state: &State, events: &[Event], measured: Vec<Measured>) {
        for Measured { capability, what } in measured {
            let of = self.meters.of(&capability);
            match what {
                What::Waited { since, until } => of.waited.record(until.since(since)),
                What::Took { since, until } => of.took.record(until.since(since)),
                What::Parked(reason) => of.parked(reason),
                What::Lost(lost) => self.lost(state, &lost),
            }
        }
        events.iter().for_each(|event| self.tell(state, event));
        if let Some(told) = &mut self.told {
            self.meters.queues(told, state.counts());
            *told = *state.counts();
        }
    }

    fn lost(&self, state: &State, lost: &Lost) {
        let Lost { task: TaskRef { run, task }, token, ref holder, since, at } = *lost;
        if let Some(run) = state.run(run) {
            self.tracer.tell(&Told::Lost { run, task, token, holder, since, at, partition: self.partition });
        }
    }

    /// Which attempt the lines within are about.
    fn attempt(&self, run: &Run, index: TaskIndex, token: Token) -> Span {
        let trace = self.tracer.of_run(run.id, run.trace);
        context(TaskRef { run: run.id, task: index }, token, self.partition, &self.node, trace)
    }

    /// A task has failed for good.
    fn failed(&self, run: &Run, task: TaskIndex, token: Option<Token>, at: Millis) {
        let Some(of) = run.task(task) else { return };
        let class = of.failures.last().map_or("retryable", |last| last.failure.class.as_str());
        self.tracer.tell(&Told::Failed { run, task, token, class, outcome: of.status().as_str(), at });
    }

    fn tell(&self, state: &State, event: &Event) {
        let Some(run) = event.run.and_then(|run| state.run(run)) else { return };
        let of = |index: TaskIndex| run.task(index).map(|task| self.meters.of(&task.spec.capability));
        let ended = |index, status| of(index).into_iter().for_each(|of| of.ended(status));
        match &event.kind {
            EventKind::RunSubmitted(_) => self.meters.runs_submitted.increment(1),
            EventKind::RunEnded(ended) => {
                self.meters.run_ended(ended.outcome);
                let (outcome, at, partition, node) = (ended.outcome.as_str(), event.at, self.partition, &*self.node);
                self.tracer.tell(&Told::Ended { run, outcome, at, partition, node });
            }
            EventKind::TaskCompleted(completed) => {
                ended(completed.task, Status::Completed);
                // There are many.
                if tracing::enabled!(tracing::Level::DEBUG) {
                    let _entered = self.attempt(run, completed.task, completed.token).entered();
                    let named = run.task(completed.task).map(|task| (&*task.spec.name, &*task.spec.capability));
                    let (name, capability) = named.unzip();
                    tracing::debug!(name, capability, holder = %completed.holder, "an attempt has completed its task");
                }
            }
            EventKind::TaskFailed(failed) => {
                ended(failed.task, Status::Failed);
                self.failed(run, failed.task, None, event.at);
            }
            EventKind::TasksSkipped(skipped) => self.ended_together(run, &skipped.tasks, Status::Skipped),
            EventKind::TasksCancelled(cancelled) => self.ended_together(run, &cancelled.tasks, Status::Cancelled),
            EventKind::EffectUnknown(unknown) => of(unknown.task).into_iter().for_each(|of| of.effect_unknown()),
            EventKind::AttemptFailed(AttemptFailed { task, token, then, .. })
            | EventKind::AttemptLost(AttemptLost { task, token, then, .. }) => {
                match then {
                    Then::Failed => ended(*task, Status::Failed),
                    Then::Dead => ended(*task, Status::Dead),
                    Then::Again(_) => {}
                }
                if !matches!(then, Then::Again(_)) {
                    self.failed(run, *task, Some(*token), event.at);
                }
                let (index, Some(task), Some(of)) = (*task, run.task(*task), of(*task)) else { return };
                let _entered = self.attempt(run, index, *token).entered();
                let named = (&*task.spec.name, &*task.spec.capability);
                match &event.kind {
                    EventKind::AttemptFailed(failed) => told_failure(event, &of, named, failed),
                    EventKind::AttemptLost(lost) => told_loss(task, &of, named, lost),
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

impl Tally {
    /// Many tasks of a run have ended, as a rule of few capabilities.
    fn ended_together(&self, run: &Run, tasks: &[TaskIndex], status: Status) {
        let mut last: Option<(&Arc<str>, Arc<OfCapability>)> = None;
        for task in tasks.iter().filter_map(|task| run.task(*task)) {
            let capability = &task.spec.capability;
            let of = match last.take().filter(|(known, _)| *known == capability) {
                Some((_, of)) => of,
                None => self.meters.of(capability),
            };
            of.ended(status);
            last = Some((capability, of));
        }
    }
}

/// The tasks of this tenure are another's now.
impl Drop for Tally {
    fn drop(&mut self) {
        if let Some(told) = self.told {
            self.meters.queues(&told, &Counts::default());
            self.meters.tenure_ended();
        }
    }
}

fn told_failure(event: &Event, of: &OfCapability, (name, capability): (&str, &str), failed: &AttemptFailed) {
    let (reason, error) = (failed.failure.class.as_str(), &failed.failure);
    let holder = failed.holder.as_ref().map(ToString::to_string);
    match failed.then {
        Then::Again(at) => {
            telemetry::count_of(telemetry::RETRIES, of, reason);
            let after = at.since(event.at);
            tracing::info!(name, capability, holder, reason, %error, ?after, "an attempt failed, and the task is tried again");
        }
        Then::Dead => {
            telemetry::count_of(telemetry::DEAD_LETTERS, of, reason);
            tracing::error!(name, capability, holder, reason, %error, "the last attempt failed: the task is a dead letter, and can be retried by hand");
        }
        Then::Failed => {
            telemetry::count_of(telemetry::FAILURES, of, reason);
            tracing::info!(name, capability, holder, reason, %error, "an attempt failed in a way that no other would mend");
        }
    }
}

fn told_loss(task: &Task, of: &OfCapability, (name, capability): (&str, &str), lost: &AttemptLost) {
    let reason = match lost.reason {
        LossReason::Lease => "lease",
        LossReason::Gone => "gone",
        LossReason::Released => "released",
    };
    telemetry::count_of(telemetry::LOSSES, of, reason);
    let (holder, losses) = (&lost.holder, task.losses);
    if lost.then == Then::Dead {
        telemetry::count_of(telemetry::DEAD_LETTERS, of, "losses");
        tracing::error!(name, capability, %holder, reason, losses, "an activation was lost, and that too often: the task is a dead letter");
    } else {
        tracing::info!(name, capability, %holder, reason, losses, "an activation was lost, which uses no retry, and the task is handed out again");
    }
}
