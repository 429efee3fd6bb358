//! A state as it stands in the middle of a step: what the events so far have changed, beside the state.

use crate::{
    Event, EventKind, InstanceId, Millis, Run, RunId, RunSubmitted, State, TaskIndex, TaskRef, TaskState, Then, Token,
};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where a task stands, as far as an invariant cares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    /// Waits for other tasks.
    Blocked,
    /// May be handed out, from then on.
    Ready(Millis),
    /// Held by an instance.
    Running,
    /// Waits for something durable.
    Parked,
    /// Added by this step, and open.
    Added,
    /// Has a result.
    Completed,
    /// Ended without one.
    Spoilt,
}

impl Phase {
    pub(super) fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Spoilt)
    }
}

/// A task in the middle of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now<'a> {
    pub(super) phase: Phase,
    pub(super) token: Token,
    pub(super) holder: Option<&'a InstanceId>,
}

/// What this step has done to one run so far.
#[derive(Default)]
struct Changes<'a> {
    tasks: BTreeMap<TaskIndex, Now<'a>>,
    /// Tasks that were skipped or cancelled: these may be very many, so each is a bit.
    spoilt: Vec<u64>,
    /// Tasks that were added.
    added: usize,
    /// Tasks that ended, less those that have another life.
    ended: i64,
    is_over: bool,
    /// Whether it starts tasks again.
    is_opened: bool,
    /// What was recorded, by task and key.
    recorded: BTreeSet<(TaskIndex, &'a Arc<str>)>,
    /// The run, if this step submits or restores it.
    fresh: Option<Option<&'a RunSubmitted>>,
}

