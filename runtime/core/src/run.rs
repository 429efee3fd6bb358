//! A run: the execution of one graph, folded from its events.

use crate::budget::Ledger;
use crate::event::{
    AttemptFailed, AttemptLost, RunOutcome, RunSubmitted, TaskAccepted, TaskCompleted, TasksCancelled, TasksSkipped,
    Then,
};
use crate::input::Part;
use crate::limits::GraphLimits;
use crate::plan::{Plan, Planned};
use crate::record::{Grown, Moment, Signals};
use crate::sabotage::{self, Sabotage};
use crate::task::{Counts, FailedAttempt};
use crate::{
    EventKind, Failure, FailureClass, Graph, InstanceId, Millis, Ready, RunId, Status, Task, TaskIndex, TaskRef,
    TaskState, Token, TraceParent,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One execution of a workflow.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The workflow's name.
    pub name: Arc<str>,
    /// The key under which it was submitted.
    pub key: Option<Arc<str>>,
    /// On whose behalf it runs.
    pub tenant: Option<Arc<str>>,
    /// What it can be found by.
    pub labels: BTreeMap<String, String>,
    /// The span from outside to which it belongs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceParent>,
    /// When it was submitted.
    pub submitted_at: Millis,
    /// How long it may take.
    pub timeout_ms: Option<u64>,
    /// Its tasks, in the order of the graph.
    pub tasks: Vec<Task>,
    /// How and when it ended, if it has.
    pub ended: Option<(RunOutcome, Millis)>,
    /// What is wrong with its history, if it can not be followed: nothing may be added to it.
    pub quarantined: Option<Arc<str>>,
    /// By whom or why it starts no more tasks, if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Arc<str>>,
    /// When it was opened again, if it had ended before: its timeout counts from then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reopened_at: Option<Millis>,
    /// How it ends when everything that is to be undone is, if that was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undoing: Option<RunOutcome>,
    /// What was sent to it, and where its tasks meet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signals: Option<Box<Signals>>,
    /// What it may cost, and has cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ledger: Option<Box<Ledger>>,
    #[serde(skip)]
    pub(crate) plan: Arc<Plan>,
    /// What it has beyond the plan.
    #[serde(skip)]
    pub(crate) grown: Box<Grown>,
    #[serde(skip)]
    pub(crate) counts: Counts,
    /// Those that no other task has asked for: they say how the run ended.
    #[serde(skip)]
    pub(crate) own: Counts,
    /// Volatile: the tasks whose records have grown since somebody asked.
    #[serde(skip)]
    pub(crate) news: Vec<TaskIndex>,
}

impl Run {
    pub(crate) fn new(id: RunId, at: Millis, submitted: &RunSubmitted) -> Self {
        let RunSubmitted { graph, key, plan: Planned(plan) } = submitted;
        let mut run = Self {
            id,
            name: graph.name.as_str().into(),
            key: key.as_deref().map(Into::into),
            tenant: graph.tenant.as_deref().map(Into::into),
            labels: graph.labels.clone(),
            trace: graph.trace,
            submitted_at: at,
            timeout_ms: graph.timeout_ms,
            tasks: Vec::new(),
            ended: None,
            quarantined: None,
            paused: None,
            reopened_at: None,
            undoing: None,
            signals: None,
            ledger: graph.budget.filter(|budget| !budget.is_none()).map(|budget| Box::new(Ledger::new(budget))),
            plan: Arc::default(),
            grown: Box::default(),
            counts: Counts::default(),
            own: Counts::default(),
            news: Vec::new(),
        };
        // Limits may be lowered between releases; what was once accepted stays valid.
        let planned = match plan {
            Some(prepared) => Ok((prepared.plan.clone(), prepared.tasks(graph, at))),
            None => graph.plan(&GraphLimits::NONE).map(|plan| (Arc::new(plan), Vec::new())),
        };
        match planned {
            Ok((plan, tasks)) => {
                run.tasks = if tasks.is_empty() { plan.tasks(graph, at) } else { tasks };
                run.tasks.iter().for_each(|task| run.counts.add(task.status()));
                run.own = run.counts;
                run.plan = plan;
            }
            Err(faults) => run.quarantine(format!("its graph has {} faults, the first: {}", faults.len(), faults[0])),
        }
        run
    }

