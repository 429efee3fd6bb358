//! Who waits for what in a partition. Volatile: a watcher that is dropped asks again.

use super::batch::{Batch, Pending};
use super::history::History;
use super::message::{Page, Target, Verdict};
use callboard_core::{EventKind, Failure, FailureClass, Run, RunId, State, TaskIndex, TaskState, Then};
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// Watchers of runs that have not ended.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    ends: BTreeMap<RunId, Vec<(Target, oneshot::Sender<Verdict>)>>,
    readers: BTreeMap<RunId, Vec<(u64, oneshot::Sender<Page>)>>,
}

/// How many lines a page of events holds at most.
const PAGE_LINES: usize = 256;

impl Watchers {
    pub(crate) fn wait_for_end(&mut self, run: RunId, target: Target, reply: oneshot::Sender<Verdict>) {
        self.ends.entry(run).or_default().push((target, reply));
    }

    pub(crate) fn wait_for_events(&mut self, run: RunId, after: u64, reply: oneshot::Sender<Page>) {
        self.readers.entry(run).or_default().push((after, reply));
    }

    /// Tells whoever waits for what has just become durable. `durable` is the last event that is.
    pub(crate) fn released(&mut self, batch: &Batch, durable: u64, state: &State, history: &History) {
        if self.ends.is_empty() && self.readers.is_empty() {
            return;
        }
        for event in &batch.events {
            let Some(id) = event.run else { continue };
            if let Some(waiting) = self.ends.get_mut(&id)
                && let Some(run) = state.run(id)
            {
                for (target, reply) in
                    waiting.extract_if(.., |(target, reply)| reply.is_closed() || ends(&event.kind, run, target))
                {
                    if let Some(verdict) = verdict(run, &target) {
                        let _gone = reply.send(verdict);
                    }
                }
                if waiting.is_empty() {
                    self.ends.remove(&id);
                }
            }
            for (after, reply) in self.readers.remove(&id).unwrap_or_default() {
                if let Some(page) = page(history, state, id, after, durable) {
                    let _gone = reply.send(page);
                } else if !reply.is_closed() {
                    self.wait_for_events(id, after, reply);
                }
            }
        }
    }
}

/// The durable events of a run after `after`, if there is anything to say.
pub(crate) fn page(history: &History, state: &State, run: RunId, after: u64, durable: u64) -> Option<Page> {
    let lines = history.of(run);
    let from = lines.partition_point(|line| line.seq <= after);
    let until = lines.partition_point(|line| line.seq <= durable);
    if from < until {
        let lines = lines[from..until].iter().take(PAGE_LINES);
        return Some(Page::Lines(lines.map(|line| line.bytes.clone()).collect()));
    }
    let ended = until == lines.len() && state.run(run).is_some_and(|run| run.ended.is_some());
    ended.then_some(Page::End)
}

/// Whether what `target` waits for is certain to be durable, when it has ended in memory.
pub(crate) fn is_durable(run: &Run, target: &Target, in_flight: Option<&Batch>, pending: &Pending) -> bool {
    let mut undurable = in_flight.into_iter().chain(pending.iter()).flat_map(|batch| &batch.events);
    !undurable.any(|event| event.run == Some(run.id) && ends(&event.kind, run, target))
}

/// Whether this event ends what `target` waits for.
fn ends(kind: &EventKind, run: &Run, target: &Target) -> bool {
    let Target::Task(name) = target else { return matches!(kind, EventKind::RunEnded(_)) };
    let is_it = |index: &TaskIndex| run.task(*index).is_some_and(|task| task.spec.name == *name);
    match kind {
        EventKind::TaskCompleted(event) => is_it(&event.task),
        EventKind::AttemptFailed(event) => !matches!(event.then, Then::Again(_)) && is_it(&event.task),
        EventKind::AttemptLost(event) => !matches!(event.then, Then::Again(_)) && is_it(&event.task),
        EventKind::TasksSkipped(event) => event.tasks.iter().any(is_it),
        EventKind::TasksCancelled(event) => event.tasks.iter().any(is_it),
        _ => false,
    }
}

/// How what `target` waits for ended in `run`, if it has.
pub(crate) fn verdict(run: &Run, target: &Target) -> Option<Verdict> {
    if let Some(reason) = &run.quarantined {
        return Some(Verdict::Quarantined(reason.clone()));
    }
    match target {
        Target::Run => run.ended.map(|(outcome, _)| Verdict::Run(outcome)),
        Target::Task(name) => match run.find(name) {
            Some(index) => task_verdict(run, index),
            None => Some(Verdict::NoTask),
        },
    }
}

fn task_verdict(run: &Run, index: TaskIndex) -> Option<Verdict> {
    let task = run.task(index)?;
    let name = task.spec.name.clone();
    let failure = |class, message: String| Failure::new(class, message);
    match &task.state {
        TaskState::Completed { output, .. } => Some(Verdict::Output(output.clone())),
        TaskState::Failed | TaskState::Dead => {
            let last = task.failures.last().map(|failed| failed.failure.clone());
            let lost = || failure(FailureClass::Retryable, format!("its work was cut short {} times", task.losses));
            Some(Verdict::TaskFailed { task: name, cancelled: false, failure: last.unwrap_or_else(lost) })
        }
        TaskState::Cancelled { reason } => {
            let failure = failure(FailureClass::Cancelled, reason.to_string());
            Some(Verdict::TaskFailed { task: name, cancelled: true, failure })
        }
        // A skipped task never failed itself: what its caller wants to know is what did.
        TaskState::Skipped { cause } => task_verdict(run, *cause),
        TaskState::Blocked { .. } | TaskState::Ready { .. } | TaskState::Running { .. } => None,
    }
}
