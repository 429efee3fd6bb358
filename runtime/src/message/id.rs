//! What tells messages apart, and what ties them together.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// The id of a message: unique over nodes and lives, and in no order. A UUID of version 8 (RFC 9562).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(Uuid);

impl MessageId {
    /// That of a message that was not sent.
    pub(super) const NONE: Self = Self(Uuid::nil());
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What one request from outside causes, under one name: the caller's own, or the id of the message that began it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CorrelationId(Origin);

#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Origin {
    Caller(Arc<str>),
    Message(MessageId),
}

impl From<MessageId> for CorrelationId {
    fn from(id: MessageId) -> Self {
        Self(Origin::Message(id))
    }
}

impl From<&str> for CorrelationId {
    fn from(id: &str) -> Self {
        Self(Origin::Caller(id.into()))
    }
}

impl From<String> for CorrelationId {
    fn from(id: String) -> Self {
        Self(Origin::Caller(id.into()))
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Origin::Caller(id) => f.write_str(id),
            Origin::Message(id) => id.fmt(f),
        }
    }
}

impl fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Makes ids: eight random bytes of this life of the node, and a number. Nothing random is drawn per message.
#[derive(Debug)]
pub(super) struct Ids {
    life: [u8; 8],
    last: AtomicU64,
}

impl Ids {
    pub(super) fn random() -> Self {
        let (high, _) = crate::chance::id().as_u64_pair();
        Self { life: high.to_be_bytes(), last: AtomicU64::new(0) }
    }

    pub(super) fn next(&self) -> MessageId {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.life);
        bytes[8..].copy_from_slice(&number.to_be_bytes());
        MessageId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}
