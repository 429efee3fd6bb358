//! A run: the execution of one graph, folded from its events.

use crate::event::{
    AttemptFailed, AttemptLost, RunOutcome, RunSubmitted, TaskAccepted, TaskCompleted, TasksCancelled, TasksSkipped,
    Then,
};
use crate::graph::{GraphLimits, dependents};
use crate::input::Part;
use crate::task::FailedAttempt;
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
    /// How many tasks have not ended.
    #[serde(skip)]
    pub(crate) open: usize,
}

impl Run {
    pub(crate) fn new(id: RunId, at: Millis, submitted: &RunSubmitted) -> Self {
        let RunSubmitted { graph, key } = submitted;
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
            open: 0,
        };
        // Limits may be lowered between releases; what was once accepted stays valid.
        let unlimited = GraphLimits { tasks_max: usize::MAX, input_bytes_max: usize::MAX, graph_bytes_max: usize::MAX };
        match graph.plan(&unlimited) {
            Ok(plan) => {
                let dependents = dependents(plan.tasks.iter().map(|task| task.needs.as_slice()));
                let tasks = graph.tasks.iter().zip(plan.tasks).zip(dependents);
                run.tasks = tasks
                    .map(|((spec, planned), dependents)| {
                        Task::new(spec.clone(), planned.input, planned.needs.len() as u32, dependents, at)
                    })
                    .collect();
                run.open = run.tasks.len();
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
            && self.tasks.iter().map(|task| &task.spec).eq(&graph.tasks)
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
        self.open
    }

    /// The input of a task with the outputs it refers to in place; `None` if one of them is not there yet.
    pub fn input(&self, index: TaskIndex) -> Option<Vec<Part>> {
        self.task(index)?.resolve(|task| self.task(task)?.output())
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

    /// The open tasks that can never run once `causes` have ended without a result, ascending, without them.
    pub(crate) fn doomed_by(&self, causes: &[TaskIndex]) -> Vec<TaskIndex> {
        let mut seen = vec![false; self.tasks.len()];
        causes.iter().for_each(|cause| seen[cause.at()] = true);
        let mut doomed = Vec::new();
        let mut todo = causes.to_vec();
        while let Some(cause) = todo.pop() {
            let Some(task) = self.task(cause) else { continue };
            for &dependent in &task.dependents {
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
            EventKind::RunEnded(event) => (self.open == 0 && self.ended.is_none()).then(|| {
                self.ended = Some((event.outcome, at));
            }),
            EventKind::RunSubmitted(_) | EventKind::RunsArchived(_) => None,
        };
        if known.is_none() {
            self.quarantine(format!("{} does not fit its state: {kind:?}", kind.name()));
        }
    }

    pub(crate) fn quarantine(&mut self, reason: String) {
        self.quarantined = Some(reason.chars().take(400).collect::<String>().into());
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
        let task = self.open_task(index)?;
        task.state = state;
        task.ended_at = Some(at);
        self.open = self.open.checked_sub(1)?;
        Some(())
    }

    fn accepted(&mut self, at: Millis, event: &TaskAccepted, lease: std::time::Duration) -> Option<()> {
        let task = self.spoken_for(event.task, event.token, None)?; // nobody holds it yet
        task.state = TaskState::Running { holder: event.holder.clone(), since: at };
        task.lease_until = at.after(lease);
        task.heard_at = at;
        Some(())
    }

    fn completed(&mut self, at: Millis, event: &TaskCompleted) -> Option<()> {
        self.spoken_for(event.task, event.token, Some(&event.holder))?;
        let state = TaskState::Completed { output: event.output.clone(), by: event.holder.clone() };
        self.end(event.task, at, state)?;
        let dependents = self.tasks[event.task.at()].dependents.clone();
        for dependent in dependents {
            let task = &mut self.tasks[dependent.at()];
            if let TaskState::Blocked { waiting } = &mut task.state {
                *waiting = waiting.checked_sub(1)?;
                if *waiting == 0 {
                    task.state = TaskState::Ready { not_before: at };
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
                let task = self.open_task(index)?;
                task.token = next;
                task.state = TaskState::Ready { not_before };
                Some(())
            }
            Then::Failed => self.end(index, at, TaskState::Failed),
            Then::Dead => self.end(index, at, TaskState::Dead),
        }
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
