//! A bus that fails as it is told, for tests.
//!
//! Each node of a test gets a [`FaultyBus`] of its own around the bus that they share, so that one of them can be cut off
//! while the others go on.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use std::num::{NonZeroU16, NonZeroUsize};
//! use std::sync::Arc;
//! use callboard::port::bus::fault::{Cut, Fault, FaultyBus, Operation};
//! use callboard::port::bus::memory::MemoryBus;
//! use callboard::port::bus::{Bus, Envelope, Error, QueueName};
//!
//! let shared = Arc::new(MemoryBus::new());
//! let (one, two) = (FaultyBus::new(shared.clone()), FaultyBus::new(shared));
//! let queue = QueueName::node("two")?;
//! let mut own = two.consume_own(&queue, NonZeroUsize::MIN, NonZeroU16::MIN).await?;
//!
//! one.faults().nth(Operation::Publish, "node.*", 1, Fault::Forget);
//! let message = Envelope::new("1", "test", "one", "{}");
//! one.publish(&queue, message.clone()).await?; // so it says
//! assert_eq!(one.faults().injected(Fault::Forget), 1);
//!
//! two.cut(Cut::Both);
//! assert!(own.next().await.is_none());
//! assert_eq!(one.publish(&queue, message).await, Err(Error::Unroutable { queue }));
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod ends;
mod receiver;
mod settle;
#[cfg(test)]
mod tests;

use std::fmt;
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use self::ends::Ends;
use self::receiver::{Receiver, Silent};
use super::memory::MemoryBus;
use super::{Bus, Consumer, Envelope, Error, QueueName, Subscription};
use crate::port::fault::{Call, Kind, Link, Unanswered, Up};
pub use crate::port::fault::{Fault, Faults, Odds};

/// The kinds of operations. The name that a pattern is held against is that of the queue; broadcasts have none, so theirs is
/// the `kind` of the message, and that of a subscription is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`Bus::declare`]
    Declare,
    /// [`Bus::delete`]
    Delete,
    /// [`Bus::publish`]
    Publish,
    /// [`Bus::consume`]
    Consume,
    /// [`Bus::consume_own`]
    ConsumeOwn,
    /// [`Bus::broadcast`]
    Broadcast,
    /// [`Bus::subscribe`]
    Subscribe,
    /// The way of a message from its queue to a consumer of this node.
    Deliver,
    /// The way of a broadcast to a subscription of this node.
    Hear,
    /// [`Delivery::ack`](super::Delivery::ack)
    Ack,
    /// [`Delivery::requeue`](super::Delivery::requeue)
    Requeue,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Declare,
        Self::Delete,
        Self::Publish,
        Self::Consume,
        Self::ConsumeOwn,
        Self::Broadcast,
        Self::Subscribe,
        Self::Deliver,
        Self::Hear,
        Self::Ack,
        Self::Requeue,
    ];
}

/// Everything can pass, hang, be slow, be forgotten, and meet a cut or a wipe. What has an answer can lose it or be refused; of
/// that, what leaves nothing with the caller can be late. Messages on their way can come twice, and those that are sent can be
/// overtaken. An ack that is forgotten, refused or lost lets its message come again.
impl Kind for Operation {
    fn all() -> &'static [Self] {
        &Self::ALL
    }

    fn allows(self, fault: Fault) -> bool {
        use Operation::{Broadcast, Consume, ConsumeOwn, Deliver, Hear, Publish, Subscribe};
        let arrives = matches!(self, Deliver | Hear);
        match fault {
            Fault::Pass | Fault::Hang | Fault::Slow(_) | Fault::Forget | Fault::Cut | Fault::Wipe => true,
            Fault::Refuse | Fault::LoseRequest | Fault::LoseAnswer => !arrives,
            Fault::Late => !arrives && !matches!(self, Consume | ConsumeOwn | Subscribe),
            Fault::Duplicate => arrives || matches!(self, Publish | Broadcast),
            Fault::Reorder => matches!(self, Publish | Broadcast),
        }
    }
}

