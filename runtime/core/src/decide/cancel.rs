//! Cancellation.

use super::{end_run, run, without_result};
use crate::command::Draft;
use crate::event::{EventKind, TasksCancelled, TasksSkipped};
use crate::{Effect, Rejected, Run, RunId, Speaker, State, Status, StopReason, TaskIndex, TaskRef};
use std::sync::Arc;

/// Cancels every open task of a run, and so ends it.
pub(super) fn cancel(state: &State, draft: &mut Draft, id: RunId, reason: Arc<str>) -> Result<(), Rejected> {
    let run = run(state, id)?;
    if let Some((outcome, _)) = run.ended {
        return Err(Rejected::Ended { run: id, outcome });
    }
    if run.undoing.is_some() {
        return Err(Rejected::Undoing { run: id });
    }
    draft_cancel(draft, run, reason, StopReason::Cancelled, Status::Cancelled);
    Ok(())
}

/// Cancels one task, as if it had failed: what it has asked for is cancelled with it, what needs it is skipped, and whoever has
/// asked for it is told. What undoes something goes on: a run that is being undone is not left half undone.
pub(super) fn cancel_task(state: &State, draft: &mut Draft, task: TaskRef, reason: Arc<str>) -> Result<(), Rejected> {
    let run = run(state, task.run)?;
    if let Some((outcome, _)) = run.ended {
        return Err(Rejected::Ended { run: run.id, outcome });
    }
    if run.undoing.is_some() {
        return Err(Rejected::Undoing { run: run.id });
    }
    let status = run.task(task.task).ok_or(Rejected::NoTask(task))?.status();
    if status.is_ended() {
        return Err(Rejected::TaskEnded { task, status });
    }
    stop_holder(draft, run, task.task, StopReason::Cancelled);
    draft.event(Some(run.id), EventKind::TasksCancelled(TasksCancelled { tasks: vec![task.task], reason }));
    without_result(draft, run, &[task.task], Status::Cancelled);
    Ok(())
}

/// `status` says whether this counts as a cancellation or as a failure of the run.
pub(super) fn draft_cancel(draft: &mut Draft, run: &Run, reason: Arc<str>, stop: StopReason, status: Status) {
    let open = |index: &TaskIndex| run.task(*index).is_some_and(|task| !task.status().is_ended());
    let tasks: Vec<TaskIndex> = (0..run.tasks.len() as u32).map(TaskIndex).filter(open).collect();
    for &index in &tasks {
        stop_holder(draft, run, index, stop);
    }
    draft.event(Some(run.id), EventKind::TasksCancelled(TasksCancelled { tasks, reason }));
    end_run(draft, run, 0, Some(status));
}

/// Cancels these tasks and all that they have asked for, and skips what can not run without them.
pub(super) fn draft_cancel_some(draft: &mut Draft, run: &Run, tasks: &[TaskIndex], reason: &str) {
    let open = |index: &TaskIndex| run.task(*index).is_some_and(|task| !task.status().is_ended());
    let mut tasks: Vec<TaskIndex> = tasks.iter().copied().filter(open).chain(run.open_below(tasks)).collect();
    tasks.sort_unstable();
    tasks.dedup();
    if tasks.is_empty() {
        return;
    }
    tasks.iter().for_each(|&task| stop_holder(draft, run, task, StopReason::Cancelled));
    let doomed = run.doomed_by_each(&tasks);
    draft.event(Some(run.id), EventKind::TasksCancelled(TasksCancelled { tasks, reason: reason.into() }));
    for (cause, tasks) in doomed {
        draft.event(Some(run.id), EventKind::TasksSkipped(TasksSkipped { tasks, cause }));
    }
}

pub(super) fn stop_holder(draft: &mut Draft, run: &Run, index: TaskIndex, reason: StopReason) {
    let Some(task) = run.task(index) else { return };
    if let Some(holder) = task.holder() {
        let task_ref = TaskRef { run: run.id, task: index };
        let speaker = Speaker { task: task_ref, token: task.token, holder: holder.clone() };
        draft.effect(Effect::Stop { speaker, reason });
    }
}