/// The state, and the events of the step so far.
pub(super) struct View<'a> {
    pub(super) state: &'a State,
    /// What has become of the run that was changed first: of most steps it is the only one.
    first: Option<(RunId, Changes<'a>)>,
    others: BTreeMap<RunId, Changes<'a>>,
    /// The run that was looked for last: most of a step is about one.
    found: Cell<Option<(RunId, Option<&'a Run>)>>,
}

impl<'a> View<'a> {
    pub(super) fn new(state: &'a State) -> Self {
        Self { state, first: None, others: BTreeMap::new(), found: Cell::new(None) }
    }

    /// The run as it was before the step, if it is in memory.
    pub(super) fn run(&self, id: RunId) -> Option<&'a Run> {
        match self.found.get() {
            Some((found, run)) if found == id => run,
            _ => {
                let run = self.state.run(id);
                self.found.set(Some((id, run)));
                run
            }
        }
    }

    fn changes(&self, run: RunId) -> Option<&Changes<'a>> {
        match &self.first {
            Some((first, changes)) if *first == run => Some(changes),
            Some(_) => self.others.get(&run),
            None => None,
        }
    }

    /// Whether this step has submitted or restored the run.
    pub(super) fn is_fresh(&self, run: RunId) -> bool {
        self.changes(run).is_some_and(|changes| changes.fresh.is_some())
    }

    /// What this step has submitted as this run.
    pub(super) fn submitted(&self, run: RunId) -> Option<&'a RunSubmitted> {
        self.changes(run)?.fresh?
    }

    /// Whether this step has ended the run.
    pub(super) fn is_over(&self, run: RunId) -> bool {
        self.changes(run).is_some_and(|changes| changes.is_over)
    }

    /// Whether this step lets the run start tasks again.
    pub(super) fn is_opened(&self, run: RunId) -> bool {
        self.changes(run).is_some_and(|changes| changes.is_opened)
    }

    /// How a task stands now.
    pub(super) fn task(&self, run: &'a Run, index: TaskIndex) -> Option<Now<'a>> {
        let changes = self.changes(run.id);
        let spoilt = changes.is_some_and(|changes| changes.is_spoilt(index));
        if let Some(now) = changes.and_then(|changes| changes.tasks.get(&index)) {
            return Some(if spoilt { Now { phase: Phase::Spoilt, ..*now } } else { *now });
        }
        let Some(task) = run.task(index) else {
            let added = changes.map_or(0, |changes| changes.added);
            let phase = if spoilt { Phase::Spoilt } else { Phase::Added };
            let is_new = index.at() < run.tasks.len().saturating_add(added);
            return is_new.then_some(Now { phase, token: Token::FIRST, holder: None });
        };
        let phase = match &task.state {
            _ if spoilt => Phase::Spoilt,
            TaskState::Blocked { .. } => Phase::Blocked,
            TaskState::Ready { not_before, .. } => Phase::Ready(*not_before),
            TaskState::Running { .. } => Phase::Running,
            TaskState::Parked { .. } => Phase::Parked,
            TaskState::Completed { .. } => Phase::Completed,
            TaskState::Failed | TaskState::Dead | TaskState::Cancelled { .. } | TaskState::Skipped { .. } => {
                Phase::Spoilt
            }
        };
        Some(Now { phase, token: task.token, holder: task.holder() })
    }

    /// How many tasks of a run are open.
    pub(super) fn open(&self, run: &Run) -> i64 {
        let changes = self.changes(run.id);
        let (added, ended) = changes.map_or((0, 0), |changes| (changes.added as i64, changes.ended));
        run.open() as i64 + added - ended
    }

    /// Whether this step has recorded something under this key before.
    pub(super) fn has_recorded(&self, task: TaskRef, key: &Arc<str>) -> bool {
        self.changes(task.run).is_some_and(|changes| changes.recorded.contains(&(task.task, key)))
    }

    /// Follows an event that others come behind.
    pub(super) fn follow(&mut self, event: &'a Event) {
        let Some(id) = event.run else { return };
        let run = self.run(id);
        let at = event.at;
        let (first, changes) = self.first.get_or_insert_with(|| (id, Changes::default()));
        let changes = if *first == id { changes } else { self.others.entry(id).or_default() };
        let token = |index: TaskIndex| run.and_then(|run| run.task(index)).map_or(Token::FIRST, |task| task.token);
        match &event.kind {
            EventKind::RunSubmitted(submitted) => changes.fresh = Some(Some(submitted)),
            EventKind::RunRestored(_) => changes.fresh = Some(None),
            EventKind::TaskAccepted(it) => {
                changes.put(it.task, Phase::Running, it.token, Some(&it.holder));
            }
            EventKind::TaskCompleted(it) => changes.end(it.task, Phase::Completed, it.token),
            EventKind::AttemptFailed(it) => changes.go_on(it.task, it.token, it.then, it.token.next_attempt()),
            EventKind::AttemptLost(it) => changes.go_on(it.task, it.token, it.then, it.token.next_activation()),
            EventKind::TaskFailed(it) => changes.end(it.task, Phase::Spoilt, token(it.task)),
            EventKind::TaskParked(it) => {
                // What waits at a gate is offered, and handed out when it is let through.
                let phase = if it.gate.is_some() { Phase::Ready(at) } else { Phase::Parked };
                changes.put(it.task, phase, it.token.next_activation(), None);
            }
            EventKind::TasksSkipped(it) => changes.spoil(&it.tasks),
            EventKind::TasksCancelled(it) => changes.spoil(&it.tasks),
            EventKind::TaskResumed(it) => {
                changes.ended -= 1 + it.reopened.len() as i64;
                changes.put(it.task, Phase::Ready(at), it.token, None);
                it.reopened.iter().for_each(|&task| changes.put(task, Phase::Blocked, token(task), None));
            }
            EventKind::ChildrenSubmitted(it) => {
                changes.added += it.children.len();
                changes.recorded.extend(it.children.iter().map(|child| (it.task, &child.key)));
            }
            EventKind::UndoBegun(it) => {
                changes.added += it.undos.len();
                changes.is_opened = run.is_some_and(|run| run.paused.is_none());
            }
            EventKind::RunResumed(_) => changes.is_opened = true,
            EventKind::BudgetToppedUp(it) => {
                changes.is_opened = run.is_some_and(|run| run.is_unpaused_by(at, &it.amount))
            }
            EventKind::StepRecorded(it) => drop(changes.recorded.insert((it.task, &it.key))),
            EventKind::WaitBegun(it) => drop(changes.recorded.insert((it.task, &it.key))),
            EventKind::RunEnded(_) => changes.is_over = true,
            _ => {}
        }
    }
}

impl<'a> Changes<'a> {
    fn put(&mut self, task: TaskIndex, phase: Phase, token: Token, holder: Option<&'a InstanceId>) {
        self.tasks.insert(task, Now { phase, token, holder });
    }

    fn end(&mut self, task: TaskIndex, phase: Phase, token: Token) {
        self.ended += 1;
        self.put(task, phase, token, None);
    }

    fn go_on(&mut self, task: TaskIndex, token: Token, then: Then, next: Token) {
        match then {
            Then::Again(at) => self.put(task, Phase::Ready(at), next, None),
            Then::Failed | Then::Dead => self.end(task, Phase::Spoilt, token),
        }
    }

    fn spoil(&mut self, tasks: &[TaskIndex]) {
        self.ended += tasks.len() as i64;
        for task in tasks {
            let word = task.at() / 64;
            if self.spoilt.len() <= word {
                self.spoilt.resize(word + 1, 0);
            }
            self.spoilt[word] |= 1 << (task.at() % 64);
        }
    }

    fn is_spoilt(&self, task: TaskIndex) -> bool {
        self.spoilt.get(task.at() / 64).is_some_and(|word| word >> (task.at() % 64) & 1 == 1)
    }
}
