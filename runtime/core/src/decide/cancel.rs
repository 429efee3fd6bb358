//! Cancellation.

use super::{end_run, run};
use crate::command::Draft;
use crate::event::{EventKind, TasksCancelled};
use crate::{Effect, Rejected, Run, RunId, Speaker, State, Status, StopReason, TaskIndex, TaskRef};
use std::sync::Arc;

/// Cancels every open task of a run, and so ends it.
pub(super) fn cancel(state: &State, draft: &mut Draft, id: RunId, reason: Arc<str>) -> Result<(), Rejected> {
    let run = run(state, id)?;
    if let Some((outcome, _)) = run.ended {
        return Err(Rejected::Ended { run: id, outcome });
    }
    draft_cancel(draft, run, reason, StopReason::Cancelled, Status::Cancelled);
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

pub(super) fn stop_holder(draft: &mut Draft, run: &Run, index: TaskIndex, reason: StopReason) {
    let Some(task) = run.task(index) else { return };
    if let Some(holder) = task.holder() {
        let task_ref = TaskRef { run: run.id, task: index };
        let speaker = Speaker { task: task_ref, token: task.token, holder: holder.clone() };
        draft.effect(Effect::Stop { speaker, reason });
    }
}
