//! The state of a partition: its live runs, folded from its events.

use crate::record::{Moment, OnCycle};
use crate::schedule::Schedules;
use crate::task::Counts;
use crate::timer::Timers;
use crate::{
    Effect, Event, EventKind, GraphLimits, Json, Millis, Rejected, Retry, Run, RunId, RunRestored, Speaker, TaskIndex,
    TaskRef, TaskState, Timer,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

/// What the machine is told of the outside.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// What a graph may be at most.
    pub graph: GraphLimits,
    /// How long a holder may be silent; 6 s by default.
    pub lease: Duration,
    /// How many activations of a task may be cut short before it is dead-lettered; 5 by default.
    pub losses_max: u32,
    /// When a failed attempt of a task that does not say it itself is followed by another.
    pub retry: Retry,
    /// How many tasks may stand above one that a handler asks for; 64 by default.
    pub depth_max: u32,
    /// What happens when tasks would wait for one another.
    pub on_cycle: OnCycle,
    /// Signals and answers that a run keeps until somebody waits for them; 10,000 by default.
    pub signals_max: usize,
    /// Tasks that have not ended, of all runs of the partition; 1,000,000 by default. More submissions are refused.
    pub live_tasks_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            graph: GraphLimits::default(),
            lease: Duration::from_secs(6),
            losses_max: 5,
            retry: Retry::default(),
            depth_max: 64,
            on_cycle: OnCycle::Reject,
            signals_max: 10_000,
            live_tasks_max: 1_000_000,
        }
    }
}

/// The state of one partition. See the crate for the order of calls.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub(crate) limits: Limits,
    runs: BTreeMap<RunId, Run>,
    pages: Vec<Json>,
    seq: u64,
    at: Millis,
    timers: Timers,
    closed: BTreeSet<(Millis, RunId)>,
    /// All runs in memory by the moment of their submission.
    submitted: BTreeSet<(Millis, RunId)>,
    /// Where the tasks of all runs stand.
    counts: Counts,
    pub(crate) schedules: Schedules,
}

impl State {
    /// An empty partition.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// A partition as a snapshot describes it, but for its runs, whose events are applied next.
    pub fn resume(limits: Limits, pages: Vec<Json>) -> Self {
        Self { pages, ..Self::new(limits) }
    }

    /// What it is bounded by.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Continues after a snapshot: the next event is `seq + 1`, not before `at`.
    pub fn resumed_at(&mut self, seq: u64, at: Millis) {
        self.seq = self.seq.max(seq);
        self.at = self.at.max(at);
    }

    /// The number of the last event applied; 0 if there is none.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The moment of the last event applied. Time as the machine knows it never runs back.
    pub fn at(&self) -> Millis {
        self.at
    }

    /// The run, if it is in memory.
    pub fn run(&self, id: RunId) -> Option<&Run> {
        self.runs.get(&id)
    }

