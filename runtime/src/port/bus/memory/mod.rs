//! The bus in process: bounded queues behind short locks, for `dev`, tests and single nodes.
//!
//! Within one process it keeps more than the contract asks: nothing is delivered twice unless it was put back, and one
//! queue with one consumer keeps its order.

mod own;
mod queue;
mod tap;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::{Arc, PoisonError};

use futures::future::BoxFuture;
use tokio::sync::broadcast;

use self::own::Own;
use self::queue::{Access, Queue};
use super::{BROADCASTS_BEHIND_MAX, Bus, Consumer, Envelope, Error, Listen, QueueName, Subscription};
use crate::sync::{Mutex, MutexGuard};

/// A bus within one process; clones share everything.
#[derive(Clone, Debug)]
pub struct MemoryBus(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    queues: BTreeMap<QueueName, Arc<Queue>>,
    broadcasts: broadcast::Sender<Envelope>,
}

impl Default for MemoryBus {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryBus {
    /// A bus without queues.
    pub fn new() -> Self {
        let (broadcasts, _) = broadcast::channel(BROADCASTS_BEHIND_MAX);
        Self(Arc::new(Mutex::new(Inner { queues: BTreeMap::new(), broadcasts })))
    }

    /// Forgets every queue, message, consumer and subscription, as a broker does whose disk is wiped.
    pub fn wipe(&self) {
        let (broadcasts, _) = broadcast::channel(BROADCASTS_BEHIND_MAX);
        let mut inner = self.lock();
        let queues = std::mem::take(&mut inner.queues);
        let heard = std::mem::replace(&mut inner.broadcasts, broadcasts);
        drop(inner);
        drop(heard);
        queues.values().for_each(|queue| queue.close());
    }

    /// The names of all queues.
    pub fn queues(&self) -> Vec<QueueName> {
        self.lock().queues.keys().cloned().collect()
    }

    /// How many messages of `queue` wait for a consumer, or `None` when there is no such queue.
    pub fn ready(&self, queue: &QueueName) -> Option<usize> {
        self.lock().queues.get(queue).map(|queue| queue.ready())
    }

    fn queue(&self, name: &QueueName) -> Result<Arc<Queue>, Error> {
        self.lock().queues.get(name).cloned().ok_or_else(|| Error::Unroutable { queue: name.clone() })
    }

    /// No foreign code runs under the lock, so a poisoned map is a whole one.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn declare_now(&self, name: &QueueName, messages_max: usize) -> Result<(), Error> {
        match self.lock().queues.entry(name.clone()) {
            Entry::Vacant(free) => {
                free.insert(Queue::new(name.clone(), messages_max, Access::Shared));
                Ok(())
            }
            Entry::Occupied(taken) if taken.get().access() == Access::Own => Err(is_own(name)),
            Entry::Occupied(taken) if taken.get().messages_max() == messages_max => Ok(()),
            Entry::Occupied(taken) => {
                let held = taken.get().messages_max();
                Err(Error::Refused { reason: format!("queue exists for {held} messages, not {messages_max}: {name}") })
            }
        }
    }

    fn consume_now(&self, name: &QueueName, prefetch: NonZeroU16) -> Result<Consumer, Error> {
        let queue = self.queue(name)?;
        match queue.access() {
            Access::Shared => Ok(Consumer::new(Box::new(queue.join(prefetch.get().into())?))),
            Access::Own => Err(is_own(name)),
        }
    }

    fn consume_own_now(&self, name: &QueueName, messages_max: usize, prefetch: NonZeroU16) -> Result<Consumer, Error> {
        match self.lock().queues.entry(name.clone()) {
            Entry::Vacant(free) => {
                let queue = Queue::new(name.clone(), messages_max, Access::Own);
                let tap = queue.join(prefetch.get().into())?;
                free.insert(Arc::clone(&queue));
                Ok(Consumer::new(Box::new(Own::new(tap, self.clone(), queue))))
            }
            Entry::Occupied(_) => Err(Error::Refused { reason: format!("queue exists: {name}") }),
        }
    }

    /// Removes this very queue; one that has taken its name since stays.
    fn remove(&self, queue: &Arc<Queue>) {
        if let Entry::Occupied(found) = self.lock().queues.entry(queue.name().clone())
            && Arc::ptr_eq(found.get(), queue)
        {
            found.remove();
        }
        queue.close();
    }
}

fn is_own(name: &QueueName) -> Error {
    Error::Refused { reason: format!("queue is its consumer's own: {name}") }
}

impl Bus for MemoryBus {
    fn declare<'a>(&'a self, queue: &'a QueueName, messages_max: NonZeroUsize) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.declare_now(queue, messages_max.get()) })
    }

    fn delete<'a>(&'a self, queue: &'a QueueName) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let deleted = self.lock().queues.remove(queue);
            if let Some(queue) = deleted {
                queue.close();
            }
            Ok(())
        })
    }

    fn publish<'a>(&'a self, queue: &'a QueueName, envelope: Envelope) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.queue(queue)?.publish(envelope) })
    }

    fn consume<'a>(&'a self, queue: &'a QueueName, prefetch: NonZeroU16) -> BoxFuture<'a, Result<Consumer, Error>> {
        Box::pin(async move { self.consume_now(queue, prefetch) })
    }

    fn consume_own<'a>(
        &'a self,
        queue: &'a QueueName,
        messages_max: NonZeroUsize,
        prefetch: NonZeroU16,
    ) -> BoxFuture<'a, Result<Consumer, Error>> {
        Box::pin(async move { self.consume_own_now(queue, messages_max.get(), prefetch) })
    }

    fn broadcast(&self, envelope: Envelope) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let broadcasts = self.lock().broadcasts.clone();
            // It fails only when nobody listens, which is no error.
            let _nobody = broadcasts.send(envelope);
            Ok(())
        })
    }

    fn subscribe(&self) -> BoxFuture<'_, Result<Subscription, Error>> {
        Box::pin(async move {
            let heard = Heard(self.lock().broadcasts.subscribe());
            Ok(Subscription::new(Box::new(heard)))
        })
    }
}

/// One subscription.
struct Heard(broadcast::Receiver<Envelope>);

impl Listen for Heard {
    fn next(&mut self) -> BoxFuture<'_, Option<Envelope>> {
        Box::pin(async move {
            loop {
                match self.0.recv().await {
                    Ok(envelope) => return Some(envelope),
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "a subscriber was too slow and has missed broadcasts");
                    }
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
    }
}
