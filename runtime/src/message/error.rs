//! Why a message was not delivered, and why an ask was not answered.

use crate::{Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

/// Why a message is in no inbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Undelivered {
    #[error("no agent has the id {to:?}; the closest is {closest:?}")]
    NoSuchAgent { to: String, closest: Arc<str> },
    #[error("no agent has the id {to:?}")]
    Nobody { to: String },
    #[error("agent {agent:?} has no instance {to:?}; it has {instances}")]
    NoSuchInstance { to: String, agent: Arc<str>, instances: usize },
    #[error("{to:?} takes no more messages: the node stops, or has stopped")]
    Stopped { to: String },
    #[error("{to:?} is on another node than this one, {here:?}")]
    Elsewhere { to: String, here: Arc<str> },
    #[error("node {node:?} has no agent {agent:?}")]
    NotThere { node: Arc<str>, agent: Arc<str> },
    #[error("the inbox of {to} is full: at most {messages} messages (inbox_max) and {bytes} bytes wait there")]
    Full { to: Arc<str>, messages: usize, bytes: usize },
    #[error("{to} takes no more messages: it is being removed, or its node stops")]
    Closed { to: Arc<str> },
    #[error(
        "the body of a message on {topic:?} takes {bytes} bytes, more than the limit of {limit} (payload_bytes_max)"
    )]
    TooLarge { topic: Arc<str>, bytes: usize, limit: usize },
}

impl Undelivered {
    /// Whether the addressee may be on another node.
    pub(super) fn may_be_elsewhere(&self) -> bool {
        matches!(self, Self::Nobody { .. } | Self::NoSuchInstance { .. } | Self::Elsewhere { .. })
    }

    pub(super) fn into_error(self) -> Error {
        let kind = match &self {
            Self::NoSuchAgent { .. } | Self::Nobody { .. } | Self::NoSuchInstance { .. } => ErrorKind::NotFound,
            Self::Elsewhere { .. } | Self::NotThere { .. } => ErrorKind::NotFound,
            Self::Full { .. } | Self::Closed { .. } | Self::Stopped { .. } => ErrorKind::Unavailable,
            Self::TooLarge { .. } => ErrorKind::Invalid,
        };
        Error::new(kind, self.to_string())
    }
}

/// Why a message did not come to another node, or is not known to have.
#[derive(Debug, thiserror::Error)]
pub(super) enum Uncarried {
    #[error("nobody takes messages for node {node:?}: it is gone, or is not reached from here")]
    Gone { node: Arc<str> },
    #[error("node {node:?} can not read the message, which is in no inbox: {reason}")]
    Unreadable { node: Arc<str>, reason: String },
    #[error("node {node:?} has said nothing of the message, which may be in an inbox there")]
    Silent { node: Arc<str> },
    #[error("too many messages to other nodes are under way: at most {messages} of {bytes} bytes together")]
    Crowded { messages: usize, bytes: usize },
    #[error("the time of {limit:?} passed before it was known where {to:?} is")]
    NotFoundInTime { to: String, limit: Duration },
}

impl Uncarried {
    pub(super) fn into_error(self) -> Error {
        let kind = match &self {
            Self::Silent { .. } => ErrorKind::Unknown,
            Self::Gone { .. } | Self::Unreadable { .. } | Self::Crowded { .. } | Self::NotFoundInTime { .. } => {
                ErrorKind::Unavailable
            }
        };
        Error::new(kind, self.to_string())
    }
}

/// Why an ask that was delivered got no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("the inbox was closed before the message was handled: the instance was removed, or its node stops")]
    Closed,
    #[error("the time of {0:?} passed before the message was handled")]
    Waiting(Duration),
    #[error("the message was taken, and no answer came in the time of {0:?}")]
    Slow(Duration),
    #[error("the message was taken, and its handler ended without an answer")]
    Silent,
    #[error("the agent does not take such messages")]
    Declined,
    #[error("the handler panicked: {0}")]
    Panicked(String),
    #[error("the handler failed")]
    Failed(Error),
}

impl Unanswered {
    /// What an ask of `to` about `topic` ends with.
    pub(super) fn into_error(self, to: &str, topic: &str) -> Error {
        let message = format!("{to} did not answer the ask {topic:?}");
        let kind = match &self {
            Self::Closed | Self::Waiting(_) => ErrorKind::Unavailable,
            Self::Slow(_) | Self::Silent => ErrorKind::Unknown,
            Self::Declined => ErrorKind::Invalid,
            Self::Panicked(_) | Self::Failed(_) => ErrorKind::Failed,
        };
        let error = Error::new(kind, message).because(&self);
        let Self::Failed(cause) = self else { return error };
        let error = error.classed(cause.class()).because(cause.message());
        cause.causes().fold(error, Error::because)
    }
}