    /// All runs in memory, by id.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values()
    }

    /// The runs in memory, the one that was submitted last first, and of those submitted in the same moment the one with
    /// the greater id. It begins behind the place of `after`, whether that run is here or not.
    pub fn latest(&self, after: Option<(Millis, RunId)>) -> impl Iterator<Item = &Run> {
        let until = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.submitted.range((Bound::Unbounded, until)).rev().filter_map(|(_, id)| self.runs.get(id))
    }

    /// The ended runs in memory that may leave it, in the order in which they ended: not those with an effect of which
    /// nobody knows whether it happened.
    pub fn closed(&self) -> impl ExactSizeIterator<Item = (Millis, RunId)> {
        self.closed.iter().copied()
    }

    /// How many tasks have not ended, of all runs.
    pub fn live_tasks(&self) -> usize {
        self.counts.open()
    }

    /// How many tasks stand where, of all runs in memory.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What the archive wanted to know of its pages, oldest first; of those that are not forgotten.
    pub fn pages(&self) -> &[Json] {
        &self.pages
    }

    /// When the next timer or schedule comes due; perhaps already, and then [`State::pop_due`] or
    /// [`State::pop_schedule`] gives it out at any `now`.
    pub fn next_due(&self) -> Option<Millis> {
        self.timers.next().into_iter().chain(self.schedules.next_due()).min()
    }

    /// Takes out a timer that is due; put it to [`decide`](crate::decide) as [`Command::Due`](crate::Command::Due).
    ///
    /// As everywhere, a `now` before the last event counts as the moment of that event: a clock that has run back
    /// does not hold up what was already due.
    pub fn pop_due(&mut self, now: Millis) -> Option<Timer> {
        self.timers.pop_due(now.max(self.at))
    }

    /// Folds one event. Total and deterministic: an event that can not be followed puts its run in quarantine, and
    /// the rest of the partition goes on.
    pub fn apply(&mut self, event: &Event) {
        self.seq = self.seq.max(event.seq);
        self.at = self.at.max(event.at);
        match (&event.kind, event.run) {
            (EventKind::RunsArchived(archived), _) => {
                archived.runs.iter().for_each(|run| self.forget(*run));
                self.pages.push(archived.page.clone());
            }
            (EventKind::PagesForgotten(forgotten), _) => {
                let kept = usize::try_from(forgotten.kept).unwrap_or(usize::MAX).max(1);
                self.pages.drain(..self.pages.len().saturating_sub(kept));
            }
            (EventKind::RunSubmitted(submitted), Some(id)) => {
                if let Some(run) = self.runs.get_mut(&id) {
                    return run.quarantine("it was submitted twice".into());
                }
                let run = Run::new(id, event.at, submitted);
                self.counts.changed(&Counts::default(), run.counts());
                self.timers.watch(&run, 0..run.tasks.len());
                self.timers.watch_run(&run);
                self.submitted.insert((run.submitted_at, id));
                self.runs.insert(id, run);
            }
            (EventKind::RunRestored(restored), Some(id)) => self.restore(id, restored),
            (EventKind::Schedule(what), _) => self.apply_schedule(event.seq, event.at, what),
            (kind, Some(id)) => {
                self.apply_to_run(id, Moment { at: event.at, seq: event.seq }, kind);
                self.release_schedule(id, kind);
            }
            (_, None) => {} // no kind but those above speaks of no run, and `decode` gives such a line no effect
        }
    }

    fn apply_to_run(&mut self, id: RunId, moment: Moment, kind: &EventKind) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let touched = touched(run, kind);
        let (before, undoing) = (run.ended, run.undoing);
        let re_times = matches!(kind, EventKind::BudgetToppedUp(_) | EventKind::WallTimeSpent(_));
        if re_times || (undoing.is_none() && matches!(kind, EventKind::UndoBegun(_))) {
            self.timers.unwatch_run(run);
        }
        let (counts, lease) = (*run.counts(), self.limits.lease);
        self.timers.keep(run, touched, |run| run.apply(moment, kind, lease));
        if re_times {
            self.timers.watch_run(run);
        }
        // Whatever has made room in the budget: who waits the longest goes on.
        while let Some((waiter, cost)) = run.next_grant() {
            self.timers.keep(run, vec![waiter.task.at()], |run| run.grant(moment, waiter, cost));
        }
        self.counts.changed(&counts, run.counts());
        match (before, run.ended) {
            (None, Some(_)) => self.timers.unwatch_run(run),
            (Some((_, ended_at)), None) => {
                self.timers.watch_run(run);
                self.closed.remove(&(ended_at, id));
            }
            _ => {}
        }
        if before != run.ended || matches!(kind, EventKind::EffectDecided(_)) {
            self.closed.extend(closed_at(run).map(|ended_at| (ended_at, id)));
        }
    }

    /// A snapshot that was taken about the time of the restoration may hold the run already: it is the same.
    fn restore(&mut self, id: RunId, restored: &RunRestored) {
        if let Some(open) = self.runs.get_mut(&id).filter(|run| run.ended.is_none()) {
            return open.quarantine("it was restored while it was open".into());
        }
        let Some(run) = restored.take(id) else { return };
        self.forget(id);
        self.closed.extend(closed_at(&run).map(|ended_at| (ended_at, id)));
        if run.ended.is_none() {
            self.timers.watch(&run, 0..run.tasks.len());
            self.timers.watch_run(&run);
        }
        self.counts.changed(&Counts::default(), run.counts());
        self.submitted.insert((run.submitted_at, id));
        self.runs.insert(id, run);
    }

    /// Takes out a run; the rest of the state is dropped.
    pub fn into_run(mut self, id: RunId) -> Option<Run> {
        self.runs.remove(&id)
    }

    fn forget(&mut self, id: RunId) {
        if let Some(open) = self.runs.get_mut(&id).filter(|run| run.ended.is_none()) {
            return open.quarantine("it was archived while it was open".into());
        }
        if let Some(run) = self.runs.remove(&id) {
            self.counts.changed(run.counts(), &Counts::default());
            self.timers.unwatch(&run, 0..run.tasks.len());
            self.timers.unwatch_run(&run);
            self.submitted.remove(&(run.submitted_at, id));
            if let Some((_, ended_at)) = run.ended {
                self.closed.remove(&(ended_at, id));
            }
        }
    }

    /// Whether the speaker holds the task, or may become its holder by speaking first.
    ///
    /// # Errors
    ///
    /// [`Rejected::Fenced`] if it can not be the holder.
    pub fn admits(&self, speaker: &Speaker) -> Result<(), Rejected> {
        crate::decide::admit(self, speaker).map(drop)
    }

    /// Whether a task waits for an instance.
    pub fn is_ready(&self, task: TaskRef) -> bool {
        let found = self.run(task.run).and_then(|run| run.task(task.task));
        found.is_some_and(|task| matches!(task.state, TaskState::Ready { .. }))
    }

    /// The tasks of a run whose records have grown since this was asked the last time, perhaps with repetitions.
    pub fn take_news(&mut self, run: RunId) -> Vec<TaskIndex> {
        self.runs.get_mut(&run).map(Run::take_news).unwrap_or_default()
    }

    /// Extends the lease of whoever holds the task; `alive` tells that the handler itself has spoken.
    ///
    /// Volatile: nothing is journalled. A task that waits for an instance has no holder yet: whoever could become it
    /// is heard without an error, and nothing changes.
    ///
    /// # Errors
    ///
    /// [`Rejected::Fenced`] if the speaker can not be the holder: it may stop.
    pub fn heartbeat(&mut self, now: Millis, speaker: &Speaker, alive: Alive) -> Result<(), Rejected> {
        let (_, task) = crate::decide::admit(self, speaker)?;
        if task.holder().is_none() {
            return Ok(()); // its timers must not be set again: those that have come due have done their work
        }
        let (now, index) = (now.max(self.at), speaker.index().at());
        let Some(run) = self.runs.get_mut(&speaker.task.run) else { return Ok(()) };
        self.timers.unwatch(run, [index]);
        if let Some(task) = run.tasks.get_mut(index) {
            task.lease_until = task.lease_until.max(now.after(self.limits.lease));
            if alive == Alive::Handler {
                task.heard_at = task.heard_at.max(now);
            }
        }
        self.timers.watch(run, [index]);
        Ok(())
    }

    /// What a freshly replayed state owes the world: every holder gets one full lease, every task that is ready and
    /// due is offered again, unless its run is paused.
    pub fn recover(&mut self, now: Millis) -> Vec<Effect> {
        let now = now.max(self.at);
        let mut effects = Vec::new();
        let live = |run: &&mut Run| run.ended.is_none() && run.quarantined.is_none();
        for run in self.runs.values_mut().filter(live) {
            let _nobody_follows_yet = run.take_news();
            for index in 0..run.tasks.len() {
                match run.tasks[index].state {
                    TaskState::Running { .. } => {
                        self.timers.unwatch(run, [index]);
                        run.tasks[index].lease_until = now.after(self.limits.lease);
                        run.tasks[index].heard_at = now;
                        self.timers.watch(run, [index]);
                    }
                    TaskState::Ready { not_before, .. } if not_before <= now && run.paused.is_none() => {
                        self.timers.offered(run, index);
                        effects.extend(run.ready(TaskIndex(index as u32)).map(Effect::Offer));
                    }
                    _ => {}
                }
            }
        }
        effects
    }
}

