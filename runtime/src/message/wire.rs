//! What the mailrooms of several nodes say to one another, as it travels: JSON, and requests are read strictly.

use super::place::Name;
use super::{CorrelationId, Kind, Message, MessageId, is_topic};
use crate::{Error, ErrorKind};
use bytes::Bytes;
use callboard_core::{Failure, Json, Millis};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What is asked of the mailroom of another node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    /// Put this into the inbox of `to`, `<agent>` or `<agent>#<n>`.
    Tell { to: String, message: Written },
    /// Put this into the inbox of `to`, and send the answer.
    Ask { to: String, message: Written, limit_ms: u64 },
    /// Put this into every inbox.
    Broadcast { message: Written },
    /// Which agents are there?
    Agents,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It is in an inbox.
    Delivered,
    /// There is no such agent; it is in no inbox.
    NotHere,
    /// It is in no inbox.
    Refused(Fault),
    /// Here is the answer to the ask.
    Answered(Box<Written>),
    /// It was in an inbox, and there is no answer.
    Unanswered(Fault),
    /// It is in so many inboxes; those of these instances, by their addresses, are full.
    Spread { delivered: usize, full: Vec<Arc<str>> },
    /// The ids of the agents that are there.
    Agents(Vec<Arc<str>>),
}

/// A message.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    id: MessageId,
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<CorrelationId>,
    /// The full addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<Arc<str>>,
    topic: Arc<str>,
    body: Json,
    sent_at: Millis,
}

/// An error.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Fault {
    kind: ErrorKind,
    failure: Failure,
}

/// What has come of a request; that it may have been heard and nothing was said is the end of its [`Caller`].
#[derive(Debug)]
pub(super) enum Carried {
    Answer(Outcome),
    /// Nobody has heard it, and nobody will.
    Unheard,
    /// It could not be read, and nothing was done.
    Unreadable,
}

/// The way back of a request that is under way. Dropped, it tells its caller that nothing is known.
#[derive(Debug)]
pub(crate) struct Caller(pub(super) oneshot::Sender<Carried>);

impl Caller {
    /// A way back, and what has come on it so far, in a word.
    #[cfg(test)]
    pub(crate) fn overheard() -> (Self, impl FnMut() -> &'static str) {
        use oneshot::error::TryRecvError;
        let (caller, mut carried) = oneshot::channel();
        let so_far = move || match carried.try_recv() {
            Ok(Carried::Answer(_)) => "answer",
            Ok(Carried::Unheard) => "unheard",
            Ok(Carried::Unreadable) => "unreadable",
            Err(TryRecvError::Empty) => "waits",
            Err(TryRecvError::Closed) => "unknown",
        };
        (Self(caller), so_far)
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Gives the caller its answer.
    ///
    /// # Errors
    ///
    /// If the body is no answer.
    pub(crate) fn answer(self, body: &[u8]) -> Result<(), serde_json::Error> {
        let _gone = self.0.send(Carried::Answer(serde_json::from_slice(body)?));
        Ok(())
    }

    /// Nobody has heard the request, and nobody will.
    pub(crate) fn unheard(self) {
        let _gone = self.0.send(Carried::Unheard);
    }

    /// The request could not be read, and nothing was done.
    pub(crate) fn unreadable(self) {
        let _gone = self.0.send(Carried::Unreadable);
    }
}

impl Request {
    /// The request as it travels.
    ///
    /// # Errors
    ///
    /// `Invalid` if it has no JSON form.
    pub(super) fn bytes(&self) -> crate::Result<Bytes> {
        let bytes = serde_json::to_vec(self);
        bytes.map(Bytes::from).map_err(|error| {
            Error::new(ErrorKind::Invalid, "a message to another node has no JSON form").because(error)
        })
    }

    /// The limit of an ask, in whole milliseconds, rounded up.
    pub(super) fn limit_ms(limit: Duration) -> u64 {
        u64::try_from(limit.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

impl Written {
    pub(super) fn of(message: &Message) -> Self {
        let Message { id, kind, correlation, from, to, topic, body, sent_at } = message.clone();
        let full = |name: Option<Arc<Name>>| name.map(|name| name.full.clone());
        Self { id, kind, correlation, from: full(from), to: full(to), topic, body, sent_at }
    }

    /// The message.
    ///
    /// # Errors
    ///
    /// What can not be, in words.
    pub(super) fn read(self) -> Result<Message, String> {
        let Self { id, kind, correlation, from, to, topic, body, sent_at } = self;
        if !is_topic(&topic) {
            return Err(format!("{topic:?} is no topic"));
        }
        let name = |full: Option<Arc<str>>| match full {
            None => Ok(None),
            Some(full) => {
                Name::of_full(&full).map(|name| Some(Arc::new(name))).ok_or(format!("{full:?} is no address"))
            }
        };
        Ok(Message { id, kind, correlation, from: name(from)?, to: name(to)?, topic, body, sent_at })
    }
}

impl From<&Error> for Fault {
    fn from(error: &Error) -> Self {
        Self { kind: error.kind(), failure: error.failure() }
    }
}

impl From<Fault> for Error {
    fn from(Fault { kind, failure }: Fault) -> Self {
        Self::of_failure(failure).of_kind(kind)
    }
}
