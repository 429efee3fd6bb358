//! What is counted and logged of the events of a partition, once they are durable: each retry, loss and dead letter.
//!
//! Whoever replays them says nothing: the owner that had them committed has.

use crate::telemetry;
use callboard_core::{AttemptFailed, AttemptLost, Event, EventKind, LossReason, State, Task, TaskRef, Then};

/// Counts and logs what these events say of attempts that came to nothing.
pub(super) fn tally(state: &State, events: &[Event]) {
    for event in events {
        let (index, token) = match &event.kind {
            EventKind::AttemptFailed(failed) => (failed.task, failed.token),
            EventKind::AttemptLost(lost) => (lost.task, lost.token),
            _ => continue,
        };
        let Some(run) = event.run.and_then(|run| state.run(run)) else { continue };
        let Some(task) = run.task(index) else { continue };
        let is = tracing::info_span!(
            "attempt",
            task = %TaskRef { run: run.id, task: index },
            name = %task.spec.name,
            capability = %task.spec.capability,
            attempt = token.attempt,
            activation = token.activation,
        );
        let _entered = is.enter();
        match &event.kind {
            EventKind::AttemptFailed(failed) => told_failure(event, task, failed),
            EventKind::AttemptLost(lost) => told_loss(task, lost),
            _ => {}
        }
    }
}

fn told_failure(event: &Event, task: &Task, failed: &AttemptFailed) {
    let (reason, error) = (failed.failure.class.as_str(), &failed.failure);
    let holder = failed.holder.as_ref().map(ToString::to_string);
    match failed.then {
        Then::Again(at) => {
            telemetry::count_of(telemetry::RETRIES, &task.spec.capability, reason);
            let after = at.since(event.at);
            tracing::info!(holder, reason, %error, ?after, "an attempt failed, and the task is tried again");
        }
        Then::Dead => {
            telemetry::count_of(telemetry::DEAD_LETTERS, &task.spec.capability, reason);
            tracing::error!(holder, reason, %error, "the last attempt failed: the task is a dead letter, and can be retried by hand");
        }
        Then::Failed => {
            telemetry::count_of(telemetry::FAILURES, &task.spec.capability, reason);
            tracing::info!(holder, reason, %error, "an attempt failed in a way that no other would mend");
        }
    }
}

fn told_loss(task: &Task, lost: &AttemptLost) {
    let reason = match lost.reason {
        LossReason::Lease => "lease",
        LossReason::Gone => "gone",
        LossReason::Released => "released",
    };
    telemetry::count_of(telemetry::LOSSES, &task.spec.capability, reason);
    let (holder, losses) = (&lost.holder, task.losses);
    if lost.then == Then::Dead {
        telemetry::count_of(telemetry::DEAD_LETTERS, &task.spec.capability, "losses");
        tracing::error!(%holder, reason, losses, "an activation was lost, and that too often: the task is a dead letter");
    } else {
        tracing::info!(%holder, reason, losses, "an activation was lost, which uses no retry, and the task is handed out again");
    }
}
