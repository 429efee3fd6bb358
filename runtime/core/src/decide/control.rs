//! What somebody decides about a run that goes on, or about a task that has ended.

use super::{followed, run};
use crate::command::Draft;
use crate::event::{EventKind, RunPaused, RunResumed, TaskResumed};
use crate::{Effect, GraphLimits, Json, Rejected, Run, RunId, RunRestored, State, TaskRef, TaskState, Token};
use std::sync::Arc;

/// The run, if it can be followed and has not ended.
fn open(state: &State, id: RunId) -> Result<&Run, Rejected> {
    let run = run(state, id)?;
    match run.ended {
        Some((outcome, _)) => Err(Rejected::Ended { run: id, outcome }),
        None => Ok(run),
    }
}

/// Sees to it that no more tasks of a run are started.
pub(super) fn pause(state: &State, draft: &mut Draft, id: RunId, reason: Arc<str>) -> Result<(), Rejected> {
    if open(state, id)?.may_be_paused() {
        draft.event(Some(id), EventKind::RunPaused(RunPaused { reason }));
        draft.effect(Effect::Withdraw { run: id });
    }
    Ok(())
}

/// Offers what has become ready, or was withdrawn; what waits for a moment is offered by its timer.
pub(super) fn unpause(state: &State, draft: &mut Draft, id: RunId) -> Result<(), Rejected> {
    let run = open(state, id)?;
    if run.paused.is_none() {
        return Ok(());
    }
    if let Some(ledger) = run.ledger().filter(|ledger| ledger.wall_spent) {
        return Err(Rejected::WallTimeSpent { run: id, limit_ms: ledger.limit.wall_ms.unwrap_or_default() });
    }
    draft.event(Some(id), EventKind::RunResumed(RunResumed {}));
    for ready in run.all_ready().filter(|ready| ready.token == Token::FIRST) {
        draft.effect(Effect::Offer(ready));
    }
    Ok(())
}

/// Gives a task that has ended without a result another life; its timer offers it.
pub(super) fn retry(
    state: &State,
    draft: &mut Draft,
    task: TaskRef,
    token: Token,
    input: Option<Json>,
) -> Result<(), Rejected> {
    let resumed = resumed(run(state, task.run)?, &state.limits.graph, task, token, input)?;
    resumed.into_iter().for_each(|resumed| draft.event(Some(task.run), EventKind::TaskResumed(resumed)));
    Ok(())
}

/// Takes back an ended run and gives a task of it another life, in one step: a run that came back for nothing would be on
/// two pages of the archive in the end, and nothing would tell which is the later.
pub(super) fn comeback(
    state: &State,
    draft: &mut Draft,
    restored: RunRestored,
    task: TaskRef,
    token: Token,
    input: Option<Json>,
) -> Result<(), Rejected> {
    let id = task.run;
    if state.run(id).is_some() {
        return retry(state, draft, task, token, input);
    }
    let resumed = restored.when_ended(id, |run| resumed(followed(run)?, &state.limits.graph, task, token, input));
    if let Some(resumed) = resumed.ok_or(Rejected::Open(id))?? {
        draft.event(Some(id), EventKind::RunRestored(restored));
        draft.event(Some(id), EventKind::TaskResumed(resumed));
    }
    Ok(())
}

/// What gives a task another life; `None` if it has it already.
fn resumed(
    run: &Run,
    limits: &GraphLimits,
    task_ref: TaskRef,
    token: Token,
    input: Option<Json>,
) -> Result<Option<TaskResumed>, Rejected> {
    let task = run.task(task_ref.task).ok_or(Rejected::NoTask(task_ref))?;
    let edited = task.edited.as_ref().map(|edited| &edited.json);
    let is_done = token.next_attempt().attempt == task.first_attempt && (input.is_none() || input.as_ref() == edited);
    if is_done {
        return Ok(None); // the same again is what a caller does who does not know whether the first try arrived
    }
    let status = task.status();
    if task.token != token {
        return Err(Rejected::Fenced { task: task_ref, status, held: task.token, presented: token });
    }
    if let Some(parent) = &task.parent {
        let parent = TaskRef { run: run.id, task: parent.task };
        return Err(Rejected::Child { task: task_ref, parent });
    }
    if run.undoing.is_some() && task.undoes.is_none() {
        return Err(Rejected::Undoing { run: run.id });
    }
    let first = match task.state {
        TaskState::Skipped { cause } => Some(cause),
        _ if status.is_resumable() => run.spoilt_need(task_ref.task),
        _ => None,
    };
    if first.is_some() || !status.is_resumable() {
        let first = first.map(|task| TaskRef { run: run.id, task });
        return Err(Rejected::NotResumable { task: task_ref, status, first });
    }
    if let Some(json) = &input {
        let limit = limits.input_bytes_max;
        if json.as_str().len() > limit {
            let seen = json.as_str().len();
            let reason = format!("it takes {seen} bytes, more than the limit of {limit} (payload_bytes_max)");
            return Err(Rejected::Input { task: task_ref, reasons: vec![reason] });
        }
        let (levels, limit) = (json.depth(), limits.input_depth_max);
        if levels > limit {
            let reason = format!("it has {levels} levels, more than the limit of {limit} (input_depth_max)");
            return Err(Rejected::Input { task: task_ref, reasons: vec![reason] });
        }
        run.compile_edited(task_ref.task, json).map_err(|reasons| Rejected::Input { task: task_ref, reasons })?;
    }
    let reopened = run.reopened_by(task_ref.task);
    Ok(Some(TaskResumed { task: task_ref.task, token: token.next_attempt(), input, reopened }))
}

/// Takes back an ended run, unless it is there.
pub(super) fn restore(state: &State, draft: &mut Draft, id: RunId, restored: RunRestored) -> Result<(), Rejected> {
    if state.run(id).is_some() {
        return Ok(());
    }
    restored.when_ended(id, |_| ()).ok_or(Rejected::Open(id))?;
    draft.event(Some(id), EventKind::RunRestored(restored));
    Ok(())
}
