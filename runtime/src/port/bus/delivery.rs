//! The receiving side: consumers, deliveries and subscriptions.

use futures::future::BoxFuture;

use super::{Envelope, Error};

/// What an implementation does to settle one delivery. Dropping it unsettled puts the message back.
pub trait Settle: Send {
    /// Takes the message out of its queue for good.
    fn ack(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>>;

    /// Puts the message back.
    fn requeue(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>>;
}

/// A message that is ours until we settle it. Dropping it puts it back at the front of its queue, marked redelivered.
#[must_use = "a delivery that is dropped comes back"]
pub struct Delivery {
    /// The message.
    pub envelope: Envelope,
    /// Whether the message may have been delivered before. Never a proof: a broker may forget, and may mark too many.
    pub redelivered: bool,
    settle: Box<dyn Settle>,
}

impl Delivery {
    /// For implementations: a delivery that `settle` settles.
    pub fn new(envelope: Envelope, redelivered: bool, settle: Box<dyn Settle>) -> Self {
        Self { envelope, redelivered, settle }
    }

    /// Takes the message out of its queue for good. Dropping the returned future leaves the outcome unclear.
    ///
    /// # Errors
    /// [`Error::Closed`] when the queue or the connection is gone: the message may come again.
    /// [`Error::Unclear`] when no answer came.
    pub async fn ack(self) -> Result<(), Error> {
        self.settle.ack().await
    }

    /// Puts the message back at the front of its queue, marked redelivered, for whichever consumer is free.
    ///
    /// There is no delay: who would refuse the same message again must settle it otherwise.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub async fn requeue(self) -> Result<(), Error> {
        self.settle.requeue().await
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Delivery");
        shown.field("envelope", &self.envelope).field("redelivered", &self.redelivered).finish_non_exhaustive()
    }
}

/// What an implementation does to feed one consumer.
pub trait Source: Send {
    /// The next message, or `None` for ever after the queue or the connection has gone. Cancel-safe.
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>>;

    /// Takes nothing more, and leaves what has been delivered with its receivers.
    fn cancel(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>>;
}

/// One consumer of a queue. Dropping it puts back what it has received and not settled, or ends the queue if it is its own.
pub struct Consumer(Box<dyn Source>);

impl Consumer {
    /// For implementations: a consumer that `source` feeds.
    pub fn new(source: Box<dyn Source>) -> Self {
        Self(source)
    }

    /// Waits for the next message, and for as long as `prefetch` deliveries are unsettled.
    ///
    /// `None` means that the queue or the connection is gone: declare and consume again. Cancel-safe: a message is
    /// either returned or stays in the queue.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.0.next().await
    }

    /// Takes nothing more, and leaves the unsettled deliveries with their receivers, who may still settle them. This is
    /// how a prefetch is changed: cancel, and consume again. A queue of one's own is gone by it, and so are its deliveries.
    ///
    /// # Errors
    /// [`Error::Closed`] when the connection is gone, and with it the deliveries. [`Error::Unclear`] when no answer came.
    pub async fn cancel(self) -> Result<(), Error> {
        self.0.cancel().await
    }
}

/// What an implementation does to feed one subscription.
pub trait Listen: Send {
    /// The next broadcast, or `None` for ever after the connection has gone. Cancel-safe.
    fn next(&mut self) -> BoxFuture<'_, Option<Envelope>>;
}

/// One subscription to the broadcasts.
pub struct Subscription(Box<dyn Listen>);

impl Subscription {
    /// For implementations: a subscription that `listen` feeds.
    pub fn new(listen: Box<dyn Listen>) -> Self {
        Self(listen)
    }

    /// Waits for the next broadcast. `None` means that the connection is gone: subscribe again. Cancel-safe.
    pub async fn next(&mut self) -> Option<Envelope> {
        self.0.next().await
    }
}

macro_rules! opaque {
    ($($kind:ident),*) => {$(
        impl std::fmt::Debug for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($kind))
            }
        }
    )*};
}
opaque!(Consumer, Subscription);