    /// Whether this is the run of that graph.
    pub fn is_of(&self, graph: &Graph) -> bool {
        *self.name == *graph.name
            && self.timeout_ms == graph.timeout_ms
            && self.tenant.as_deref() == graph.tenant.as_deref()
            && self.labels == graph.labels
            && self.given_budget() == graph.budget.filter(|budget| !budget.is_none())
            && self.authored() == graph.tasks.len()
            && self.tasks.iter().zip(&graph.tasks).all(|(task, spec)| task.spec.is_same(spec))
    }

    /// How many of its tasks are its author's: those that came later stand behind them.
    pub fn authored(&self) -> usize {
        self.plan.inputs.len()
    }

    /// The task at `index`.
    pub fn task(&self, index: TaskIndex) -> Option<&Task> {
        self.tasks.get(index.at())
    }

    /// The task named `name`.
    pub fn find(&self, name: &str) -> Option<TaskIndex> {
        let by_name = &self.plan.by_name;
        let found = by_name.binary_search_by(|task| self.tasks[task.at()].spec.name.as_str().cmp(name));
        found.map_or_else(|_| self.grown.find(name), |at| by_name.get(at).copied())
    }

    /// How many tasks have not ended.
    pub fn open(&self) -> usize {
        self.counts.open()
    }

    /// How many tasks stand where.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many of those that no other task has asked for stand where.
    pub(crate) fn own_counts(&self) -> &Counts {
        &self.own
    }

    /// The tasks that wait for `index`, ascending.
    pub(crate) fn dependents(&self, index: TaskIndex) -> impl Iterator<Item = TaskIndex> {
        self.plan.dependents.of(index).iter().chain(self.grown.dependents(index)).copied()
    }

    /// The distinct tasks that `index` waits for, ascending.
    pub fn needs(&self, index: TaskIndex) -> &[TaskIndex] {
        match index.at().checked_sub(self.authored()) {
            None => self.plan.needs.of(index),
            Some(at) => self.grown.needs(at),
        }
    }

    /// The children of a task, in the order in which they were asked for.
    pub fn children(&self, index: TaskIndex) -> &[TaskIndex] {
        self.grown.children(index)
    }

    pub(crate) fn signals(&self) -> &Signals {
        static NONE: std::sync::LazyLock<Signals> = std::sync::LazyLock::new(Signals::default);
        self.signals.as_deref().unwrap_or(&NONE)
    }

    pub(crate) fn signals_mut(&mut self) -> &mut Signals {
        self.signals.get_or_insert_default()
    }

    /// The approvals that wait for an answer, of the tasks behind one or of all, by task: the task, and the number among
    /// its approvals.
    pub fn open_approvals(&self, behind: Option<TaskIndex>) -> impl Iterator<Item = (TaskIndex, u32)> {
        self.signals.iter().flat_map(move |signals| signals.open_approvals(behind))
    }

    /// The tasks whose records have grown since this was called the last time, perhaps with repetitions.
    pub(crate) fn take_news(&mut self) -> Vec<TaskIndex> {
        std::mem::take(&mut self.news)
    }

    /// The input of a task with the outputs it refers to in place; `None` if one of them is not there yet.
    pub fn input(&self, index: TaskIndex) -> Option<Vec<Part>> {
        let edited = self.task(index)?.edited.as_ref().map(|edited| &edited.compiled);
        let planned = || match index.at().checked_sub(self.authored()) {
            None => self.plan.inputs.get(index.at()),
            Some(at) => self.grown.input(at),
        };
        let input = edited.or_else(planned)?;
        input.resolve(|task| self.task(task)?.output())
    }

