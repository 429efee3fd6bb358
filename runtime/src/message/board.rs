//! Messages as a program sends and observes them.

#[cfg(doc)]
use super::Observed;
use super::{Broadcast, Filter, Message, MessageCounters, Subscription};
use crate::{Callboard, Result};
use std::time::Duration;

impl Callboard {
    /// Puts a message into the inbox of an agent: **not durable**, see [`Message`].
    ///
    /// `to` is the id of an agent, whose message goes to an instance that is idle, else to the next in turn; or one of
    /// its instances, `<id>#<n>`, n from 1. `Ok` says that the message is in an inbox, not that it was handled: what
    /// waits is lost when the node ends. From one sender to one instance messages stay in order.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such agent, with the closest id; `Unavailable` if the inboxes are full (1,000 messages
    /// or 64 MiB each), the instance is being removed, or the node stops; `Invalid` if the body is larger than `payload_bytes_max`. The
    /// message is in no inbox then.
    pub async fn tell(&self, to: impl AsRef<str>, message: Message) -> Result<()> {
        self.0.mailroom.tell_anywhere(None, to.as_ref(), message).await
    }

    /// Asks an agent, and waits for its answer, at most for `limit`: **not durable**, see [`Message`].
    ///
    /// The answer is a message with the correlation id of the ask. An ask that is dropped or whose time has passed is
    /// not handled any more if it still waits; an answer that comes late is dropped.
    ///
    /// # Errors
    ///
    /// As [`tell`](Self::tell). `Unavailable` if the message was not handled: `limit` passed while it waited, or the
    /// instance was removed or stopped. `Unknown` if it was taken and no answer came. `Failed` if the handler failed or
    /// panicked, with its reasons; `Invalid` if the agent does not take such messages.
    pub async fn ask(&self, to: impl AsRef<str>, message: Message, limit: Duration) -> Result<Message> {
        self.0.mailroom.ask_anywhere(None, to.as_ref(), message, limit).await
    }

    /// Puts a message into the inbox of every instance of every agent, once: **not durable**, see [`Message`].
    ///
    /// Instances whose inboxes are full do not hear of it, and are named in the result.
    ///
    /// # Errors
    ///
    /// `Invalid` if the body is larger than `payload_bytes_max`. It is in no inbox then.
    pub async fn broadcast(&self, message: Message) -> Result<Broadcast> {
        self.0.mailroom.broadcast_anywhere(None, message).await
    }

    /// A stream of the messages that pass `filter` from now on, for observers that are no agents.
    ///
    /// At most 1,000 wait for it, or 64 MiB; a slow one loses the oldest, and is [told](Observed::Missed) how many.
    pub fn subscribe(&self, filter: Filter) -> Subscription {
        self.0.mailroom.subscribe(filter)
    }

    /// What has become of messages since the start.
    pub fn message_counters(&self) -> MessageCounters {
        self.0.mailroom.counters()
    }
}
