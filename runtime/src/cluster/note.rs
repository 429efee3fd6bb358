//! What nodes say to one another beside requests to partitions and mailrooms: one way, best effort, JSON.

use super::view::Beat;
use crate::port::bus::{Envelope, Head};
use bytes::Bytes;
use callboard_core::{Priority, Requirements, Speaker, StopReason, TaskRef, Token, Traits};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The type of a beat on the bus.
pub(crate) const BEAT: &str = "callboard.node.beat.v1";
/// The type of a request to a partition, whose number is its subject, or to the mailroom of a node.
pub(crate) const REQUEST: &str = "callboard.node.request.v1";
/// The type of the answer to one.
pub(crate) const ANSWER: &str = "callboard.node.answer.v1";
/// The type of a note.
pub(crate) const NOTE: &str = "callboard.node.note.v1";

/// What is said to one node, or to all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Note {
    /// It came round: said to oneself.
    Loop,
    /// Are you there? Nothing is answered: that it was delivered is the answer.
    Ping,
    /// I can not reach this node: look for yourself.
    Suspect { node: Arc<str> },
    /// Nobody waits for the answer to these calls any more.
    Forget { calls: Vec<String> },
    /// A handler of yours is to stop.
    Stop { speaker: Speaker, reason: StopReason },
    /// These tasks of mine wait for slots; what I said before is void.
    Want { lanes: Vec<Wanted> },
    /// A desk of mine has slots for you.
    Lend(Lent),
    /// The task that you sent found no desk.
    NotTaken { task: TaskRef, token: Token },
    /// A breaker of what we all call stands here.
    Breaker(crate::breaker::Told),
    /// What was said to me lately may be lost: my queue was gone, and is back.
    Missed,
    /// I do not need these slots.
    Return { agent: Arc<str>, desk: u64, slots: u32 },
}

/// Tasks of one lane that wait for slots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) capability: Arc<str>,
    #[serde(default)]
    pub(crate) requires: Requirements,
    /// The most urgent of them.
    pub(crate) priority: Priority,
    pub(crate) waiting: u32,
}

/// Slots of one desk that another node may fill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lent {
    pub(crate) agent: Arc<str>,
    /// The number of its desk at its node: a later agent of the same id has another.
    pub(crate) desk: u64,
    pub(crate) slots: u32,
    pub(crate) capabilities: Vec<Arc<str>>,
    #[serde(default)]
    pub(crate) traits: Traits,
    /// The share of its slots that is taken, in millionths.
    pub(crate) load: u64,
    /// How well its last attempts went, in millionths.
    pub(crate) health: u64,
}

/// What has come from another node.
#[derive(Debug)]
pub(super) enum Heard {
    Beat(Beat),
    Request,
    Answer,
    Note(Note),
    Dispatch,
}

impl Note {
    /// The note in an envelope.
    pub(super) fn envelope(&self, id: String, from: &str) -> Option<Envelope> {
        Some(Envelope::new(id, NOTE, from, json(self)?))
    }
}

/// The JSON of what is sent. Everything that is has one; should that ever fail it is as if it were lost on the way.
pub(super) fn json<T: Serialize>(value: &T) -> Option<Bytes> {
    match serde_json::to_vec(value) {
        Ok(bytes) => Some(bytes.into()),
        Err(error) => {
            tracing::error!(%error, "what a node says has no JSON form and is not sent");
            None
        }
    }
}

/// What an envelope is.
///
/// # Errors
///
/// Why it can not be read, in words.
pub(super) fn read(head: &Head, body: &[u8]) -> Result<Heard, String> {
    fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
        serde_json::from_slice(body).map_err(|error| error.to_string())
    }
    match &*head.kind {
        BEAT => parse(body).map(Heard::Beat),
        NOTE => parse(body).map(Heard::Note),
        REQUEST => Ok(Heard::Request),
        ANSWER => Ok(Heard::Answer),
        crate::dispatch::courier::DISPATCH => Ok(Heard::Dispatch),
        other => Err(format!("no node says {other:?}")),
    }
}
