//! What an error of the client says about one operation.

use crate::port::bus::{Error, QueueName};
use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use std::fmt;
use std::time::Duration;

/// Why an operation was not carried out, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// What it is about is not there.
    NotThere,
    /// The queue is full.
    Full,
    /// Nothing was done and nothing will be.
    Refused(String),
    /// It may or may not have been carried out.
    Unclear(String),
}

impl Refusal {
    /// The words of whoever gave up waiting for an answer.
    pub(super) fn late(limit: Duration) -> Self {
        Self::Unclear(format!("no answer of RabbitMQ within {limit:?}"))
    }

    /// For an operation on this queue, which may hold so many messages if that is known.
    pub(super) fn about(self, queue: &QueueName, limit: Option<usize>) -> Error {
        match self {
            Self::NotThere => Error::Unroutable { queue: queue.clone() },
            Self::Full => Error::Full { queue: queue.clone(), limit },
            Self::Refused(reason) => Error::Refused { reason },
            Self::Unclear(reason) => Error::Unclear { reason },
        }
    }

    /// For an operation that is about no queue.
    pub(super) fn plain(self) -> Error {
        match self {
            Self::Unclear(reason) => Error::Unclear { reason },
            refused => Error::Refused { reason: refused.to_string() },
        }
    }
}

/// When the broker closes a channel it says that what was asked on it is refused; of a connection it says nothing of that.
impl From<lapin::Error> for Refusal {
    fn from(error: lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(said) => match said.kind() {
                AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => Self::NotThere,
                AMQPErrorKind::Soft(_) => Self::Refused(said.get_message().to_string()),
                AMQPErrorKind::Hard(_) => Self::Unclear(said.get_message().to_string()),
            },
            ErrorKind::ChannelsLimitReached => {
                Self::Refused("RabbitMQ allows no more channels on one connection (channel_max)".to_owned())
            }
            _ => Self::Unclear(error.to_string()),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Unroutable { .. } => Self::NotThere,
            Error::Full { .. } => Self::Full,
            Error::Refused { reason } => Self::Refused(reason),
            Error::Unclear { reason } | Error::Closed { reason } => Self::Unclear(reason),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThere => f.write_str("it is not there"),
            Self::Full => f.write_str("it is full"),
            Self::Refused(reason) | Self::Unclear(reason) => f.write_str(reason),
        }
    }
}
