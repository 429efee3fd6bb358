//! Deliveries whose settling can be spoiled, and which go back when the connection is cut.

use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;

use super::ends::End;
use super::{FaultyBus, Operation};
use crate::port::bus::{Delivery, Error, Settle};
use crate::port::fault::{Call, Up};

/// The delivery as the node gets it, or `None` when its connection `up` is over: then it goes back.
pub(super) fn wrap(bus: &FaultyBus, up: &Up, queue: &str, delivery: Delivery) -> Option<Delivery> {
    let (envelope, redelivered) = (delivery.envelope.clone(), delivery.redelivered);
    let out = Arc::new(Out(Mutex::new(Some(delivery))));
    let number = bus.0.receiving.add(up, out.clone())?;
    let settle = Wrapped { bus: bus.clone(), queue: queue.to_owned(), out, number };
    Some(Delivery::new(envelope, redelivered, Box::new(settle)))
}

/// A delivery of the shared bus that can be taken away from its receiver.
struct Out(Mutex<Option<Delivery>>);

impl Out {
    fn take(&self) -> Option<Delivery> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl End for Out {
    fn sever(&self) {
        drop(self.take());
    }
}

struct Wrapped {
    bus: FaultyBus,
    queue: String,
    out: Arc<Out>,
    number: u64,
}

impl Wrapped {
    async fn settle(&self, operation: Operation, effect: Effect) -> Result<(), Error> {
        let closed = |reason| Error::Closed { reason };
        let Some(delivery) = self.out.take() else {
            return Err(closed(format!("the connection was cut: {}", self.queue)));
        };
        let call = Call { operation, name: self.queue.as_str(), as_if: (), effect: effect(delivery), again: None };
        match self.bus.receive(call).await {
            Ok(((), _)) => Ok(()),
            Err(Error::Refused { reason }) => Err(closed(reason)),
            Err(other) => Err(other),
        }
    }
}

type Effect = fn(Delivery) -> BoxFuture<'static, Result<(), Error>>;

impl Settle for Wrapped {
    fn ack(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        async move { self.settle(Operation::Ack, |delivery| delivery.ack().boxed()).await }.boxed()
    }

    fn requeue(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        async move { self.settle(Operation::Requeue, |delivery| delivery.requeue().boxed()).await }.boxed()
    }
}

impl Drop for Wrapped {
    fn drop(&mut self) {
        self.bus.0.receiving.remove(self.number);
    }
}

/// Settles what was never in a queue.
pub(super) struct Ghost;

impl Settle for Ghost {
    fn ack(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        futures::future::ready(Ok(())).boxed()
    }

    fn requeue(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        futures::future::ready(Ok(())).boxed()
    }
}
