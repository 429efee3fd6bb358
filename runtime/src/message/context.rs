//! What a handler has in its hands to send messages, and to reach the runtime.

use super::Message;
use super::mailroom::{Broadcast, Mailroom};
use super::place::{Name, Place};
use crate::board::Callboard;
use crate::node::Node;
use crate::{Error, ErrorKind, Result};
use callboard_core::InstanceId;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// The node at which instances are at home, without keeping it alive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Home(Arc<OnceLock<Weak<Node>>>);

impl Home {
    /// Says which node it is: before there are instances.
    pub(crate) fn is(&self, node: &Arc<Node>) {
        let _first = self.0.get_or_init(|| Arc::downgrade(node));
    }

    fn board(&self) -> Result<Callboard> {
        let gone = || Error::new(ErrorKind::Unavailable, "the node is going: no handle to it is left");
        self.0.get().and_then(Weak::upgrade).map(Callboard).ok_or_else(gone)
    }
}

/// The voice of an instance: what it says is from it.
#[derive(Clone)]
pub(crate) struct Voice {
    mailroom: Arc<Mailroom>,
    home: Home,
    place: Arc<Place>,
}

impl Voice {
    pub(crate) fn new(mailroom: Arc<Mailroom>, home: Home, place: Arc<Place>) -> Self {
        Self { mailroom, home, place }
    }

    fn name(&self) -> &Arc<Name> {
        &self.place.name
    }

    pub(crate) async fn tell(&self, to: &str, message: Message) -> Result<()> {
        self.mailroom.tell_anywhere(Some(self.name()), to, message).await
    }

    pub(crate) async fn ask(&self, to: &str, message: Message, limit: Duration) -> Result<Message> {
        self.mailroom.ask_anywhere(Some(self.name()), to, message, limit).await
    }

    pub(crate) async fn broadcast(&self, message: Message) -> Result<Broadcast> {
        self.mailroom.broadcast_anywhere(Some(self.name()), message).await
    }

    pub(crate) fn board(&self) -> Result<Callboard> {
        self.home.board()
    }
}

/// What [`Agent::message`](crate::Agent::message) has in its hands; cheap to clone.
///
/// **What it sends is not durable**, as all messages. There is no task, so nothing here is recorded either.
#[derive(Clone)]
pub struct MessageCtx(Voice);

impl MessageCtx {
    pub(crate) fn new(voice: Voice) -> Self {
        Self(voice)
    }

    /// The instance that handles the message.
    pub fn instance(&self) -> &InstanceId {
        &self.0.name().instance
    }

    /// Puts a message from this instance into an inbox; as [`Callboard::tell`].
    ///
    /// # Errors
    ///
    /// As [`Callboard::tell`].
    pub async fn tell(&self, to: impl AsRef<str>, message: Message) -> Result<()> {
        self.0.tell(to.as_ref(), message).await
    }

    /// Asks, and waits for the answer; as [`Callboard::ask`].
    ///
    /// The instance handles nothing else meanwhile. Whoever asks itself, or asks in a circle, waits until `limit` has
    /// passed.
    ///
    /// # Errors
    ///
    /// As [`Callboard::ask`].
    pub async fn ask(&self, to: impl AsRef<str>, message: Message, limit: Duration) -> Result<Message> {
        self.0.ask(to.as_ref(), message, limit).await
    }

    /// Puts a message into every inbox of every node but its own; as [`Callboard::broadcast`].
    ///
    /// # Errors
    ///
    /// As [`Callboard::broadcast`].
    pub async fn broadcast(&self, message: Message) -> Result<Broadcast> {
        self.0.broadcast(message).await
    }

    /// The runtime, to submit workflows and to call other agents.
    ///
    /// It does not keep the node alive as long as it is not asked for; what it gives does. Waiting for a call keeps
    /// this instance from everything else, and the call is not tied to this message.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the last handle to the node is gone.
    pub fn board(&self) -> Result<Callboard> {
        self.0.board()
    }
}

impl fmt::Debug for MessageCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MessageCtx").field(self.instance()).finish()
    }
}