    /// A hash of the journalled part of the run: equal after every replay of the same events.
    pub fn digest(&self) -> String {
        let json = serde_json::to_vec(self).expect("a run always has a JSON form");
        blake3::hash(&json).to_hex().to_string()
    }

    /// What the backlog has to know of a task that waits for an instance; `None` if it does not.
    pub fn ready(&self, index: TaskIndex) -> Option<Ready> {
        let task = self.task(index)?;
        let is_ready = matches!(task.state, TaskState::Ready { .. });
        is_ready.then(|| task.as_ready(TaskRef { run: self.id, task: index }))
    }

    /// Every task that waits for an instance, in the order of the graph.
    pub(crate) fn all_ready(&self) -> impl Iterator<Item = Ready> {
        (0..self.tasks.len() as u32).filter_map(|index| self.ready(TaskIndex(index)))
    }

    /// The open tasks that can never run once `causes` have ended without a result, ascending, without them.
    pub(crate) fn doomed_by(&self, causes: &[TaskIndex]) -> Vec<TaskIndex> {
        let each = self.doomed_by_each(causes);
        let mut doomed: Vec<TaskIndex> = each.into_values().flatten().collect();
        // Not gathered by a scan of the run: then every failure in a large run would cost the size of the run.
        doomed.sort_unstable();
        doomed
    }

    /// The open tasks that can never run once `causes` have ended without a result, each under the first that dooms it.
    pub(crate) fn doomed_by_each(&self, causes: &[TaskIndex]) -> BTreeMap<TaskIndex, Vec<TaskIndex>> {
        let mut seen = vec![false; self.tasks.len()];
        causes.iter().for_each(|cause| seen[cause.at()] = true);
        let mut all = BTreeMap::new();
        for &cause in causes {
            let mut doomed = Vec::new();
            let mut todo = vec![cause];
            while let Some(spoilt) = todo.pop() {
                for dependent in self.dependents(spoilt) {
                    let open = self.task(dependent).is_some_and(|task| !task.status().is_ended());
                    if open && !std::mem::replace(&mut seen[dependent.at()], true) {
                        todo.push(dependent);
                        doomed.push(dependent);
                    }
                }
            }
            if !doomed.is_empty() {
                doomed.sort_unstable();
                all.insert(cause, doomed);
            }
        }
        all
    }

    /// Folds one event of this run. Total: what can not be followed puts the run in quarantine.
    pub(crate) fn apply(&mut self, moment: Moment, kind: &EventKind, lease: std::time::Duration) {
        if self.quarantined.is_some() {
            return;
        }
        let at = moment.at;
        let known = match kind {
            EventKind::TaskAccepted(event) => self.accepted(at, event, lease),
            EventKind::TaskCompleted(event) => self.completed(moment, event),
            EventKind::AttemptFailed(event) => self.failed(moment, event),
            EventKind::AttemptLost(event) => self.lost(moment, event),
            EventKind::TasksSkipped(event) => self.skipped(moment, event),
            EventKind::TasksCancelled(event) => self.cancelled(moment, event),
            EventKind::RunEnded(event) => (self.open() == 0 && self.ended.is_none()).then(|| {
                self.ended = Some((event.outcome, at));
                self.paused = None;
                if let Some(ledger) = &mut self.ledger {
                    (ledger.wall_spent, ledger.pauses) = (false, false);
                }
            }),
            EventKind::RunPaused(event) => (self.ended.is_none() && self.may_be_paused()).then(|| {
                self.paused = Some(event.reason.clone());
                self.ledger.iter_mut().for_each(|ledger| ledger.pauses = false);
            }),
            EventKind::RunResumed(_) => self.unpaused(at),
            EventKind::TaskResumed(event) => self.resumed(at, event),
            EventKind::StepRecorded(event) => self.step_recorded(moment, event),
            EventKind::ChildrenSubmitted(event) => self.children_submitted(moment, event),
            EventKind::EffectBegun(event) => self.effect_begun(moment, event),
            EventKind::EffectUnknown(event) => self.effect_unknown(moment, event),
            EventKind::EffectDecided(event) => self.effect_decided(moment, event),
            EventKind::WaitBegun(event) => self.wait_begun(moment, event),
            EventKind::WaitElapsed(event) => self.wait_elapsed(moment, event),
            EventKind::WaitsWithdrawn(event) => self.waits_withdrawn(moment, event),
            EventKind::SignalReceived(event) => self.signal_received(moment, event),
            EventKind::ApprovalAnswered(event) => self.approval_answered(moment, event),
            EventKind::TaskParked(event) => self.parked(moment, event),
            EventKind::TaskProgressed(event) => self.progressed(event),
            EventKind::TaskFailed(event) => self.task_failed(moment, event),
            EventKind::UndoBegun(event) => self.undo_begun(moment, event),
            EventKind::BudgetToppedUp(event) => self.topped_up(moment, event),
            EventKind::WallTimeSpent(event) => self.wall_time_spent(event),
            EventKind::RunSubmitted(_)
            | EventKind::RunsArchived(_)
            | EventKind::PagesForgotten(_)
            | EventKind::RunRestored(_)
            | EventKind::Schedule(_) => None,
        };
        match known {
            Some(()) => self.unblock_undo(moment),
            None => self.quarantine(format!("{} does not fit its state: {kind:?}", kind.name())),
        }
    }