/// When a run ended of which nothing is left to be said. As long as nobody knows whether an effect of it happened
/// somebody has to decide, and finds the run here.
fn closed_at(run: &Run) -> Option<Millis> {
    let (_, ended_at) = run.ended?;
    run.unknown_effects().next().is_none().then_some(ended_at)
}

/// Who was heard of: the instance that keeps the lease, or the handler itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alive {
    /// The instance says that it still has the task.
    Instance,
    /// The handler says that it makes progress.
    Handler,
}

impl Run {
    /// The tasks whose state or waiting an event changes that is applied next; but for those that get room in the budget.
    pub fn touched_by(&self, kind: &EventKind) -> Vec<TaskIndex> {
        touched(self, kind).into_iter().map(|index| TaskIndex(index as u32)).collect()
    }
}

/// The tasks whose state or waiting an event changes: those that it names, those that it lets run, and the parents that it
/// wakes.
fn touched(run: &Run, kind: &EventKind) -> Vec<usize> {
    let mut touched: Vec<usize> = match kind {
        EventKind::TaskAccepted(event) => vec![event.task.at()],
        EventKind::TaskCompleted(event) => run.dependents(event.task).chain([event.task]).map(TaskIndex::at).collect(),
        EventKind::AttemptFailed(event) => vec![event.task.at()],
        EventKind::AttemptLost(event) => vec![event.task.at()],
        EventKind::TasksSkipped(event) => event.tasks.iter().map(|task| task.at()).collect(),
        EventKind::TasksCancelled(event) => event.tasks.iter().map(|task| task.at()).collect(),
        EventKind::RunPaused(_)
        | EventKind::RunResumed(_)
        | EventKind::WallTimeSpent(_)
        | EventKind::BudgetToppedUp(_) => {
            let waits = |index: &usize| matches!(run.tasks[*index].state, TaskState::Ready { .. });
            (0..run.tasks.len()).filter(waits).collect()
        }
        EventKind::TaskResumed(event) => event.reopened.iter().chain([&event.task]).map(|task| task.at()).collect(),
        EventKind::StepRecorded(event) => vec![event.task.at()],
        EventKind::ChildrenSubmitted(event) => {
            let first = run.tasks.len();
            (first..first.saturating_add(event.children.len())).collect()
        }
        EventKind::EffectBegun(event) => vec![event.task.at()],
        EventKind::EffectUnknown(event) => vec![event.task.at()],
        EventKind::EffectDecided(event) => vec![event.task.at()],
        EventKind::WaitBegun(event) => run.met_by(event.task, &event.key, &event.wait),
        EventKind::WaitElapsed(event) => match run.record(event.task).and_then(|record| record.waits.get(&event.key)) {
            Some(wait) => run.met_at(event.task, wait),
            None => vec![event.task.at()],
        },
        EventKind::WaitsWithdrawn(event) => vec![event.task.at()],
        EventKind::SignalReceived(event) => run.signals().waits_for(&event.name).map(TaskIndex::at).collect(),
        EventKind::ApprovalAnswered(event) => {
            run.signals().meant(event.task, event.number).take(1).map(|(task, _)| task.at()).collect()
        }
        EventKind::TaskParked(event) => vec![event.task.at()],
        EventKind::TaskProgressed(_) => Vec::new(),
        EventKind::TaskFailed(event) => vec![event.task.at()],
        EventKind::UndoBegun(event) => {
            let first = run.tasks.len();
            (first..first.saturating_add(event.undos.len())).collect()
        }
        EventKind::RunSubmitted(_)
        | EventKind::RunEnded(_)
        | EventKind::RunsArchived(_)
        | EventKind::PagesForgotten(_)
        | EventKind::RunRestored(_)
        | EventKind::Schedule(_) => Vec::new(),
    };
    if run.authored() < run.tasks.len() {
        let parents = touched.iter().filter_map(|index| run.tasks.get(*index)?.parent.as_ref());
        let mut parents: Vec<usize> = parents.map(|parent| parent.task.at()).collect();
        parents.dedup();
        touched.append(&mut parents);
    }
    if run.undoing.is_some() {
        touched.extend(run.undos_left()); // the next may run
    }
    touched
}
