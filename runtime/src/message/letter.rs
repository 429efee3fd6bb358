//! A message on its way, the way back of an ask, and what an agent makes of it.

use super::error::Unanswered;
use super::{Message, json};
use crate::Result;
use callboard_core::Json;
use serde::Serialize;
use tokio::sync::oneshot;

/// What comes back from an ask.
pub(super) type Answer = std::result::Result<Message, Unanswered>;

/// A message, and who waits for an answer to it.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) message: Message,
    pub(super) asker: Option<oneshot::Sender<Answer>>,
}

impl Letter {
    /// Whether it is an ask for whose answer nobody waits any more.
    pub(super) fn is_expired(&self) -> bool {
        self.asker.as_ref().is_some_and(oneshot::Sender::is_closed)
    }
}

/// What [`crate::Agent::message`] makes of a message.
#[derive(Debug)]
pub struct Reply(pub(super) Said);

/// What a reply says.
#[derive(Debug)]
pub(super) enum Said {
    Nothing,
    Body(Json),
    Declined,
}

impl Reply {
    /// The message was handled and there is nothing to say. Whoever asked gets `null`.
    pub fn none() -> Self {
        Self(Said::Nothing)
    }

    /// The answer to an ask. If nobody asked, it is dropped.
    ///
    /// # Errors
    ///
    /// `Invalid` if the value has no JSON form.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Ok(Self(Said::Body(json(value)?)))
    }

    /// The message is not for this agent. Another task type of the same agent is tried; if all decline, an ask fails
    /// with `Invalid`, and a tell is logged and dropped.
    pub fn declined() -> Self {
        Self(Said::Declined)
    }

    /// Whether it says that the message is not for this agent.
    pub fn is_declined(&self) -> bool {
        matches!(self.0, Said::Declined)
    }
}
