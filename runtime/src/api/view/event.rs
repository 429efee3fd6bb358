//! An event of a run as JSON.

use super::Moment;
use crate::run_event::{RunEvent, What};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// An event. What is known of its kind stands beside `type`; `text` says the same in words.
#[derive(Serialize, JsonSchema)]
pub(in super::super) struct EventView {
    position: String,
    at: Moment,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<Value>,
    text: String,
}

impl EventView {
    /// The place of the event, by which a stream is taken up again.
    pub(in super::super) fn position(&self) -> &str {
        &self.position
    }

    /// What happened, in a word.
    pub(in super::super) fn kind(&self) -> &'static str {
        self.r#type
    }
}

impl From<&RunEvent> for EventView {
    fn from(event: &RunEvent) -> Self {
        let (kind, about) = members(&event.what);
        Self {
            position: event.position.to_string(),
            at: Moment(event.at),
            r#type: kind,
            task: event.task.clone(),
            about: Some(about).filter(|about| !about.is_null()),
            text: event.to_string(),
        }
    }
}

/// The word for what happened, and what is known of it.
fn members(what: &What) -> (&'static str, Value) {
    match what {
        What::Submitted { tasks } => ("submitted", json!({ "tasks": tasks })),
        What::Started { attempt, by, chosen } => ("started", json!({ "attempt": attempt, "by": by, "chosen": chosen })),
        What::Completed => ("completed", Value::Null),
        What::Failed { attempt, error, retry_in } => {
            let retry_in_ms = retry_in.map(|delay| delay.as_millis() as u64);
            ("failed", json!({ "attempt": attempt, "error": error, "retry_in_ms": retry_in_ms }))
        }
        What::Lost { reason, again } => ("lost", json!({ "reason": reason, "again": again })),
        What::Skipped { cause } => ("skipped", json!({ "cause": cause })),
        What::Cancelled { reason } => ("cancelled", json!({ "reason": reason })),
        What::Paused { reason } => ("paused", json!({ "reason": reason })),
        What::Resumed => ("resumed", Value::Null),
        What::ToppedUp { amount, by } => ("topped_up", json!({ "amount": amount, "by": by })),
        What::WallTimeSpent { limit } => ("wall_time_spent", json!({ "limit_ms": limit.as_millis() as u64 })),
        What::Retried { attempt, is_edited } => ("retried", json!({ "attempt": attempt, "is_edited": is_edited })),
        What::Reopened { cause } => ("reopened", json!({ "cause": cause })),
        What::Recorded { call } => ("recorded", json!({ "call": call })),
        What::CallFailed { call, error } => ("call_failed", json!({ "call": call, "error": error })),
        What::Asked { by } => ("asked", json!({ "by": by })),
        What::EffectBegun { call } => ("effect_begun", json!({ "call": call })),
        What::EffectUnknown { call, reason } => ("effect_unknown", json!({ "call": call, "reason": reason })),
        What::EffectDecided { call, happened, by } => {
            ("effect_decided", json!({ "call": call, "happened": happened, "by": by }))
        }
        What::Waits { call, what } => ("waits", json!({ "call": call, "what": what })),
        What::WaitOver { call } => ("wait_over", json!({ "call": call })),
        What::WaitWithdrawn { call } => ("wait_withdrawn", json!({ "call": call })),
        What::Signalled { name } => ("signalled", json!({ "name": name })),
        What::Answered { approved, by } => ("answered", json!({ "approved": approved, "by": by })),
        What::Parked { gate: None } => ("parked", Value::Null),
        What::Parked { gate } => ("parked", json!({ "gate": gate })),
        What::Progress { progress } => ("progress", json!({ "progress": progress })),
        What::FailedWaiting { error } => ("failed_waiting", json!({ "error": error })),
        What::Undoing { effects } => ("undoing", json!({ "effects": effects })),
        What::Undoes { task, call } => ("undoes", json!({ "task": task, "call": call })),
        What::Ended { outcome } => ("ended", json!({ "outcome": outcome.as_str() })),
        What::Unreadable { error } => ("unreadable", json!({ "error": error })),
    }
}

/// The word for what happened.
pub(in super::super) fn kind_of(what: &What) -> &'static str {
    members(what).0
}
