//! What a run that does not complete takes back: its effects, the last one first (sagas: Garcia-Molina and Salem, 1987).

use crate::command::Draft;
use crate::event::{EventKind, RunOutcome};
use crate::record::{Contract, Effect, EffectState, UndoBegun, UndoSpec};
use crate::{Effect as Release, Run, Status, Task, TaskIndex, TaskRef, TaskSpec, TaskState, Token};
use std::sync::Arc;

/// Begins to undo what the run has done; false if there is nothing to undo, or if that was begun before.
pub(super) fn begin(draft: &mut Draft, run: &Run, outcome: RunOutcome) -> bool {
    if run.undoing.is_some() {
        return false;
    }
    let mut undos: Vec<(u64, UndoSpec)> = (0..)
        .map(TaskIndex)
        .zip(&run.tasks)
        .filter_map(|(index, task)| Some((index, task, task.record.as_deref()?)))
        .flat_map(|(index, task, record)| {
            let effects = record.effects.iter().filter(|(_, effect)| is_to_undo(effect));
            effects.filter_map(move |(key, effect)| Some((effect.seq, undo(index, task, key, effect)?)))
        })
        .collect();
    undos.sort_by_key(|(seq, _)| std::cmp::Reverse(*seq));
    let undos: Vec<UndoSpec> = undos.into_iter().map(|(_, undo)| undo).collect();
    if undos.is_empty() {
        return false;
    }
    draft.effect(Release::Withdraw { run: run.id }); // what has been cancelled may still be offered
    draft_undo(draft, run, outcome, undos);
    true
}

/// An effect that happened is undone. One that may have happened is, too, if the other side can tell by its key; else
/// somebody has to decide first.
fn is_to_undo(effect: &Effect) -> bool {
    let happened = match effect.state {
        EffectState::Done => true,
        EffectState::Begun | EffectState::Unknown(_) => effect.contract == Contract::Keyed,
        EffectState::NotDone => false,
    };
    happened && !effect.undone
}

/// What undoes an effect of a task; `None` if nothing does.
pub(super) fn undo(of: TaskIndex, task: &Task, key: &Arc<str>, effect: &Effect) -> Option<UndoSpec> {
    let spec = effect.undo.as_ref()?;
    let name = format!("undo {}/{key}", task.spec.name);
    Some(UndoSpec { of, key: key.clone(), spec: Arc::new(TaskSpec { name, ..(**spec).clone() }) })
}

/// Adds what undoes effects to the run; the first of it may run at once, unless others are not done yet.
pub(super) fn draft_undo(draft: &mut Draft, run: &Run, outcome: RunOutcome, undos: Vec<UndoSpec>) {
    if let (None, Some(first), None) = (run.next_undo(), undos.first(), &run.paused) {
        let task = TaskRef { run: run.id, task: TaskIndex(run.tasks.len() as u32) };
        draft.effect(Release::Offer(first.spec.ready(task, Token::FIRST, None)));
    }
    draft.event(Some(run.id), EventKind::UndoBegun(UndoBegun { outcome, undos }));
}

/// Offers what undoes the next effect, if `ended` undid the one before: that it failed keeps nobody else from being undone.
pub(super) fn offer_next_undo(draft: &mut Draft, run: &Run, ended: TaskIndex) {
    if run.next_undo() != Some(ended) {
        return;
    }
    let mut open = run.undos_left().map(|index| TaskIndex(index as u32));
    if let Some(next) = open.nth(1)
        && let Some(task) = run.task(next)
        && matches!(task.state, TaskState::Blocked { .. })
        && task.token == Token::FIRST
        && run.paused.is_none()
    {
        draft.effect(Release::Offer(task.as_ready(TaskRef { run: run.id, task: next })));
    }
}

/// How a run ends that has undone what it did; `None` if it has not. `status` is that of what this step ends.
pub(super) fn outcome(run: &Run, status: Option<Status>) -> Option<RunOutcome> {
    let outcome = run.undoing?;
    let spoilt = |status: Status| status.is_without_result();
    let failed = run.undos().any(|task| spoilt(task.status())) || status.is_some_and(spoilt);
    Some(if failed { RunOutcome::Failed } else { outcome })
}
