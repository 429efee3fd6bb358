//! Timers: what comes due by itself.

use crate::sabotage::{self, EARLY_MS, Sabotage};
use crate::{Millis, Run, RunId, Task, TaskIndex, TaskState, Token};
use std::collections::BTreeSet;
use std::time::Duration;

/// What a timer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerKind {
    /// A retry delay ends.
    Retry,
    /// A task was not accepted in time.
    Start,
    /// An attempt takes too long.
    Attempt,
    /// A handler has been silent too long.
    Heartbeat,
    /// A holder has been silent too long.
    Lease,
    /// A run takes too long.
    Run,
    /// Something that a handler waits for has not come in time, or its sleep is over.
    Wait,
    /// The time that the budget of a run gives it is spent.
    Budget,
}

/// A timer that has come due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timer {
    /// When it was due.
    pub due: Millis,
    /// The run.
    pub run: RunId,
    /// The task, or the run as a whole.
    pub task: Option<TaskIndex>,
    /// What it is about.
    pub kind: TimerKind,
}

/// All timers of a partition, in the order in which they come due. Derived from the state, so volatile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers(BTreeSet<Timer>);

impl Timers {
    /// Sets the timers that these tasks of the run have now.
    pub(crate) fn watch(&mut self, run: &Run, tasks: impl IntoIterator<Item = usize>) {
        self.0.extend(tasks.into_iter().flat_map(|task| task_timers(run, task)));
    }

    /// Clears the timers that these tasks of the run have now: before their state changes.
    pub(crate) fn unwatch(&mut self, run: &Run, tasks: impl IntoIterator<Item = usize>) {
        for timer in tasks.into_iter().flat_map(|task| task_timers(run, task)) {
            self.0.remove(&timer);
        }
    }

    /// Changes tasks of the run, and sets their timers as they are then. What was offered and is the same is not offered
    /// once more.
    pub(crate) fn keep(&mut self, run: &mut Run, tasks: Vec<usize>, change: impl FnOnce(&mut Run)) {
        let offered: Vec<(usize, Token, TaskState)> = tasks
            .iter()
            .filter(|index| run.paused.is_none() && self.is_offered(run, **index))
            .map(|&index| (index, run.tasks[index].token, run.tasks[index].state.clone()))
            .collect();
        self.unwatch(run, tasks.iter().copied());
        change(run);
        self.watch(run, tasks);
        for (index, token, state) in offered {
            if (run.tasks[index].token, &run.tasks[index].state) == (token, &state) {
                self.offered(run, index); // what it waits for has changed, and not that it was offered
            }
        }
    }

    /// Whether a task waits for an instance, and the timer that offers it has done so.
    fn is_offered(&self, run: &Run, index: usize) -> bool {
        let mut timers = task_timers(run, index).filter(|timer| timer.kind == TimerKind::Retry);
        timers.next().is_some_and(|timer| !self.0.contains(&timer))
    }

    /// Clears the timer that would offer this task once more.
    pub(crate) fn offered(&mut self, run: &Run, index: usize) {
        for timer in task_timers(run, index).filter(|timer| timer.kind == TimerKind::Retry) {
            self.0.remove(&timer);
        }
    }

    pub(crate) fn watch_run(&mut self, run: &Run) {
        self.0.extend(run_timers(run));
    }

    pub(crate) fn unwatch_run(&mut self, run: &Run) {
        for timer in run_timers(run) {
            self.0.remove(&timer);
        }
    }

    pub(crate) fn next(&self) -> Option<Millis> {
        self.0.first().map(|timer| Millis(timer.due.0.saturating_sub(early())))
    }

    pub(crate) fn pop_due(&mut self, now: Millis) -> Option<Timer> {
        if self.0.first()?.due.0.saturating_sub(early()) <= now.0 { self.0.pop_first() } else { None }
    }
}

/// How much before its time a timer comes, in milliseconds: not at all.
fn early() -> i64 {
    if sabotage::is(Sabotage::TimerEarly) { EARLY_MS } else { 0 }
}

/// The timers that a run has as a whole.
pub(crate) fn run_timers(run: &Run) -> impl Iterator<Item = Timer> {
    // What undoes is not cut short.
    let timers = if run.undoing.is_some() { [None, None] } else { [timeout(run), wall_time(run)] };
    timers.into_iter().flatten()
}

fn timeout(run: &Run) -> Option<Timer> {
    let from = run.reopened_at.unwrap_or(run.submitted_at);
    let due = from.after(Duration::from_millis(run.timeout_ms?));
    Some(Timer { due, run: run.id, task: None, kind: TimerKind::Run })
}

/// When the time of its budget is spent, which counts from its submission.
fn wall_time(run: &Run) -> Option<Timer> {
    let ledger = run.ledger().filter(|ledger| !ledger.wall_spent)?;
    let due = ledger.wall_due(run.submitted_at)?;
    Some(Timer { due, run: run.id, task: None, kind: TimerKind::Budget })
}

/// The timers that a task has now. What is to start in a paused run starts at no moment; what a handler waits for comes
/// in time or not, whoever starts it again.
pub(crate) fn task_timers(run: &Run, index: usize) -> impl Iterator<Item = Timer> {
    let task = Some(TaskIndex(index as u32));
    let starts = |kind: &TimerKind| matches!(kind, TimerKind::Retry | TimerKind::Start);
    let is_paused = run.paused.is_some();
    let timers = run.tasks.get(index).into_iter().flat_map(Task::timers);
    let timers = timers.filter(move |(_, kind)| !(is_paused && starts(kind)));
    timers.map(move |(due, kind)| Timer { due, run: run.id, task, kind })
}
