//! A bus that carries what is meant for one node together while it is busy.
//!
//! A message to a node that nothing is on its way to goes at once, as it is. What comes while that is not confirmed waits for
//! the confirm and goes in one message then, a bundle, which is taken apart where it is consumed. So nothing is ever held back
//! to wait for more, and the busier a node, the fewer messages the broker sees: publish, confirm, delivery and ack are paid
//! once for all that is in one.
//!
//! Only queues of nodes ([`QueueName::is_node`]) are carried so: each has one consumer, which takes everything at once. In a
//! queue that several share, one of them would get it all.

mod apart;
pub(crate) mod frame;
#[cfg(test)]
mod tests;

use super::{Bus, Consumer, Envelope, Error, QueueName, Subscription};
use apart::Apart;
use futures::future::BoxFuture;
use std::collections::{HashMap, VecDeque};
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The type of a bundle.
const BUNDLE: &str = "callboard.bundle.v1";
/// Messages in a bundle at most.
const PARTS_MAX: usize = 128;
/// Bytes of bodies in a bundle at most, if it holds more than one.
const BYTES_MAX: usize = 256 << 10;
/// A message with a body from so many bytes on goes by itself, and nothing waits for it.
const LARGE: usize = 32 << 10;
/// Messages and bundles to one node that others wait for: with more of them less is in each.
const UNDER_WAY: usize = 1;
/// After so long without a confirm nothing waits for it any more: the next goes beside it.
const SLOW: Duration = Duration::from_millis(250);

/// Carries messages over another bus, together where it can.
pub(crate) struct Bundles {
    bus: Arc<dyn Bus>,
    lines: Arc<Lines>,
}

/// What is on its way to each queue, and what waits for that.
#[derive(Default)]
struct Lines(Mutex<HashMap<QueueName, Line>>);

#[derive(Default)]
struct Line {
    under_way: usize,
    waiting: VecDeque<Waiting>,
}

/// A message that waits, and how its sender is told.
struct Waiting {
    envelope: Envelope,
    tell: oneshot::Sender<Told>,
}

/// What is told to a sender that waits.
enum Told {
    /// It is the one that sends now, its own and these.
    Send(Turn, Vec<Waiting>),
    /// Its message has gone with another's.
    Sent(Result<(), Error>),
}

/// The right to send to a queue. Whoever waits has it next, whatever becomes of this one.
struct Turn(Option<(Arc<Lines>, QueueName)>);

impl Bundles {
    pub(crate) fn new(bus: Arc<dyn Bus>) -> Self {
        Self { bus, lines: Arc::default() }
    }

    async fn send(&self, queue: &QueueName, envelope: Envelope) -> Result<(), Error> {
        let told = match self.lines.clone().enter(queue, &envelope) {
            Ok(turn) => Told::Send(turn, Vec::new()),
            // A turn that is dropped passes on what waits: this ends with the whole bus.
            Err(waits) => waits.await.unwrap_or_else(|_| Told::Sent(Err(ended()))),
        };
        let (turn, others) = match told {
            Told::Sent(result) => return result,
            Told::Send(turn, others) => (turn, others),
        };
        let message = if others.is_empty() {
            envelope
        } else {
            let parts = [&envelope].into_iter().chain(others.iter().map(|other| &other.envelope));
            let id = format!("{}+{}", envelope.head.id, others.len());
            Envelope::new(id, BUNDLE, &*envelope.head.source, frame::write(parts))
        };
        let mut sending = self.bus.publish(queue, message);
        let result = match timeout(SLOW, &mut sending).await {
            Ok(result) => {
                drop(turn);
                result
            }
            Err(_) => {
                drop(turn);
                sending.await
            }
        };
        for other in others {
            let _gone = other.tell.send(Told::Sent(result.clone()));
        }
        result
    }
}

/// Nothing waits for anything on a bus that is gone.
fn ended() -> Error {
    Error::Unclear { reason: "whoever was to send it is gone".to_owned() }
}

impl Lines {
    /// The turn to send at once, or a place among those that wait.
    fn enter(self: Arc<Self>, queue: &QueueName, envelope: &Envelope) -> Result<Turn, oneshot::Receiver<Told>> {
        let mut lines = self.lock();
        let line = lines.entry(queue.clone()).or_default();
        if line.under_way < UNDER_WAY {
            line.under_way += 1;
            drop(lines);
            return Ok(Turn(Some((self, queue.clone()))));
        }
        let (tell, told) = oneshot::channel();
        line.waiting.push_back(Waiting { envelope: envelope.clone(), tell });
        Err(told)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<QueueName, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// The one that sends next, and what goes with it; those that nobody waits for any more are left out.
    fn next(&mut self) -> Option<(oneshot::Sender<Told>, Vec<Waiting>)> {
        let mut waiting = std::iter::from_fn(|| self.waiting.pop_front()).filter(|waiting| !waiting.tell.is_closed());
        let first = waiting.next()?;
        let mut bytes = first.envelope.body.len();
        let mut others = Vec::new();
        while others.len() + 1 < PARTS_MAX
            && let Some(next) = self.waiting.pop_front_if(|next| bytes + next.envelope.body.len() <= BYTES_MAX)
        {
            if !next.tell.is_closed() {
                bytes += next.envelope.body.len();
                others.push(next);
            }
        }
        Some((first.tell, others))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some((lines, queue)) = self.0.take() else { return };
        let mut all = lines.lock();
        let Some(line) = all.get_mut(&queue) else { return };
        while let Some((tell, others)) = line.next() {
            let turn = Self(Some((lines.clone(), queue.clone())));
            let Err(Told::Send(mut turn, others)) = tell.send(Told::Send(turn, others)) else { return };
            // It went away just now. The others have their turn all the same.
            turn.0 = None;
            others.into_iter().rev().for_each(|other| line.waiting.push_front(other));
        }
        line.under_way -= 1;
        if line.under_way == 0 {
            all.remove(&queue);
        }
    }
}

impl Bus for Bundles {
    fn declare<'a>(&'a self, queue: &'a QueueName, messages_max: NonZeroUsize) -> BoxFuture<'a, Result<(), Error>> {
        self.bus.declare(queue, messages_max)
    }

    fn delete<'a>(&'a self, queue: &'a QueueName) -> BoxFuture<'a, Result<(), Error>> {
        self.bus.delete(queue)
    }

    fn publish<'a>(&'a self, queue: &'a QueueName, envelope: Envelope) -> BoxFuture<'a, Result<(), Error>> {
        if queue.is_node() && envelope.body.len() < LARGE {
            Box::pin(self.send(queue, envelope))
        } else {
            self.bus.publish(queue, envelope)
        }
    }

    fn consume<'a>(&'a self, queue: &'a QueueName, prefetch: NonZeroU16) -> BoxFuture<'a, Result<Consumer, Error>> {
        self.bus.consume(queue, prefetch)
    }

    fn consume_own<'a>(
        &'a self,
        queue: &'a QueueName,
        messages_max: NonZeroUsize,
        prefetch: NonZeroU16,
    ) -> BoxFuture<'a, Result<Consumer, Error>> {
        let consumer = self.bus.consume_own(queue, messages_max, prefetch);
        if !queue.is_node() {
            return consumer;
        }
        Box::pin(async move { Ok(Consumer::new(Box::new(Apart::new(consumer.await?, prefetch)))) })
    }

    fn broadcast(&self, envelope: Envelope) -> BoxFuture<'_, Result<(), Error>> {
        self.bus.broadcast(envelope)
    }

    fn subscribe(&self) -> BoxFuture<'_, Result<Subscription, Error>> {
        self.bus.subscribe()
    }
}