    /// Whether nobody has paused it: that its time is spent keeps nobody from doing so.
    pub(crate) fn may_be_paused(&self) -> bool {
        self.paused.is_none() || self.ledger().is_some_and(|ledger| ledger.pauses)
    }

    pub(crate) fn quarantine(&mut self, reason: String) {
        self.quarantined = Some(reason.chars().take(400).collect::<String>().into());
    }

    /// Moves a task to another state.
    pub(crate) fn put(&mut self, index: TaskIndex, state: TaskState) {
        let task = &mut self.tasks[index.at()];
        self.counts.moved(task.status(), state.status());
        if task.parent.is_none() {
            self.own.moved(task.status(), state.status());
        }
        match (task.undoes, state.status().is_ended()) {
            (Some(_), true) => drop(self.grown.open_undos.remove(&index)),
            (Some(_), false) => drop(self.grown.open_undos.insert(index)),
            (None, _) => {}
        }
        task.state = state;
    }

    /// The task, if it is open.
    fn open_task(&mut self, index: TaskIndex) -> Option<&mut Task> {
        self.tasks.get_mut(index.at()).filter(|task| !task.status().is_ended())
    }

    /// The task, if this hand-out of it is the present one and may be spoken for by `holder`: the gate of `decide`,
    /// once more, because what has been read need not be what was written.
    fn spoken_for(&mut self, index: TaskIndex, token: Token, holder: Option<&InstanceId>) -> Option<&mut Task> {
        let is_heard = |task: &Task| task.token == token || sabotage::is(Sabotage::NoHolderCheck);
        let task = self.tasks.get_mut(index.at()).filter(|task| is_heard(task))?;
        match &task.state {
            _ if sabotage::is(Sabotage::NoHolderCheck) => Some(task),
            TaskState::Ready { .. } => Some(task),
            TaskState::Running { holder: held, .. } => (Some(held) == holder).then_some(task),
            _ => None,
        }
    }

    pub(crate) fn end(&mut self, index: TaskIndex, moment: Moment, state: TaskState) -> Option<()> {
        self.open_task(index)?.ended_at = Some(moment.at);
        self.put(index, state);
        if self.tasks[index.at()].record.is_some() {
            self.withdraw_all(index);
            self.close(moment, index);
        }
        self.tell_parent(moment, index);
        Some(())
    }

    fn accepted(&mut self, at: Millis, event: &TaskAccepted, lease: std::time::Duration) -> Option<()> {
        let task = self.spoken_for(event.task, event.token, None)?; // nobody holds it yet
        task.lease_until = at.after(lease);
        task.heard_at = at;
        self.put(event.task, TaskState::Running { holder: event.holder.clone(), since: at });
        self.ledger.iter_mut().for_each(|ledger| ledger.take(event.task));
        Some(())
    }

