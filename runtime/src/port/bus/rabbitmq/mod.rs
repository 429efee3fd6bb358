//! The bus on RabbitMQ, 3.10 and later: what a cluster talks over.
//!
//! Two connections, since a broker that is short of memory stops reading from those that publish: one publishes, the other
//! does everything else. Each is watched, dropped and made anew by a task of ours; the client's own recovery is off, it
//! hangs now and then. What was begun on a connection ends with it: consumers and subscriptions with `None`, deliveries with
//! [`Error::Closed`], and whoever uses the port declares and consumes again. A message that goes round through the broker
//! and back finds connections that only seem to live.
//!
//! Every call is bounded ([`RabbitMqOptions::answer`]). Without a connection it answers [`Error::Refused`] at once.
//!
//! # What RabbitMQ makes of the contract
//!
//! - **The front of the queue.** Classic queues put a message back where it was. Quorum queues deliver what was put back
//!   before the rest in 3.x, and may append it to the end from 4.0 on.
//! - **Acked.** The broker does not answer an ack; `Ok` means that it is written to the connection. What is lost behind that
//!   comes again.
//! - **Busy consumers.** The broker sends up to `prefetch` messages ahead, also to a consumer that is not waiting: who must
//!   not sit on work takes a prefetch of one.
//! - **Full.** The limit counts what waits and not what is out. Quorum queues notice late: they may take some more, and stay
//!   full for a moment after there is room. Who publishes to a queue that another process has declared is not told the limit.
//! - **Delivered again and again.** A quorum queue gives up a message after [`RabbitMqOptions::deliveries_max`] deliveries
//!   and moves it to `agent.dead`; RabbitMQ counts lost connections too. Classic queues do not count.
//! - **One's own** queue is known to be dead as soon as the broker has noticed: at once when the process ends, after
//!   about twice the [heartbeat](RabbitMqOptions::heartbeat) when its machine vanishes.
//! - **Killed.** What was confirmed outlives a kill of the broker, as a rule: RabbitMQ 3.10.8 lost a confirmed message of a
//!   classic queue in 2 of 160 kills that came within milliseconds of the declaration of the queue, and in none later.
//! - **Large messages.** A body is cut into frames, so they set no limit; the broker does: 128 MiB in 3.x, 16 MiB in 4.x
//!   (`max_message_size`). Beyond, a publish is refused in the broker's words. The attributes must fit into one frame
//!   (128 KiB).
//! - **Strangers.** What cannot be read goes to the queue `agent.dead` with the header `cb_reason` and is never delivered. A
//!   native property that is not UTF-8 is more than the client can bear: it loses its connection.

mod dead;
mod dial;
mod envelope;
mod line;
mod names;
mod options;
mod publisher;
mod receipt;
mod refusal;
mod round;
mod session;
mod tap;
mod taps;
mod topology;
mod trouble;
mod wire;

#[cfg(test)]
mod tests;

pub use options::{QueueKind, RabbitMqOptions};

use self::dial::{Dial, Role};
use self::envelope::{Keep, encode};
use self::line::Line;
use self::names::Names;
use self::publisher::{Publisher, To};
use self::round::Round;
use self::taps::Taps;
use self::trouble::Trouble;
use super::{Bus, Consumer, Envelope, Error, QueueName, Subscription};
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How much longer than an attempt may take is waited for what it has to say.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// How long a bus that ends waits for its connections to be closed.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

/// A bus on RabbitMQ; clones share everything. It ends with the last clone, or by [`close`](Self::close).
#[derive(Clone, Debug)]
pub struct RabbitMqBus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    publisher: Arc<Publisher>,
    taps: Arc<Taps>,
    names: Arc<Names>,
    /// How many messages the queues hold that were declared here.
    limits: Mutex<BTreeMap<QueueName, usize>>,
    /// What keeps the connections up, sends round and buries; it ends with the set.
    tasks: Mutex<JoinSet<()>>,
}

impl RabbitMqBus {
    /// Connects, and tries for [`RabbitMqOptions::connect`] unless it is plain that this will not help.
    ///
    /// # Errors
    /// [`Error::Refused`] in words: nobody listens, wrong password, no such virtual host, not a broker, TLS.
    pub async fn connect(options: RabbitMqOptions) -> Result<Self, Error> {
        Self::connect_or_say(options).await.map_err(|trouble| Error::Refused { reason: trouble.to_string() })
    }

