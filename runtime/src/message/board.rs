//! Messages as a program sends and observes them.

#[cfg(doc)]
use super::Observed;
use super::{Broadcast, Filter, Message, MessageCounters, Subscription};
use crate::{Callboard, Result};
use std::time::Duration;

impl Callboard {
    /// Puts a message into the inbox of an agent, on this node or another: **not durable**, see [`Message`].
    ///
    /// `to` is the id of an agent, whose message goes to an instance that is idle, else to the next in turn; or one of
    /// its instances, `<id>#<n>`, n from 1. Either is looked for on this node first, and then on the others that live, of
    /// which those that have it take turns; an agent whose inboxes are full here is not looked for elsewhere. `<node>/<id>` and
    /// `<node>/<id>#<n>`, as in [`Message::from_instance`], are meant for that node alone.
    ///
    /// `Ok` says that the message is in an inbox, not that it was handled: what waits is lost when that node ends. It is in
    /// one inbox, and once. From one sender to one instance messages stay in order; to another node those do of which
    /// each was sent when the one before had answered. Nothing waits for an agent of this node; another node has 5 s to say
    /// that it has the message. Whoever drops this meanwhile does not know whether it is there.
    ///
    /// # Errors
    ///
    /// `NotFound` if no node has such an agent, with the closest id; `Unavailable` if the inboxes are full (1,000 messages
    /// or 64 MiB each), the instance is being removed, this node stops, the other one is gone or not reached, or too much is
    /// under way to other nodes (10,000 messages or 64 MiB); `Invalid` if the body is larger than `payload_bytes_max`, here
    /// or there. The message is in no inbox then. `Unknown` if another node may have it and has not said so.
    pub async fn tell(&self, to: impl AsRef<str>, message: Message) -> Result<()> {
        self.0.mailroom.tell_anywhere(None, to.as_ref(), message).await
    }

    /// Asks an agent, on this node or another, and waits for its answer, at most for `limit`: **not durable**, see [`Message`].
    ///
    /// The agent is found as by [`tell`](Self::tell). The answer is a message with the correlation id of the ask. An ask that
    /// is dropped or whose time has passed is not handled any more if it still waits, and an answer that comes late is
    /// dropped; another node hears within half a second that an ask was dropped. For that node to say whether the
    /// message was handled this may wait up to a second longer than `limit`.
    ///
    /// # Errors
    ///
    /// As [`tell`](Self::tell). `Unavailable` if the message was not handled: `limit` passed while it waited, or the
    /// instance was removed or stopped. `Unknown` if it was taken and no answer came, or if another node that may have it
    /// has ended or says nothing. `Failed` if the handler failed or panicked, with its reasons; `Invalid` if the agent does not
    /// take such messages.
    pub async fn ask(&self, to: impl AsRef<str>, message: Message, limit: Duration) -> Result<Message> {
        self.0.mailroom.ask_anywhere(None, to.as_ref(), message, limit).await
    }

    /// Puts a message into the inbox of every instance of every agent of every node that lives, once: **not durable**, see
    /// [`Message`].
    ///
    /// Instances whose inboxes are full do not hear of it, and are named in the result. The result is exact for this node;
    /// other nodes are waited for up to a second, and those that have not answered by then are named, too: they may or may
    /// not hear of it. A node that comes or goes meanwhile may be passed over.
    ///
    /// # Errors
    ///
    /// `Invalid` if the body is larger than `payload_bytes_max`. It is in no inbox then.
    pub async fn broadcast(&self, message: Message) -> Result<Broadcast> {
        self.0.mailroom.broadcast_anywhere(None, message).await
    }

    /// A stream of the messages that pass `filter` from now on, for observers that are no agents.
    ///
    /// It sees what is put into inboxes of this node, from whatever node that comes, and the answers of its agents. What goes
    /// from here to other nodes is seen there.
    ///
    /// At most 1,000 wait for it, or 64 MiB; a slow one loses the oldest, and is [told](Observed::Missed) how many.
    pub fn subscribe(&self, filter: Filter) -> Subscription {
        self.0.mailroom.subscribe(filter)
    }

    /// What has become of the messages to agents of this node since its start.
    pub fn message_counters(&self) -> MessageCounters {
        self.0.mailroom.counters()
    }
}
