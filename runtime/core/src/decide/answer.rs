//! What is sent to a run: signals, answers to approvals, and what a person knows of an effect.

use super::run;
use super::undo::{draft_undo, undo};
use crate::command::{Draft, EffectStatus};
use crate::event::{EventKind, RunOutcome};
use crate::record::{Answer, ApprovalAnswered, Decision, EffectDecided, EffectState, SignalReceived};
use crate::{Rejected, Run, RunId, State, Status, TaskIndex, TaskRef};
use std::sync::Arc;

/// Gives a run what it waits for, or keeps it until it does. What was received before changes nothing.
pub(super) fn answer(state: &State, draft: &mut Draft, id: RunId, answer: Answer) -> Result<(), Rejected> {
    let run = run(state, id)?;
    match answer {
        Answer::Signal { id: signal, name, value } => {
            if run.signals().has_seen(&signal) {
                return Ok(());
            }
            is_open(run)?;
            if run.signals().waits_for(&name).next().is_none() {
                has_room(state, run)?;
            }
            let received = SignalReceived { id: signal, name, value };
            draft.event(Some(id), EventKind::SignalReceived(received));
        }
        Answer::Approval { id: answer, task, number, approved, by } => {
            if run.signals().has_seen(&answer) {
                return Ok(());
            }
            is_open(run)?;
            let is_open = is_meant(run, task, number)?;
            if !is_open {
                has_room(state, run)?;
            }
            let answered = ApprovalAnswered { id: answer, task, number, approved, by };
            draft.event(Some(id), EventKind::ApprovalAnswered(answered));
        }
        Answer::Effect { task, key, decision, by } => decide(draft, run, task, key, decision, by)?,
    }
    Ok(())
}

fn is_open(run: &Run) -> Result<(), Rejected> {
    match run.ended {
        Some((outcome, _)) => Err(Rejected::Ended { run: run.id, outcome }),
        None => Ok(()),
    }
}

fn has_room(state: &State, run: &Run) -> Result<(), Rejected> {
    let kept = run.signals().kept();
    if kept >= state.limits.signals_max { Err(Rejected::SignalsFull { run: run.id, kept }) } else { Ok(()) }
}

/// How many open approvals a refusal names.
const TOLD_MAX: usize = 20;

/// Whether the approval that is meant is open; false if it may be asked for later.
fn is_meant(run: &Run, task: Option<TaskIndex>, number: Option<u32>) -> Result<bool, Rejected> {
    let task_ref = |task| TaskRef { run: run.id, task };
    let open: Vec<(TaskIndex, u32)> = run.signals().meant(task, number).take(TOLD_MAX).collect();
    let ambiguous = |task, number| {
        let many = run.signals().meant(task, number).count();
        let open = run.signals().meant(task, number).take(TOLD_MAX);
        let open = open.map(|(task, number)| format!("{}/{number}", task_ref(task))).collect();
        Err(Rejected::Ambiguous { run: run.id, many, open })
    };
    match (&open[..], task, number) {
        ([_], ..) => return Ok(true),
        ([_, _, ..], ..) => return ambiguous(task, number),
        // A number that belongs to no task would be given to whatever is asked next.
        ([], None, Some(_)) => return ambiguous(None, None),
        ([], ..) => {}
    }
    let Some(task) = task else { return Ok(false) };
    let asks = run.task(task).ok_or(Rejected::NoTask(task_ref(task)))?;
    if asks.status().is_ended() {
        return Err(Rejected::TaskEnded { task: task_ref(task), status: asks.status() });
    }
    let is_answered = |number: u32| {
        let asked = run.record(task).map_or(0, |record| record.approvals);
        number <= asked || run.signals().has_answer(task, number)
    };
    match number.filter(|number| is_answered(*number)) {
        Some(number) => Err(Rejected::Answered { task: task_ref(task), number }),
        None => Ok(false),
    }
}

/// Settles an unknown outcome. That it happened is undone in a run that is being undone.
fn decide(
    draft: &mut Draft,
    run: &Run,
    index: TaskIndex,
    key: Arc<str>,
    decision: Decision,
    by: Option<Arc<str>>,
) -> Result<(), Rejected> {
    let task_ref = TaskRef { run: run.id, task: index };
    let task = run.task(index).ok_or(Rejected::NoTask(task_ref))?;
    let effect = task.record.as_deref().and_then(|record| record.effects.get(&key));
    let refused = |state| Rejected::NotUnknown { task: task_ref, key: key.clone(), state };
    let effect = effect.ok_or_else(|| refused(None))?;
    match (&effect.state, &decision) {
        (EffectState::Unknown(_), _) => {}
        (EffectState::Begun, _) if task.status() == Status::Running => {
            return Err(refused(Some(EffectStatus::UnderWay)));
        }
        (EffectState::Begun, _) => {}
        // The same again is what somebody says who does not know whether the first try arrived.
        (EffectState::Done, Decision::Happened(_)) | (EffectState::NotDone, Decision::DidNotHappen) => return Ok(()),
        (EffectState::Done, _) => return Err(refused(Some(EffectStatus::Done))),
        (EffectState::NotDone, _) => return Err(refused(Some(EffectStatus::NotDone))),
    }
    let happened = matches!(decision, Decision::Happened(_));
    let undo = undo(index, task, &key, effect).filter(|_| happened && !effect.undone && !run.is_undo(index));
    draft.event(Some(run.id), EventKind::EffectDecided(EffectDecided { task: index, key, decision, by }));
    let outcome = run.undoing.or(run.ended.map(|(outcome, _)| outcome).filter(|it| *it != RunOutcome::Completed));
    if let (Some(undo), Some(outcome)) = (undo, outcome) {
        draft_undo(draft, run, outcome, vec![undo]);
    }
    Ok(())
}
