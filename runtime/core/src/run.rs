//! A run: the execution of one graph, folded from its events.

use crate::event::{
    AttemptFailed, AttemptLost, RunOutcome, RunSubmitted, TaskAccepted, TaskCompleted, TasksCancelled, TasksSkipped,
    Then,
};
use crate::input::Part;
use crate::limits::GraphLimits;
use crate::plan::{Plan, Planned};
use crate::task::{Counts, FailedAttempt};
use crate::{
    EventKind, Failure, FailureClass, Graph, InstanceId, Millis, Ready, RunId, Status, Task, TaskIndex, TaskRef,
    TaskState, Token,
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
    #[serde(skip)]
    pub(crate) plan: Arc<Plan>,
    #[serde(skip)]
    pub(crate) counts: Counts,
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
            submitted_at: at,
            timeout_ms: graph.timeout_ms,
            tasks: Vec::new(),
            ended: None,
            quarantined: None,
            paused: None,
            reopened_at: None,
            plan: Arc::default(),
            counts: Counts::default(),
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
            && self.tasks.len() == graph.tasks.len()
            && self.tasks.iter().zip(&graph.tasks).all(|(task, spec)| task.spec.is_same(spec))
    }

    /// The task at `index`.
    pub fn task(&self, index: TaskIndex) -> Option<&Task> {
        self.tasks.get(index.at())
    }

    /// The task named `name`.
    pub fn find(&self, name: &str) -> Option<TaskIndex> {
        (0..).zip(&self.tasks).find(|(_, task)| task.spec.name == name).map(|(index, _)| TaskIndex(index))
    }

    /// How many tasks have not ended.
    pub fn open(&self) -> usize {
        self.counts.open()
    }

    /// How many tasks stand where.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The tasks that wait for `index`, ascending.
    pub(crate) fn dependents(&self, index: TaskIndex) -> &[TaskIndex] {
        self.plan.dependents.of(index)
    }

    /// The input of a task with the outputs it refers to in place; `None` if one of them is not there yet.
    pub fn input(&self, index: TaskIndex) -> Option<Vec<Part>> {
        let edited = self.task(index)?.edited.as_ref().map(|edited| &edited.compiled);
        let input = edited.or_else(|| self.plan.inputs.get(index.at()))?;
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
        let mut seen = vec![false; self.tasks.len()];
        causes.iter().for_each(|cause| seen[cause.at()] = true);
        let mut doomed = Vec::new();
        let mut todo = causes.to_vec();
        while let Some(cause) = todo.pop() {
            for &dependent in self.dependents(cause) {
                let open = self.task(dependent).is_some_and(|task| !task.status().is_ended());
                if open && !std::mem::replace(&mut seen[dependent.at()], true) {
                    todo.push(dependent);
                    doomed.push(dependent);
                }
            }
        }
        // Not gathered by a scan of the run: then every failure in a large run would cost the size of the run.
        doomed.sort_unstable();
        doomed
    }

    /// Folds one event of this run. Total: what can not be followed puts the run in quarantine.
    pub(crate) fn apply(&mut self, at: Millis, kind: &EventKind, lease: std::time::Duration) {
        if self.quarantined.is_some() {
            return;
        }
        let known = match kind {
            EventKind::TaskAccepted(event) => self.accepted(at, event, lease),
            EventKind::TaskCompleted(event) => self.completed(at, event),
            EventKind::AttemptFailed(event) => self.failed(at, event),
            EventKind::AttemptLost(event) => self.lost(at, event),
            EventKind::TasksSkipped(event) => self.skipped(at, event),
            EventKind::TasksCancelled(event) => self.cancelled(at, event),
            EventKind::RunEnded(event) => (self.open() == 0 && self.ended.is_none()).then(|| {
                self.ended = Some((event.outcome, at));
                self.paused = None;
            }),
            EventKind::RunPaused(event) => (self.ended.is_none() && self.paused.is_none()).then(|| {
                self.paused = Some(event.reason.clone());
            }),
            EventKind::RunResumed(_) => self.unpaused(at),
            EventKind::TaskResumed(event) => self.resumed(at, event),
            EventKind::RunSubmitted(_)
            | EventKind::RunsArchived(_)
            | EventKind::RunRestored(_)
            | EventKind::Schedule(_) => None,
        };
        if known.is_none() {
            self.quarantine(format!("{} does not fit its state: {kind:?}", kind.name()));
        }
    }

    pub(crate) fn quarantine(&mut self, reason: String) {
        self.quarantined = Some(reason.chars().take(400).collect::<String>().into());
    }

    /// Moves a task to another state.
    pub(crate) fn put(&mut self, index: TaskIndex, state: TaskState) {
        let task = &mut self.tasks[index.at()];
        self.counts.moved(task.status(), state.status());
        task.state = state;
    }

    /// The task, if it is open.
    fn open_task(&mut self, index: TaskIndex) -> Option<&mut Task> {
        self.tasks.get_mut(index.at()).filter(|task| !task.status().is_ended())
    }

    /// The task, if this hand-out of it is the present one and may be spoken for by `holder`: the gate of `decide`,
    /// once more, because what has been read need not be what was written.
    fn spoken_for(&mut self, index: TaskIndex, token: Token, holder: Option<&InstanceId>) -> Option<&mut Task> {
        let task = self.tasks.get_mut(index.at()).filter(|task| task.token == token)?;
        match &task.state {
            TaskState::Ready { .. } => Some(task),
            TaskState::Running { holder: held, .. } => (Some(held) == holder).then_some(task),
            _ => None,
        }
    }

    fn end(&mut self, index: TaskIndex, at: Millis, state: TaskState) -> Option<()> {
        self.open_task(index)?.ended_at = Some(at);
        self.put(index, state);
        Some(())
    }

    fn accepted(&mut self, at: Millis, event: &TaskAccepted, lease: std::time::Duration) -> Option<()> {
        let task = self.spoken_for(event.task, event.token, None)?; // nobody holds it yet
        task.lease_until = at.after(lease);
        task.heard_at = at;
        self.put(event.task, TaskState::Running { holder: event.holder.clone(), since: at });
        Some(())
    }

    fn completed(&mut self, at: Millis, event: &TaskCompleted) -> Option<()> {
        self.spoken_for(event.task, event.token, Some(&event.holder))?;
        let state = TaskState::Completed { output: event.output.clone(), by: event.holder.clone() };
        self.end(event.task, at, state)?;
        let plan = self.plan.clone();
        for &dependent in plan.dependents.of(event.task) {
            if let TaskState::Blocked { waiting } = &mut self.tasks[dependent.at()].state {
                *waiting = waiting.checked_sub(1)?;
                if *waiting == 0 {
                    self.put(dependent, TaskState::Ready { not_before: at });
                }
            }
        }
        Some(())
    }

    fn failed(&mut self, at: Millis, event: &AttemptFailed) -> Option<()> {
        let task = self.spoken_for(event.task, event.token, event.holder.as_ref())?;
        let attempt = event.token.attempt;
        task.failures.push(FailedAttempt { attempt, at, failure: event.failure.clone() });
        task.failed_by = event.holder.clone();
        self.go_on(event.task, at, event.then, event.token.next_attempt())
    }

    fn lost(&mut self, at: Millis, event: &AttemptLost) -> Option<()> {
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
        self.go_on(event.task, at, event.then, event.token.next_activation())
    }

    fn go_on(&mut self, index: TaskIndex, at: Millis, then: Then, next: Token) -> Option<()> {
        match then {
            Then::Again(not_before) => {
                self.open_task(index)?.token = next;
                self.put(index, TaskState::Ready { not_before });
                Some(())
            }
            Then::Failed => self.end(index, at, TaskState::Failed),
            Then::Dead => self.end(index, at, TaskState::Dead),
        }
    }

    /// Whatever waits, waits from now on: how long it was paused counts for no limit.
    fn unpaused(&mut self, at: Millis) -> Option<()> {
        self.paused.take()?;
        for task in &mut self.tasks {
            if let TaskState::Ready { not_before } = &mut task.state {
                *not_before = at.max(*not_before);
            }
        }
        Some(())
    }

    fn skipped(&mut self, at: Millis, event: &TasksSkipped) -> Option<()> {
        let without_result = |task: &Task| task.status().is_ended() && task.output().is_none();
        self.task(event.cause).filter(|cause| without_result(cause))?;
        let blocked = |&task: &TaskIndex| self.task(task).is_some_and(|task| task.status() == Status::Blocked);
        event.tasks.iter().all(blocked).then_some(())?;
        event.tasks.iter().try_for_each(|&task| self.end(task, at, TaskState::Skipped { cause: event.cause }))
    }

    fn cancelled(&mut self, at: Millis, event: &TasksCancelled) -> Option<()> {
        let state = || TaskState::Cancelled { reason: event.reason.clone() };
        event.tasks.iter().try_for_each(|&task| self.end(task, at, state()))
    }
}
