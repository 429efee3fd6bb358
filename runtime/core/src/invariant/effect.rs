//! What a step releases, held against the state and the events that it rests on.

use super::Invariant;
use super::step::Check;
use super::view::Phase;
use crate::{
    Effect, Event, EventKind, Millis, Ready, Run, RunId, Speaker, StopReason, TaskIndex, TaskState, TimerKind, Token,
};
use std::time::Duration;

/// Looks at one effect of a step with these events.
pub(super) fn check<'a>(check: &mut Check<'a>, events: &[Event], effect: &'a Effect) {
    match effect {
        Effect::Offer(ready) => offer(check, ready),
        Effect::Stop { speaker, reason } => stop(check, events, speaker, *reason),
        Effect::Ended { run, .. } => {
            if !check.view.is_over(*run) {
                check.run_breach(Invariant::OneHistory, *run, "its end is told and is no event");
            }
        }
        Effect::Withdraw { .. } => {}
    }
}

fn offer<'a>(check: &mut Check<'a>, ready: &'a Ready) {
    let (id, index) = (ready.task.run, ready.task.task);
    let Some(run) = check.view.run(id) else { return submitted(check, id, ready) };
    let Some(now) = check.view.task(run, index) else { return check.no_task(run, index) };
    if run.ended.is_some() || run.paused.is_some() || run.quarantined.is_some() {
        // A step that opens or unpauses it offers what waits; anything else does not.
        let opens = run.quarantined.is_none() && check.view.is_opened(id);
        if !opens {
            check.breach(Invariant::ContractsAreKept, run, index, "it was offered, and its run starts nothing");
        }
    }
    if now.token != ready.token {
        let what = format!("it was offered with token {}, and has {}", ready.token, now.token);
        check.breach(Invariant::FencedWritesHaveNoEffect, run, index, what);
    }
    match now.phase {
        Phase::Ready(not_before) if not_before > check.now => {
            let what = format!("it was offered {:?} early", not_before.since(check.now));
            check.breach(Invariant::TimersNeverEarly, run, index, what);
        }
        Phase::Ready(_) | Phase::Blocked | Phase::Added => {}
        phase => {
            let what = format!("it was offered while it was {phase:?}");
            check.breach(Invariant::FencedWritesHaveNoEffect, run, index, what);
        }
    }
    if index.at() < run.tasks.len() {
        check.needs_are_there(run, index, "offered");
    }
}

/// A task of a run that this very step submits.
fn submitted(check: &mut Check<'_>, id: RunId, ready: &Ready) {
    let needs = |index: TaskIndex| {
        let graph = check.view.submitted(id)?;
        let prepared = graph.plan.0.as_ref()?;
        (index.at() < graph.graph.tasks.len()).then(|| prepared.plan.needs.of(index).len())
    };
    match needs(ready.task.task) {
        Some(0) if ready.token == Token::FIRST => {}
        Some(_) => {
            let what = format!("task {} was offered with the submission, before what it needs", ready.task.task);
            check.run_breach(Invariant::DependenciesFirst, id, what);
        }
        None => check.run_breach(Invariant::OneHistory, id, "a task of no run was offered"),
    }
}

/// A holder is stopped for its silence, or for the time it takes, only when that time is over.
fn stop<'a>(check: &mut Check<'a>, events: &[Event], speaker: &'a Speaker, reason: StopReason) {
    let (id, index) = (speaker.task.run, speaker.task.task);
    let Some(run) = check.view.run(id) else { return };
    let Some(task) = run.task(index) else { return check.no_task(run, index) };
    if task.token != speaker.token || task.holder() != Some(&speaker.holder) {
        let what = format!("{} is stopped, and does not hold it with {}", speaker.holder, speaker.token);
        return check.breach(Invariant::FencedWritesHaveNoEffect, run, index, what);
    }
    let TaskState::Running { since, .. } = task.state else { return };
    let after = |from: Millis, ms: Option<u64>| ms.map(|ms| from.after(Duration::from_millis(ms)));
    let run_is_cut =
        events.iter().any(|event| event.run == Some(id) && matches!(event.kind, EventKind::TasksCancelled(_)));
    let (kind, due) = match reason {
        StopReason::Cancelled => return,
        StopReason::Lost => (TimerKind::Lease, Some(task.lease_until)),
        StopReason::Silent => (TimerKind::Heartbeat, after(task.heard_at, task.spec.timeouts.heartbeat_ms)),
        StopReason::Timeout => match after(since, task.spec.timeouts.attempt_ms) {
            Some(due) if due <= check.now => return,
            _ if run_is_cut => (TimerKind::Run, after(began(run), run.timeout_ms)),
            due => (TimerKind::Attempt, due),
        },
    };
    if due.is_none_or(|due| due > check.now) {
        let early = due.map_or_else(|| "without a limit".to_owned(), |due| format!("{:?} early", due.since(check.now)));
        let what = format!("its holder is stopped {early} ({kind:?})");
        check.breach(Invariant::TimersNeverEarly, run, index, what);
    }
}

/// From when on the limit of a run counts.
fn began(run: &Run) -> Millis {
    run.reopened_at.unwrap_or(run.submitted_at)
}
