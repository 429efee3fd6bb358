//! An event of a run as JSON.

use super::Moment;
use crate::FeedEvent;
use crate::run_event::{RunEvent, What};
use callboard_core::RunId;
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

/// An event of one of all runs; its position is among all of them.
#[derive(Serialize, JsonSchema)]
pub(in super::super) struct FeedEventView {
    run: RunId,
    workflow: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capability: Option<Arc<str>>,
    #[serde(flatten)]
    event: EventView,
}

impl FeedEventView {
    /// What happened, in a word.
    pub(in super::super) fn kind(&self) -> &'static str {
        self.event.kind()
    }

    /// By which a stream is taken up again.
    pub(in super::super) fn position(&self) -> &str {
        self.event.position()
    }
}

impl From<&FeedEvent> for FeedEventView {
    fn from(happened: &FeedEvent) -> Self {
        let event = EventView { position: happened.position.to_string(), ..EventView::from(&happened.event) };
        let (run, capability) = (happened.run, happened.capability.clone());
        Self { run, workflow: happened.event.workflow.clone(), capability, event }
    }
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
        let about = members(&event.what);
        Self {
            position: event.position.to_string(),
            at: Moment(event.at),
            r#type: event.what.kind(),
            task: event.task.clone(),
            about: Some(about).filter(|about| !about.is_null()),
            text: event.to_string(),
        }
    }
}

/// What is known of what happened.
fn members(what: &What) -> Value {
    match what {
        What::Submitted { tasks } => json!({ "tasks": tasks }),
        What::Started { attempt, by, chosen } => json!({ "attempt": attempt, "by": by, "chosen": chosen }),
        What::Completed => Value::Null,
        What::Failed { attempt, error, retry_in } => {
            let retry_in_ms = retry_in.map(|delay| delay.as_millis() as u64);
            json!({ "attempt": attempt, "error": error, "retry_in_ms": retry_in_ms })
        }
        What::Lost { reason, again } => json!({ "reason": reason, "again": again }),
        What::Skipped { cause } => json!({ "cause": cause }),
        What::Cancelled { reason } => json!({ "reason": reason }),
        What::Paused { reason } => json!({ "reason": reason }),
        What::Resumed => Value::Null,
        What::ToppedUp { amount, by } => json!({ "amount": amount, "by": by }),
        What::WallTimeSpent { limit } => json!({ "limit_ms": limit.as_millis() as u64 }),
        What::Retried { attempt, is_edited } => json!({ "attempt": attempt, "is_edited": is_edited }),
        What::Reopened { cause } => json!({ "cause": cause }),
        What::Recorded { call } => json!({ "call": call }),
        What::CallFailed { call, error } => json!({ "call": call, "error": error }),
        What::Asked { by } => json!({ "by": by }),
        What::EffectBegun { call } => json!({ "call": call }),
        What::EffectUnknown { call, reason } => json!({ "call": call, "reason": reason }),
        What::EffectDecided { call, happened, by } => {
            json!({ "call": call, "happened": happened, "by": by })
        }
        What::Waits { call, what } => json!({ "call": call, "what": what }),
        What::WaitOver { call } => json!({ "call": call }),
        What::WaitWithdrawn { call } => json!({ "call": call }),
        What::Signalled { name } => json!({ "name": name }),
        What::Answered { approved, by } => json!({ "approved": approved, "by": by }),
        What::Parked { gate: None } => Value::Null,
        What::Parked { gate } => json!({ "gate": gate }),
        What::Progress { progress } => json!({ "progress": progress }),
        What::FailedWaiting { error } => json!({ "error": error }),
        What::Undoing { effects } => json!({ "effects": effects }),
        What::Undoes { task, call } => json!({ "task": task, "call": call }),
        What::Ended { outcome } => json!({ "outcome": outcome.as_str() }),
        What::Unreadable { error } => json!({ "error": error }),
    }
}
