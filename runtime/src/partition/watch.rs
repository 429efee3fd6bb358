//! Who waits for what in a partition. Volatile: a watcher that is dropped asks again.

#[cfg(test)]
mod tests;

use super::batch::{Batch, Pending};
use super::history::History;
use super::message::{Page, Target, Verdict};
use callboard_core::{EventKind, Failure, FailureClass, Run, RunId, State, TaskIndex, TaskState, Then};
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// What ends: a task, or the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Watched {
    Task(TaskIndex),
    Run,
}

/// Watchers of runs that have not ended.
#[derive(Debug)]
pub(crate) struct Watchers {
    /// How many may wait for one end, or read one run.
    max: usize,
    ends: BTreeMap<(RunId, Watched), Vec<oneshot::Sender<Verdict>>>,
    readers: BTreeMap<RunId, Vec<(u64, oneshot::Sender<Page>)>>,
}

/// How many lines a page of events holds at most.
const PAGE_LINES: usize = 256;

impl Watchers {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, ends: BTreeMap::new(), readers: BTreeMap::new() }
    }

    pub(crate) fn wait_for_end(&mut self, run: RunId, watched: Watched, reply: oneshot::Sender<Verdict>) {
        let waiting = self.ends.entry((run, watched)).or_default();
        if waiting.len() >= waiting.capacity().min(self.max) {
            // Before it grows: callers that lose patience and ask again must not pile up.
            waiting.retain(|reply| !reply.is_closed());
        }
        if waiting.len() >= self.max {
            return drop(reply.send(Verdict::Full(self.max)));
        }
        waiting.push(reply);
    }

    pub(crate) fn wait_for_events(&mut self, run: RunId, after: u64, reply: oneshot::Sender<Page>) {
        let waiting = self.readers.entry(run).or_default();
        if waiting.len() >= waiting.capacity().min(self.max) {
            waiting.retain(|(_, reply)| !reply.is_closed());
        }
        if waiting.len() >= self.max {
            return drop(reply.send(Page::Full(self.max)));
        }
        waiting.push((after, reply));
    }

    /// Tells whoever waits for what has just become durable. `durable` is the last event that is; `pending` has those
    /// behind it.
    pub(crate) fn released(
        &mut self,
        batch: &Batch,
        durable: u64,
        state: &State,
        history: &History,
        pending: &Pending,
    ) {
        for event in &batch.events {
            let Some(id) = event.run else { continue };
            if !self.ends.is_empty()
                && let Some(run) = state.run(id)
            {
                match run.quarantined {
                    Some(_) => self.tell_all(run),
                    // It may have been opened again and ended otherwise, and that is told when it is durable.
                    None => ended(&event.kind, |watched| {
                        let waits = self.ends.contains_key(&(id, watched));
                        if waits && (history.last(id) <= durable || is_durable(id, watched, None, pending)) {
                            self.tell(run, watched);
                        }
                    }),
                }
            }
            for (after, reply) in self.readers.remove(&id).unwrap_or_default() {
                match page(history, state, id, after, durable) {
                    Some(page) => drop(reply.send(page)),
                    None => self.wait_for_events(id, after, reply),
                }
            }
        }
    }

    fn tell(&mut self, run: &Run, watched: Watched) {
        for reply in self.ends.remove(&(run.id, watched)).unwrap_or_default() {
            if let Some(verdict) = verdict(run, watched) {
                drop(reply.send(verdict));
            }
        }
    }

    /// Tells everybody who waits for anything of a run.
    fn tell_all(&mut self, run: &Run) {
        let of_run = (run.id, Watched::Task(TaskIndex(0)))..=(run.id, Watched::Run);
        let waiting: Vec<Watched> = self.ends.range(of_run).map(|((_, watched), _)| *watched).collect();
        waiting.into_iter().for_each(|watched| self.tell(run, watched));
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
    // The history of a run in quarantine is over, too: nothing may be added to it.
    let is_over = |run: &Run| run.ended.is_some() || run.quarantined.is_some();
    let ended = until == lines.len() && state.run(run).is_some_and(is_over);
    ended.then_some(Page::End)
}

/// Whether the end of what is watched is certain to be durable, when it has ended in memory.
pub(crate) fn is_durable(run: RunId, watched: Watched, in_flight: Option<&Batch>, pending: &Pending) -> bool {
    let undurable = in_flight.into_iter().chain(pending.iter()).flat_map(|batch| &batch.events);
    let mut found = false;
    for event in undurable.filter(|event| event.run == Some(run)) {
        ended(&event.kind, |ended| found |= ended == watched);
    }
    !found
}

/// Names what an event ends.
fn ended(kind: &EventKind, mut each: impl FnMut(Watched)) {
    match kind {
        EventKind::TaskCompleted(event) => each(Watched::Task(event.task)),
        EventKind::AttemptFailed(event) if !matches!(event.then, Then::Again(_)) => each(Watched::Task(event.task)),
        EventKind::AttemptLost(event) if !matches!(event.then, Then::Again(_)) => each(Watched::Task(event.task)),
        EventKind::TasksSkipped(event) => event.tasks.iter().for_each(|task| each(Watched::Task(*task))),
        EventKind::TasksCancelled(event) => event.tasks.iter().for_each(|task| each(Watched::Task(*task))),
        EventKind::TaskFailed(event) => each(Watched::Task(event.task)),
        EventKind::RunEnded(_) => each(Watched::Run),
        EventKind::RunSubmitted(_)
        | EventKind::TaskAccepted(_)
        | EventKind::AttemptFailed(_)
        | EventKind::AttemptLost(_)
        | EventKind::RunsArchived(_)
        | EventKind::PagesForgotten(_)
        | EventKind::RunPaused(_)
        | EventKind::RunResumed(_)
        | EventKind::TaskResumed(_)
        | EventKind::StepRecorded(_)
        | EventKind::ChildrenSubmitted(_)
        | EventKind::EffectBegun(_)
        | EventKind::EffectUnknown(_)
        | EventKind::EffectDecided(_)
        | EventKind::WaitBegun(_)
        | EventKind::WaitElapsed(_)
        | EventKind::WaitsWithdrawn(_)
        | EventKind::SignalReceived(_)
        | EventKind::ApprovalAnswered(_)
        | EventKind::TaskParked(_)
        | EventKind::TaskProgressed(_)
        | EventKind::UndoBegun(_)
        | EventKind::BudgetToppedUp(_)
        | EventKind::WallTimeSpent(_)
        | EventKind::RunRestored(_)
        | EventKind::Schedule(_) => {}
    }
}

/// What `target` means in `run`; `None` if there is no such task.
pub(crate) fn watched(run: &Run, target: &Target) -> Option<Watched> {
    match target {
        Target::Run => Some(Watched::Run),
        Target::Task { name, at } => {
            let is_there = run.task(*at).is_some_and(|task| task.spec.name == *name);
            let index = if is_there { Some(*at) } else { run.find(name) };
            index.map(Watched::Task)
        }
    }
}

/// How what is watched ended in `run`, if it has.
pub(crate) fn verdict(run: &Run, watched: Watched) -> Option<Verdict> {
    if let Some(reason) = &run.quarantined {
        return Some(Verdict::Quarantined(reason.clone()));
    }
    match watched {
        Watched::Run => run.ended.map(|(outcome, _)| Verdict::Run(outcome)),
        Watched::Task(index) => task_verdict(run, index),
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
        TaskState::Blocked { .. } | TaskState::Ready { .. } | TaskState::Parked { .. } | TaskState::Running { .. } => {
            None
        }
    }
}
