//! The work on a task: acceptance, result, failure, loss.

use super::undo::offer_next_undo;
use super::{admit, end_run, run, without_result};
use crate::command::Draft;
use crate::event::{AttemptFailed, AttemptLost, EventKind, LossReason, TaskAccepted, TaskCompleted, Then};
use crate::{
    Effect, Failure, InstanceId, Payload, Rejected, Run, Speaker, State, Status, Task, TaskIndex, TaskRef, TaskState,
    Token,
};
use std::sync::Arc;

/// Makes the speaker the holder. Accepting twice changes nothing. In a paused run nobody becomes a holder; who was one
/// stays it.
pub(super) fn accept(
    state: &State,
    draft: &mut Draft,
    speaker: Speaker,
    chosen: Option<Arc<str>>,
) -> Result<(), Rejected> {
    let (run, task) = admit(state, &speaker)?;
    if matches!(task.state, TaskState::Ready { .. }) {
        if let Some(reason) = &run.paused {
            return Err(Rejected::Paused { run: run.id, reason: reason.clone() });
        }
        let Speaker { task, token, holder } = speaker;
        let accepted = TaskAccepted { task: task.task, token, holder, chosen };
        draft.event(Some(run.id), EventKind::TaskAccepted(accepted));
    }
    Ok(())
}

/// Records the result, once. The same holder handing it in again, with the same token, changes nothing.
pub(super) fn complete(state: &State, draft: &mut Draft, speaker: Speaker, output: Payload) -> Result<(), Rejected> {
    if is_recorded(state, &speaker) {
        return Ok(());
    }
    let (run, _) = admit(state, &speaker)?;
    if run.paused.is_none() {
        for dependent in run.dependents(speaker.index()) {
            draft_offer(draft, run, dependent);
        }
        offer_next_undo(draft, run, speaker.index());
    }
    let Speaker { task, token, holder } = speaker;
    let completed = TaskCompleted { task: task.task, token, holder, output };
    draft.event(Some(run.id), EventKind::TaskCompleted(completed));
    end_run(draft, run, run.open().saturating_sub(1), None);
    Ok(())
}

/// Offers a dependent whose last open need this step completes. One that was resumed is offered by its timer.
fn draft_offer(draft: &mut Draft, run: &Run, index: TaskIndex) {
    let Some(task) = run.task(index) else { return };
    if matches!(task.state, TaskState::Blocked { waiting: 1 }) && task.token == Token::FIRST {
        draft.effect(Effect::Offer(task.as_ready(TaskRef { run: run.id, task: index })));
    }
}

/// Records a failure and what follows from it: a retry, the end, or the dead-letter.
pub(super) fn fail(state: &State, draft: &mut Draft, speaker: Speaker, failure: Failure) -> Result<(), Rejected> {
    let (run, task) = admit(state, &speaker)?;
    let index = speaker.index();
    draft_failure(draft, state, run, index, task, Some(speaker.holder), failure);
    Ok(())
}

/// Ends a task that can not be handed out.
pub(super) fn refuse(
    state: &State,
    draft: &mut Draft,
    task_ref: TaskRef,
    token: Token,
    failure: Failure,
) -> Result<(), Rejected> {
    let run = run(state, task_ref.run)?;
    let task = run.task(task_ref.task).ok_or(Rejected::NoTask(task_ref))?;
    if task.token != token || !matches!(task.state, TaskState::Ready { .. }) {
        let (status, held) = (task.status(), task.token);
        return Err(Rejected::Fenced { task: task_ref, status, held, presented: token });
    }
    draft_failure(draft, state, run, task_ref.task, task, None, failure);
    Ok(())
}

pub(super) fn draft_failure(
    draft: &mut Draft,
    state: &State,
    run: &Run,
    index: TaskIndex,
    task: &Task,
    holder: Option<InstanceId>,
    failure: Failure,
) {
    let task_ref = TaskRef { run: run.id, task: index };
    let retry = task.spec.retry.unwrap_or(state.limits.retry);
    let then = match retry.delay(task_ref, task.attempt_of_budget(), &failure) {
        Some(delay) => Then::Again(draft.at().after(delay)),
        None if failure.class.is_retryable() => Then::Dead,
        None => Then::Failed,
    };
    let failed = AttemptFailed { task: index, token: task.token, holder, failure, then };
    draft.event(Some(run.id), EventKind::AttemptFailed(failed));
    ended_by(draft, run, index, then);
}

/// Frees a task whose activation was cut short, or dead-letters it when that has happened too often.
pub(super) fn lose(state: &State, draft: &mut Draft, speaker: Speaker, reason: LossReason) -> Result<(), Rejected> {
    let (run, task) = admit(state, &speaker)?;
    draft_loss(draft, state, run, speaker.index(), task, &speaker.holder, reason);
    Ok(())
}

pub(super) fn draft_loss(
    draft: &mut Draft,
    state: &State,
    run: &Run,
    index: TaskIndex,
    task: &Task,
    holder: &InstanceId,
    reason: LossReason,
) {
    let then = if loss_ends(state, task, reason) { Then::Dead } else { Then::Again(draft.at()) };
    let lost = AttemptLost { task: index, token: task.token, holder: holder.clone(), reason, then };
    draft.event(Some(run.id), EventKind::AttemptLost(lost));
    ended_by(draft, run, index, then);
}

/// Whether one more loss is one too many.
fn loss_ends(state: &State, task: &Task, reason: LossReason) -> bool {
    let limit = task.spec.losses_max.unwrap_or(state.limits.losses_max);
    reason != LossReason::Released && task.losses >= limit
}

fn ended_by(draft: &mut Draft, run: &Run, index: TaskIndex, then: Then) {
    match then {
        Then::Again(_) => {} // the timer of the new token offers it
        Then::Failed => without_result(draft, run, &[index], Status::Failed),
        Then::Dead => without_result(draft, run, &[index], Status::Dead),
    }
}

/// How many tasks one command takes back, so that it holds the partition for a few milliseconds at most.
const TAKEN_BACK_MAX: usize = 1_000;

/// Frees tasks whose holder lives on a node that is gone.
pub(super) fn take_back(state: &State, draft: &mut Draft, is_gone: impl Fn(&str) -> bool) {
    let mut left = TAKEN_BACK_MAX;
    for run in state.runs().filter(|run| run.ended.is_none() && run.quarantined.is_none()) {
        let gone = (0..).zip(&run.tasks).filter_map(|(index, task)| {
            let holder = task.holder().filter(|holder| is_gone(holder.node()))?;
            Some((TaskIndex(index), task, holder))
        });
        for (index, task, holder) in gone.take(left) {
            left -= 1;
            draft_loss(draft, state, run, index, task, holder, LossReason::Gone);
            // All of this is decided on the run as it is. Tasks that are handed out again do not touch one another,
            // but what ends a task may end the run, so the rest of the run waits for the next command.
            if loss_ends(state, task, LossReason::Gone) {
                break;
            }
        }
        if left == 0 {
            break;
        }
    }
}

/// Whether the task has its result from this very speaker already.
fn is_recorded(state: &State, speaker: &Speaker) -> bool {
    let task = state.run(speaker.task.run).and_then(|run| run.task(speaker.index()));
    task.is_some_and(|task| {
        task.token == speaker.token && matches!(&task.state, TaskState::Completed { by, .. } if *by == speaker.holder)
    })
}
