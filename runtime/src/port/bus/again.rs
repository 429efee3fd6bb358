//! A bus that is given a message again when it does not take it at first.

use super::{Bus, Consumer, Envelope, Error, QueueName, Subscription};
use crate::telemetry;
use futures::future::BoxFuture;
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

#[cfg(test)]
mod tests;

/// The pauses before a message is given again: a connection that is made anew, or a broker that is short of something for a
/// moment, costs nobody a message. What takes longer is for whoever repeats what is not answered.
const PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(100), Duration::from_millis(200)];
/// After so long nothing is given again: a bus that takes its time to say nothing is not helped by more of the same.
const GIVE_UP: Duration = Duration::from_secs(2);

/// Gives another bus each message up to four times, with the same id, while the answer is that it was refused or unclear.
/// Nothing else is repeated: that a queue is full or not there is an answer.
pub(crate) struct Again(Arc<dyn Bus>);

impl Again {
    pub(crate) fn new(bus: Arc<dyn Bus>) -> Self {
        Self(bus)
    }
}

/// Sends by `send` until that has a plain answer, or has been tried often enough; says the last answer.
async fn again<'a>(
    operation: &'static str,
    envelope: Envelope,
    send: impl Fn(Envelope) -> BoxFuture<'a, Result<(), Error>>,
) -> Result<(), Error> {
    let began = Instant::now();
    for pause in PAUSES {
        match send(envelope.clone()).await {
            Err(error @ (Error::Refused { .. } | Error::Unclear { .. })) if began.elapsed() < GIVE_UP => {
                let (id, kind) = (&envelope.head.id, &envelope.head.kind);
                tracing::debug!(operation, id, kind, %error, ?pause, "the bus did not take a message, and is given it again");
                telemetry::count(telemetry::SENT_AGAIN, "operation", operation);
                sleep(pause).await;
            }
            plain => return plain,
        }
    }
    send(envelope).await
}

impl Bus for Again {
    fn declare<'a>(&'a self, queue: &'a QueueName, messages_max: NonZeroUsize) -> BoxFuture<'a, Result<(), Error>> {
        self.0.declare(queue, messages_max)
    }

    fn delete<'a>(&'a self, queue: &'a QueueName) -> BoxFuture<'a, Result<(), Error>> {
        self.0.delete(queue)
    }

    fn publish<'a>(&'a self, queue: &'a QueueName, envelope: Envelope) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(again("publish", envelope, |envelope| self.0.publish(queue, envelope)))
    }

    fn consume<'a>(&'a self, queue: &'a QueueName, prefetch: NonZeroU16) -> BoxFuture<'a, Result<Consumer, Error>> {
        self.0.consume(queue, prefetch)
    }

    fn consume_own<'a>(
        &'a self,
        queue: &'a QueueName,
        messages_max: NonZeroUsize,
        prefetch: NonZeroU16,
    ) -> BoxFuture<'a, Result<Consumer, Error>> {
        self.0.consume_own(queue, messages_max, prefetch)
    }

    fn broadcast(&self, envelope: Envelope) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(again("broadcast", envelope, |envelope| self.0.broadcast(envelope)))
    }

    fn subscribe(&self) -> BoxFuture<'_, Result<Subscription, Error>> {
        self.0.subscribe()
    }
}