/// Which connection of a node is cut: like many clients of brokers it sends on one and receives on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The node hears and cannot be heard: it cannot declare, delete, publish or broadcast. Its consumers and subscriptions
    /// go on.
    Sending,
    /// The node is heard and cannot hear: its consumers and subscriptions end, what it has not settled goes back, and its own
    /// queues are gone. It cannot consume, subscribe or settle.
    Receiving,
    /// The node is alone.
    Both,
}

/// A bus that can be wiped as a whole.
pub trait Wipeable: Bus {
    /// Forgets every queue, message, consumer and subscription.
    fn wipe(&self);
}

impl Wipeable for MemoryBus {
    fn wipe(&self) {
        MemoryBus::wipe(self);
    }
}

/// Wraps the bus that nodes share for one of them, and spoils operations as told. A clone is the same faulty bus.
#[derive(Clone)]
pub struct FaultyBus(Arc<State>);

struct State {
    inner: Arc<dyn Wipeable>,
    faults: Faults<Operation>,
    sending: Link,
    receiving: Ends,
}

impl FaultyBus {
    /// A faulty bus that passes everything on until told otherwise.
    #[must_use]
    pub fn new(inner: Arc<dyn Wipeable>) -> Self {
        let (sending, receiving) = (Link::default(), Ends::default());
        Self(Arc::new(State { inner, faults: Faults::new(), sending, receiving }))
    }

    /// Orders and counts faults of single operations.
    #[must_use]
    pub fn faults(&self) -> &Faults<Operation> {
        &self.0.faults
    }

    /// Cuts this node off, as if it had lost its connection to the broker. What is under way is told [`Error::Unclear`], and
    /// what comes until [`heal`](Self::heal) is [`Error::Refused`]. When this returns, deliveries are back in their queues and
    /// own queues are gone.
    pub fn cut(&self, cut: Cut) {
        if matches!(cut, Cut::Sending | Cut::Both) {
            self.0.sending.cut();
        }
        if matches!(cut, Cut::Receiving | Cut::Both) {
            let hit = self.0.receiving.cut();
            self.0.faults.count(Fault::Cut, hit);
        }
    }

    /// Ends every cut. What has ended stays ended: the node consumes and subscribes again.
    pub fn heal(&self) {
        self.0.sending.heal();
        self.0.receiving.heal();
    }

    /// Has every queue, message, consumer and subscription of the shared bus vanish, of all nodes.
    pub fn wipe(&self) {
        self.0.faults.count(Fault::Wipe, 1);
        self.0.inner.wipe();
    }

    /// Serves what goes over the sending connection.
    async fn send(&self, call: Call<'_, Operation, (), Error>) -> Result<(), Error> {
        let Some(up) = self.0.sending.up() else {
            return self.0.faults.turn_away(call.operation, call.name);
        };
        self.serve(&up, call).await
    }

    /// Serves what goes over the receiving connection, and says on which.
    async fn receive<T: Send + 'static>(&self, call: Call<'_, Operation, T, Error>) -> Result<(T, Up), Error> {
        let Some(up) = self.0.receiving.up() else {
            return self.0.faults.turn_away(call.operation, call.name);
        };
        let answer = self.serve(&up, call).await?;
        Ok((answer, up))
    }

    async fn serve<T: Send + 'static>(&self, up: &Up, call: Call<'_, Operation, T, Error>) -> Result<T, Error> {
        let drawn = self.0.faults.draw(call.operation, call.name);
        self.upset(drawn.fault);
        self.0.faults.serve(up, drawn, call).await
    }

    /// Does what a fault does to more than its operation.
    fn upset(&self, fault: Fault) {
        match fault {
            Fault::Cut => self.cut(Cut::Both),
            Fault::Wipe => self.wipe(),
            _ => {}
        }
    }

    /// The effect of an operation on the shared bus.
    fn effect<T, F>(&self, operate: impl FnOnce(Arc<dyn Wipeable>) -> F) -> BoxFuture<'static, Result<T, Error>>
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        operate(Arc::clone(&self.0.inner)).boxed()
    }

    async fn start_consumer(
        &self,
        operation: Operation,
        queue: &QueueName,
        effect: BoxFuture<'static, Result<Consumer, Error>>,
    ) -> Result<Consumer, Error> {
        let as_if = Consumer::new(Box::new(Silent));
        let call = Call { operation, name: queue.as_str(), as_if, effect, again: None };
        let (consumer, up) = self.receive(call).await?;
        Ok(Consumer::new(Box::new(Receiver::start(self, up, queue.to_string(), consumer)?)))
    }
}

