//! What travels over the bus.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::QueueName;

/// A message: a head in the manner of CloudEvents 1.0, and a body. Two counters are touched to clone it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Everything but the body.
    pub head: Arc<Head>,
    /// The body, JSON unless the sender and the receiver know better.
    pub body: Bytes,
}

/// The attributes of an [`Envelope`]. Every one travels; those that are `None` or empty are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Head {
    /// Tells this message from all others; a message published again keeps it.
    pub id: String,
    /// What kind of message it is, CloudEvents' `type`: `callboard.task.dispatch.v1`.
    pub kind: String,
    /// Who wrote it.
    pub source: String,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it was written, in milliseconds since 1970 UTC. Nothing is decided by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_unix_ms: Option<i64>,
    /// The caller's id, carried through everything that one outside request causes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Where an answer goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<QueueName>,
    /// The run it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The task it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// What the task asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<Arc<str>>,
    /// The attempt at the task, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The activation of the attempt, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<u32>,
    /// What the task was let through with, if it has waited at a breaker or a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The tenant on whose behalf its run runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// After this moment, in milliseconds since 1970 UTC, nobody waits for the outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_unix_ms: Option<i64>,
    /// The sender of a message between agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The receiver of a message between agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The priority, 0 to 10. A hint for people: the order is decided in the partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Where the payload is kept when it is too large to travel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_ref: Option<String>,
    /// W3C trace context, `traceparent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<String>,
    /// W3C trace context, `tracestate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_state: Option<String>,
}

impl Envelope {
    /// A message with the three attributes that every message has.
    pub fn new(
        id: impl Into<String>,
        kind: impl Into<String>,
        source: impl Into<String>,
        body: impl Into<Bytes>,
    ) -> Self {
        let head = Head { id: id.into(), kind: kind.into(), source: source.into(), ..Head::default() };
        Self { head: Arc::new(head), body: body.into() }
    }

    /// The same message with a changed head; copies the head when it is shared.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Head)) -> Self {
        change(Arc::make_mut(&mut self.head));
        self
    }
}
