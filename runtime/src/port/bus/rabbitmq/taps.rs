//! What goes over the connection that does not publish: queues are made and removed, consumers and subscriptions begin.

use super::dead::Dead;
use super::line::Line;
use super::names::{Exchange, Names, binding};
use super::options::RabbitMqOptions;
use super::receipt::Hold;
use super::refusal::Refusal;
use super::session::{Session, close};
use super::tap::Tap;
use super::topology::{DURABLE, OWN, of_own, of_shared, of_subscription};
use crate::port::bus::QueueName;
use futures::join;
use lapin::Channel;
use lapin::options::{BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{FieldTable, ShortString};
use std::num::NonZeroU16;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::timeout;
use uuid::Uuid;

/// Broadcasts that a subscriber has been sent and not looked at, beside those that wait for it.
const BROADCASTS_AHEAD: NonZeroU16 = NonZeroU16::new(64).unwrap();
/// For the consumer of a queue of its own: whoever else tries is refused, also by another consumer of this very connection.
const ALONE: BasicConsumeOptions =
    BasicConsumeOptions { no_local: false, no_ack: false, exclusive: true, nowait: false };

/// Makes queues and consumers over one line.
#[derive(Debug)]
pub(super) struct Taps {
    line: Line,
    names: Arc<Names>,
    options: Arc<RabbitMqOptions>,
    dead: mpsc::Sender<Dead>,
}

impl Taps {
    pub(super) fn new(line: Line, names: Arc<Names>, options: Arc<RabbitMqOptions>, dead: mpsc::Sender<Dead>) -> Self {
        Self { line, names, options, dead }
    }

    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// Makes sure that a queue exists that nodes share, and that strangers reach it.
    pub(super) async fn declare(&self, queue: &QueueName, messages_max: usize) -> Result<(), Refusal> {
        let name = self.names.queue(queue);
        let arguments = of_shared(&self.names, &self.options, messages_max);
        self.alone(async |channel| {
            channel.queue_declare(name.clone(), DURABLE, arguments).await?;
            if let Some(binding) = binding(queue) {
                let (exchange, key) = (self.names.exchange(binding.exchange), binding.key.into());
                channel.queue_bind(name, exchange, key, QueueBindOptions::default(), FieldTable::default()).await?;
            }
            Ok(())
        })
        .await
    }

    /// Removes a queue, if it is there.
    pub(super) async fn delete(&self, queue: &QueueName) -> Result<(), Refusal> {
        let name = self.names.queue(queue);
        let deleted = self.alone(async |channel| channel.queue_delete(name, QueueDeleteOptions::default()).await).await;
        match deleted {
            Ok(_) | Err(Refusal::NotThere) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    /// Asks whether a queue is there. It is a question that a connection answers which is alive.
    pub(super) async fn ask(&self, queue: &QueueName) -> Result<(), Refusal> {
        let (name, passive) = (self.names.queue(queue), QueueDeclareOptions { passive: true, ..OWN });
        self.alone(async |channel| channel.queue_declare(name, passive, FieldTable::default()).await).await.map(drop)
    }

    /// A consumer of a queue that is there.
    pub(super) async fn consume(&self, queue: &QueueName, prefetch: NonZeroU16) -> Result<Tap, Refusal> {
        let name = self.names.queue(queue);
        self.tap(async |channel| {
            let (_, stream) = join!(qos(channel, prefetch), begin(channel, name, BasicConsumeOptions::default()));
            stream
        })
        .await
    }

    /// A queue and its only consumer. The broker is told all of it at once, so that no queue is left without a consumer when
    /// nobody waits for the answer any more.
    pub(super) async fn own(
        &self,
        queue: &QueueName,
        messages_max: usize,
        prefetch: NonZeroU16,
    ) -> Result<Tap, Refusal> {
        let name = self.names.queue(queue);
        let made = self.tap(async |channel| {
            let declared = channel.queue_declare(name.clone(), OWN, of_own(messages_max));
            let (declared, _, stream) = join!(declared, qos(channel, prefetch), begin(channel, name.clone(), ALONE));
            declared?;
            stream
        });
        made.await
    }

    /// A subscription to the broadcasts.
    pub(super) async fn subscribe(&self) -> Result<Tap, Refusal> {
        let name: ShortString = format!("{}.{}", self.names.exchange(Exchange::Broadcasts), Uuid::new_v4()).into();
        let exchange = self.names.exchange(Exchange::Broadcasts);
        let subscribed = self.tap(async |channel| {
            let declared = channel.queue_declare(name.clone(), OWN, of_subscription());
            let bind = QueueBindOptions::default();
            let bound = channel.queue_bind(name.clone(), exchange, "".into(), bind, FieldTable::default());
            let begun = begin(channel, name.clone(), ALONE);
            let (declared, bound, _, stream) = join!(declared, bound, qos(channel, BROADCASTS_AHEAD), begun);
            declared?;
            bound?;
            stream
        });
        subscribed.await
    }

    /// Begins a consumer on a channel of its own.
    async fn tap(&self, begin: impl AsyncFnOnce(&Channel) -> lapin::Result<lapin::Consumer>) -> Result<Tap, Refusal> {
        let session = self.line.session()?;
        let begun = async {
            let channel = session.channel().await?;
            let stream = begin(&channel).await?;
            Ok::<_, Refusal>((channel, stream))
        };
        let (channel, stream) = self.in_time(begun).await?;
        let hold = Hold { session: session.clone(), channel, answer: self.options.answer };
        Ok(Tap::new(stream, hold, self.names.clone(), self.dead.clone()))
    }

    /// Does something on a channel of its own: if it is refused, the broker closes that.
    async fn alone<T>(&self, ask: impl AsyncFnOnce(&Channel) -> lapin::Result<T>) -> Result<T, Refusal> {
        let session: Arc<Session> = self.line.session()?;
        let asked = async {
            let channel = session.channel().await?;
            let answer = ask(&channel).await?;
            close(&channel);
            Ok(answer)
        };
        self.in_time(asked).await
    }

    async fn in_time<T>(&self, asked: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
        let limit = self.options.answer;
        timeout(limit, asked).await.unwrap_or_else(|_| Err(Refusal::late(limit)))
    }
}

async fn qos(channel: &Channel, prefetch: NonZeroU16) -> lapin::Result<()> {
    channel.basic_qos(prefetch.get(), BasicQosOptions { global: false }).await
}

async fn begin(channel: &Channel, queue: ShortString, options: BasicConsumeOptions) -> lapin::Result<lapin::Consumer> {
    channel.basic_consume(queue, "".into(), options, FieldTable::default()).await
}
