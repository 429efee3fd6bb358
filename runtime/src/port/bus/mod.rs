//! The bus: carries dispatches, results, answers and broadcasts. It is soft: the journal remembers, the bus hurries.
//!
//! # Contract, for every implementation
//!
//! - **Confirmed publish.** After `publish` has answered `Ok`, the message is in its queue and is delivered at least once
//!   for as long as the broker lives. After [`Error::Unclear`] it may or may not be: publish the same id again.
//! - **Acked or back.** A delivery belongs to its receiver until it is settled. Dropping it or its [`Consumer`], the end of
//!   the task that held it, or a lost connection puts the message back at the front of its queue, marked redelivered.
//! - **May duplicate, may reorder.** A message may be delivered again, also after an ack whose answer was lost, and to
//!   another consumer. Nobody may count on order, not even in one queue. Receivers know a message again by its id.
//! - **May be wiped.** Queues, messages and subscriptions may all vanish at any moment. Consumers and subscriptions then end
//!   with `None`, or stay silent where the broker does not tell; who needs a queue declares it again.
//! - **Mandatory.** Publishing to a queue that nobody has declared is answered [`Error::Unroutable`], never swallowed.
//! - **Bounded.** A queue holds at most the messages it was declared for and answers [`Error::Full`] beyond; put-backs are
//!   always taken. A consumer has at most `prefetch` unsettled deliveries; there is no unlimited.
//! - **Shared.** Any number of consumers may share a queue; those that wait take in turn, those that are busy take nothing.
//! - **One's own.** A queue of [`Bus::consume_own`] has one consumer and is gone with it: when the [`Consumer`] is dropped or
//!   cancelled, when its node's connection is cut, when the bus is wiped. What it held is gone too, confirmed or not, and
//!   whoever publishes to it is soon told [`Error::Unroutable`]: that is how a node learns at once that another has died.
//! - **Broadcasts** reach whoever is subscribed, at most once. Nothing is kept for others, and a subscriber that is more than
//!   [`BROADCASTS_BEHIND_MAX`] behind loses the oldest.
//! - No call waits for ever: a remote implementation bounds each by a limit of its own and answers [`Error::Unclear`] or
//!   [`Error::Refused`]. Only [`Consumer::next`] and [`Subscription::next`] wait for as long as it takes.

pub(crate) mod again;
pub(crate) mod bundle;
mod delivery;
mod envelope;
pub mod memory;
mod queue_name;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;

#[cfg(any(test, feature = "test"))]
pub mod conformance;
#[cfg(any(test, feature = "test"))]
pub mod fault;

use std::num::{NonZeroU16, NonZeroUsize};

use futures::future::BoxFuture;

pub use delivery::{Consumer, Delivery, Listen, Settle, Source, Subscription};
pub use envelope::{Envelope, Head};
pub use queue_name::{InvalidName, NAME_BYTES_MAX, QueueName};

/// How many broadcasts a subscriber may be behind before it loses the oldest.
pub const BROADCASTS_BEHIND_MAX: usize = 1024;

/// Why an operation of the bus has no plain answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such queue. Nothing was published and nothing will be.
    #[error("no such queue: {queue}")]
    Unroutable {
        /// The queue nobody has declared.
        queue: QueueName,
    },
    /// The queue holds as many messages as it was declared for. Nothing was published and nothing will be.
    #[error("queue is full{}: {queue}", at(*limit))]
    Full {
        /// The full queue.
        queue: QueueName,
        /// How many messages it was declared for, where that is known: a broker does not tell those who have not declared it.
        limit: Option<usize>,
    },
    /// Nothing was done and nothing will be: there is no connection, or the arguments do not agree with what exists.
    #[error("the bus refused: {reason}")]
    Refused {
        /// What the bus said.
        reason: String,
    },
    /// The operation may or may not have taken effect, now or later.
    #[error("the bus's answer is unclear: {reason}")]
    Unclear {
        /// What was seen instead of an answer.
        reason: String,
    },
    /// The delivery cannot be settled any more: its queue or its connection is gone. It may come again.
    #[error("the delivery is no longer ours: {reason}")]
    Closed {
        /// What has gone.
        reason: String,
    },
}

fn at(limit: Option<usize>) -> String {
    limit.map(|limit| format!(" at {limit} messages")).unwrap_or_default()
}

/// A carrier of messages. See the module for the contract.
///
/// Dropping a returned future leaves the outcome unclear, never half done.
pub trait Bus: Send + Sync + 'static {
    /// Makes sure that `queue` exists, for at most `messages_max` messages that wait for a consumer.
    ///
    /// [`Error::Refused`] when it exists with another limit, or is somebody's own.
    fn declare<'a>(&'a self, queue: &'a QueueName, messages_max: NonZeroUsize) -> BoxFuture<'a, Result<(), Error>>;

    /// Removes `queue` with all it holds and ends its consumers; removing what is not there is no error. A broker may refuse
    /// to remove what is another node's own.
    fn delete<'a>(&'a self, queue: &'a QueueName) -> BoxFuture<'a, Result<(), Error>>;

    /// Puts a message at the end of `queue`, confirmed.
    fn publish<'a>(&'a self, queue: &'a QueueName, envelope: Envelope) -> BoxFuture<'a, Result<(), Error>>;

    /// Starts a consumer of `queue` with at most `prefetch` unsettled deliveries. [`Error::Unroutable`] when nobody has
    /// declared it, [`Error::Refused`] when it is somebody's own.
    fn consume<'a>(&'a self, queue: &'a QueueName, prefetch: NonZeroU16) -> BoxFuture<'a, Result<Consumer, Error>>;

    /// Makes `queue`, for at most `messages_max` messages that wait, and starts the only consumer it will ever have, with at
    /// most `prefetch` unsettled deliveries. The queue is gone with its consumer, and with all it holds.
    ///
    /// [`Error::Refused`] when the queue exists: also for a moment after its consumer has died unseen, so a node takes a
    /// new name for every life.
    fn consume_own<'a>(
        &'a self,
        queue: &'a QueueName,
        messages_max: NonZeroUsize,
        prefetch: NonZeroU16,
    ) -> BoxFuture<'a, Result<Consumer, Error>>;

    /// Sends a message to whoever is subscribed, which may be nobody.
    fn broadcast(&self, envelope: Envelope) -> BoxFuture<'_, Result<(), Error>>;

    /// Starts to listen: what is broadcast after the answer is received.
    fn subscribe(&self) -> BoxFuture<'_, Result<Subscription, Error>>;
}
