//! What comes by time: the end of a delay, a timeout, an expired lease.

use super::attempt::{draft_failure, draft_loss};
use super::budget::wall_time_spent;
use super::cancel::{draft_cancel, stop_holder};
use super::run;
use crate::command::Draft;
use crate::event::{EventKind, LossReason};
use crate::record::{Wait, WaitElapsed};
use crate::timer::{run_timers, task_timers};
use crate::{
    Effect, Failure, FailureClass, Run, State, Status, StopReason, Task, TaskIndex, TaskState, Timer, TimerKind,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Decides a timer that has come due. One that is no longer true comes to nothing.
pub(super) fn due(state: &State, draft: &mut Draft, timer: Timer) {
    let Ok(run) = run(state, timer.run) else { return };
    if run.ended.is_some() {
        return;
    }
    match timer.task {
        None if !run_timers(run).any(|set| set == timer) => {}
        None if timer.kind == TimerKind::Budget => wall_time_spent(draft, run),
        None => {
            let limit = Duration::from_millis(run.timeout_ms.unwrap_or_default());
            let reason = format!("the run took longer than its limit of {limit:?}");
            draft_cancel(draft, run, reason.into(), StopReason::Timeout, Status::Failed);
        }
        Some(index) => {
            let Some(task) = run.task(index) else { return };
            // Whatever has changed since has other timers, so a stale one is told by not being among them.
            if task_timers(run, index.at()).any(|set| set == timer) {
                task_due(state, draft, run, index, task, timer.kind);
            }
        }
    }
}

fn task_due(state: &State, draft: &mut Draft, run: &Run, index: TaskIndex, task: &Task, kind: TimerKind) {
    let limit = |ms: Option<u64>| Duration::from_millis(ms.unwrap_or_default());
    let timeouts = &task.spec.timeouts;
    match (kind, &task.state) {
        (TimerKind::Retry, TaskState::Ready { .. }) => {
            draft_ready(draft, run, index);
        }
        (TimerKind::Start, TaskState::Ready { .. }) => {
            let message = format!("no instance accepted it within {:?}", limit(timeouts.start_ms));
            // Not retryable: a retry would only wait for the same instances again.
            draft_failure(draft, state, run, index, task, None, Failure::new(FailureClass::Terminal, message));
        }
        (TimerKind::Attempt, TaskState::Running { holder, .. }) => {
            let message = format!("the attempt took longer than its limit of {:?}", limit(timeouts.attempt_ms));
            stop_holder(draft, run, index, StopReason::Timeout);
            let failure = Failure::new(FailureClass::Timeout, message);
            draft_failure(draft, state, run, index, task, Some(holder.clone()), failure);
        }
        (TimerKind::Heartbeat, TaskState::Running { holder, .. }) => {
            let message = format!("the handler sent no heartbeat for {:?}", limit(timeouts.heartbeat_ms));
            stop_holder(draft, run, index, StopReason::Silent);
            let failure = Failure::new(FailureClass::Timeout, message);
            draft_failure(draft, state, run, index, task, Some(holder.clone()), failure);
        }
        (TimerKind::Lease, TaskState::Running { holder, .. }) => {
            stop_holder(draft, run, index, StopReason::Lost);
            draft_loss(draft, state, run, index, task, holder, LossReason::Lease);
        }
        (TimerKind::Wait, _) => {
            let Some(record) = task.record.as_deref() else { return };
            let mut opened = BTreeSet::new();
            let over = record.over(draft.at()).take(ELAPSED_MAX).filter(|key| match record.waits.get(*key) {
                // The first opens the barrier for all, the others of this task among them.
                Some(Wait::Barrier { name, .. }) => opened.insert(name.clone()),
                _ => true,
            });
            let over: Vec<Arc<str>> = over.cloned().collect();
            for key in over {
                draft.event(Some(run.id), EventKind::WaitElapsed(WaitElapsed { task: index, key }));
            }
        }
        _ => {} // no such timer exists in such a state
    }
}

/// How many waits of a task one command ends; its timer comes at once for the others.
const ELAPSED_MAX: usize = 1_000;

fn draft_ready(draft: &mut Draft, run: &Run, index: TaskIndex) {
    if let Some(ready) = run.ready(index) {
        draft.effect(Effect::Offer(ready));
    }
}