impl fmt::Debug for FaultyBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultyBus").field(&self.0.faults).finish()
    }
}

impl Unanswered for Error {
    fn refused(reason: String) -> Self {
        Self::Refused { reason }
    }

    fn unclear(reason: String) -> Self {
        Self::Unclear { reason }
    }
}

impl Bus for FaultyBus {
    fn declare<'a>(&'a self, queue: &'a QueueName, messages_max: NonZeroUsize) -> BoxFuture<'a, Result<(), Error>> {
        let name = queue.clone();
        let effect = self.effect(|bus| async move { bus.declare(&name, messages_max).await });
        let operation = Operation::Declare;
        self.send(Call { operation, name: queue.as_str(), as_if: (), effect, again: None }).boxed()
    }

    fn delete<'a>(&'a self, queue: &'a QueueName) -> BoxFuture<'a, Result<(), Error>> {
        let name = queue.clone();
        let effect = self.effect(|bus| async move { bus.delete(&name).await });
        let operation = Operation::Delete;
        self.send(Call { operation, name: queue.as_str(), as_if: (), effect, again: None }).boxed()
    }

    fn publish<'a>(&'a self, queue: &'a QueueName, envelope: Envelope) -> BoxFuture<'a, Result<(), Error>> {
        let publish = || {
            let (name, envelope) = (queue.clone(), envelope.clone());
            self.effect(|bus| async move { bus.publish(&name, envelope).await })
        };
        let (effect, again) = (publish(), Some(publish()));
        self.send(Call { operation: Operation::Publish, name: queue.as_str(), as_if: (), effect, again }).boxed()
    }

    fn consume<'a>(&'a self, queue: &'a QueueName, prefetch: NonZeroU16) -> BoxFuture<'a, Result<Consumer, Error>> {
        let name = queue.clone();
        let effect = self.effect(|bus| async move { bus.consume(&name, prefetch).await });
        self.start_consumer(Operation::Consume, queue, effect).boxed()
    }

    fn consume_own<'a>(
        &'a self,
        queue: &'a QueueName,
        messages_max: NonZeroUsize,
        prefetch: NonZeroU16,
    ) -> BoxFuture<'a, Result<Consumer, Error>> {
        let name = queue.clone();
        let effect = self.effect(|bus| async move { bus.consume_own(&name, messages_max, prefetch).await });
        self.start_consumer(Operation::ConsumeOwn, queue, effect).boxed()
    }

    fn broadcast(&self, envelope: Envelope) -> BoxFuture<'_, Result<(), Error>> {
        async move {
            let broadcast = || {
                let envelope = envelope.clone();
                self.effect(|bus| async move { bus.broadcast(envelope).await })
            };
            let (effect, again) = (broadcast(), Some(broadcast()));
            let name = envelope.head.kind.as_str();
            self.send(Call { operation: Operation::Broadcast, name, as_if: (), effect, again }).await
        }
        .boxed()
    }

    fn subscribe(&self) -> BoxFuture<'_, Result<Subscription, Error>> {
        async move {
            let effect = self.effect(|bus| async move { bus.subscribe().await });
            let as_if = Subscription::new(Box::new(Silent));
            let call = Call { operation: Operation::Subscribe, name: "", as_if, effect, again: None };
            let (subscription, up) = self.receive(call).await?;
            Ok(Subscription::new(Box::new(Receiver::start(self, up, String::new(), subscription)?)))
        }
        .boxed()
    }
}