    async fn connect_or_say(options: RabbitMqOptions) -> Result<Self, Trouble> {
        let names = Arc::new(Names::new(&options.namespace).map_err(Trouble::Namespace)?);
        let options = Arc::new(options);
        let mut tasks = JoinSet::new();
        let mut line = |role| {
            let dial = Dial::new(options.clone(), names.clone(), role)?;
            Ok(Line::keep(dial, &mut tasks))
        };
        let (publishing, consuming) = (line(Role::Publish)?, line(Role::Consume)?);
        let limit = options.connect + LAST_WORDS;
        tokio::try_join!(publishing.first(limit), consuming.first(limit))?;

        let (dead, coming) = mpsc::channel(dead::WAITING_MAX);
        let publisher = Publisher::new(publishing, names.clone(), options.unconfirmed_max, options.answer);
        let (publisher, taps) =
            (Arc::new(publisher), Arc::new(Taps::new(consuming, names.clone(), options.clone(), dead)));
        tasks.spawn(dead::bury(coming, publisher.clone()));
        let (sent, heard) = (publisher.clone(), taps.clone());
        tasks.spawn(Round { publisher: sent, taps: heard, names: names.clone(), options }.for_ever());
        Ok(Self(Arc::new(Inner { publisher, taps, names, limits: Mutex::default(), tasks: Mutex::new(tasks) })))
    }

    /// Ends the bus for all clones and waits until its connections are closed, 2 s at most.
    pub async fn close(&self) {
        let mut tasks = std::mem::take(&mut *self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let lines = [self.0.publisher.line(), self.0.taps.line()];
        let sessions: Vec<_> = lines.into_iter().filter_map(|line| line.session().ok()).collect();
        tasks.shutdown().await;
        let closed = async {
            for session in sessions {
                session.closed().await;
            }
        };
        let _gave_up = timeout(GOODBYE_MAX, closed).await;
    }
}

impl Inner {
    /// Nothing but this map is behind the lock, so a poisoned one is whole.
    fn limits(&self) -> MutexGuard<'_, BTreeMap<QueueName, usize>> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bus for RabbitMqBus {
    fn declare<'a>(&'a self, queue: &'a QueueName, messages_max: NonZeroUsize) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let declared = self.0.taps.declare(queue, messages_max.get()).await;
            declared.map_err(|refusal| refusal.plain())?;
            self.0.limits().insert(queue.clone(), messages_max.get());
            Ok(())
        })
    }

    fn delete<'a>(&'a self, queue: &'a QueueName) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.0.taps.delete(queue).await.map_err(|refusal| refusal.plain())?;
            self.0.limits().remove(queue);
            Ok(())
        })
    }

    fn publish<'a>(&'a self, queue: &'a QueueName, envelope: Envelope) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            // Where the queue does not outlive the broker, the broker does not write the message to disk either.
            let message = encode(&envelope, &self.0.names, Keep::OnDisk);
            let published = self.0.publisher.publish(To::Queue(queue), message).await;
            published.map_err(|refusal| refusal.about(queue, self.0.limits().get(queue).copied()))
        })
    }

    fn consume<'a>(&'a self, queue: &'a QueueName, prefetch: NonZeroU16) -> BoxFuture<'a, Result<Consumer, Error>> {
        Box::pin(async move {
            let tap = self.0.taps.consume(queue, prefetch).await.map_err(|refusal| refusal.about(queue, None))?;
            Ok(Consumer::new(Box::new(tap)))
        })
    }

    fn consume_own<'a>(
        &'a self,
        queue: &'a QueueName,
        messages_max: NonZeroUsize,
        prefetch: NonZeroU16,
    ) -> BoxFuture<'a, Result<Consumer, Error>> {
        Box::pin(async move {
            let tap = self.0.taps.own(queue, messages_max.get(), prefetch).await.map_err(|refusal| refusal.plain())?;
            self.0.limits().insert(queue.clone(), messages_max.get());
            Ok(Consumer::new(Box::new(tap)))
        })
    }

    fn broadcast(&self, envelope: Envelope) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let message = encode(&envelope, &self.0.names, Keep::InMemory);
            self.0.publisher.publish(To::All, message).await.map_err(|refusal| refusal.plain())
        })
    }

    fn subscribe(&self) -> BoxFuture<'_, Result<Subscription, Error>> {
        Box::pin(async move {
            let tap = self.0.taps.subscribe().await.map_err(|refusal| refusal.plain())?;
            Ok(Subscription::new(Box::new(tap)))
        })
    }
}