    fn completed(&mut self, moment: Moment, event: &TaskCompleted) -> Option<()> {
        self.spoken_for(event.task, event.token, Some(&event.holder))?;
        let state = TaskState::Completed { output: event.output.clone(), by: event.holder.clone() };
        self.end(event.task, moment, state)?;
        let at = moment.at;
        let dependents: Vec<TaskIndex> = self.dependents(event.task).collect();
        for dependent in dependents {
            if let TaskState::Blocked { waiting } = &mut self.tasks[dependent.at()].state {
                *waiting = waiting.checked_sub(1)?;
                if *waiting == 0 {
                    self.put(dependent, TaskState::ready(at));
                }
            }
        }
        Some(())
    }

    fn failed(&mut self, moment: Moment, event: &AttemptFailed) -> Option<()> {
        let at = moment.at;
        let task = self.spoken_for(event.task, event.token, event.holder.as_ref())?;
        let attempt = event.token.attempt;
        task.failures.push(FailedAttempt { attempt, at, failure: event.failure.clone() });
        task.failed_by = event.holder.clone();
        if let Then::Again(_) = event.then {
            self.close(moment, event.task);
            self.next_attempt(event.task);
        }
        self.go_on(event.task, moment, event.then, event.token.next_attempt())
    }

    fn lost(&mut self, moment: Moment, event: &AttemptLost) -> Option<()> {
        let at = moment.at;
        let task = self.spoken_for(event.task, event.token, Some(&event.holder))?;
        if event.reason != crate::LossReason::Released {
            task.losses = task.losses.saturating_add(1);
        }
        if event.then == Then::Dead {
            let message = format!(
                "{} activations were cut short, the last of {}: {}",
                task.losses,
                event.holder,
                event.reason.in_words()
            );
            let failure = Failure::new(FailureClass::Retryable, message);
            task.failures.push(FailedAttempt { attempt: event.token.attempt, at, failure });
        }
        if let Then::Again(_) = event.then {
            self.charge(moment, event.task);
        }
        self.go_on(event.task, moment, event.then, event.token.next_activation())
    }

    fn go_on(&mut self, index: TaskIndex, moment: Moment, then: Then, next: Token) -> Option<()> {
        match then {
            Then::Again(not_before) => {
                self.open_task(index)?.token = next;
                self.put(index, TaskState::ready(not_before));
                Some(())
            }
            Then::Failed => self.end(index, moment, TaskState::Failed),
            Then::Dead => self.end(index, moment, TaskState::Dead),
        }
    }

    /// Whatever waits, waits from now on: how long it was paused counts for no limit.
    pub(crate) fn unpaused(&mut self, at: Millis) -> Option<()> {
        self.paused.take()?;
        self.ledger.iter_mut().for_each(|ledger| ledger.pauses = false);
        for task in &mut self.tasks {
            if let TaskState::Ready { not_before, .. } = &mut task.state {
                *not_before = at.max(*not_before);
            }
        }
        Some(())
    }

    fn skipped(&mut self, moment: Moment, event: &TasksSkipped) -> Option<()> {
        let without_result = |task: &Task| task.status().is_ended() && task.output().is_none();
        self.task(event.cause).filter(|cause| without_result(cause))?;
        let blocked = |&task: &TaskIndex| self.task(task).is_some_and(|task| task.status() == Status::Blocked);
        event.tasks.iter().all(blocked).then_some(())?;
        event.tasks.iter().try_for_each(|&task| self.end(task, moment, TaskState::Skipped { cause: event.cause }))
    }

    fn cancelled(&mut self, moment: Moment, event: &TasksCancelled) -> Option<()> {
        let state = || TaskState::Cancelled { reason: event.reason.clone() };
        event.tasks.iter().try_for_each(|&task| self.end(task, moment, state()))
    }
}
