//! What publishes.
//!
//! Each message has a channel to itself until it is confirmed. The client pairs what the broker returns with whichever
//! confirm comes next on the channel: with several under way an unroutable message is now and then told to be delivered, and
//! another one unroutable. Alone on its channel a message can only get its own, and a refusal that closes the channel hits
//! nobody else. Channels cost the broker little, they are used again, and messages on different ones are under way together.

use super::envelope::Message;
use super::line::Line;
use super::names::{Exchange, Names};
use super::refusal::Refusal;
use super::session::Session;
use crate::port::bus::QueueName;
use lapin::options::BasicPublishOptions;
use lapin::{Channel, Confirmation};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// Bytes of a body for which the broker gets another second.
const BYTES_A_SECOND: usize = 4 << 20;
/// What a frame takes beside what is in it.
const FRAME_OVERHEAD: usize = 64;
/// AMQP's code for what no queue takes.
const NO_ROUTE: u16 = 312;

/// Where a message goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum To<'a> {
    /// To a queue, which must be there.
    ///
    /// By the default exchange, which knows every queue by its name: no binding need be there, and none that a stranger has
    /// made can make a message count as delivered that its queue has not got.
    Queue(&'a QueueName),
    /// To whoever listens.
    All,
}

/// Publishes over one line.
#[derive(Debug)]
pub(super) struct Publisher {
    line: Line,
    names: Arc<Names>,
    /// For messages that are not confirmed.
    room: Semaphore,
    answer: Duration,
}

/// What one message needs until it is confirmed.
struct Way<'a> {
    session: Arc<Session>,
    channel: Channel,
    _room: SemaphorePermit<'a>,
}

impl Publisher {
    pub(super) fn new(line: Line, names: Arc<Names>, unconfirmed_max: u16, answer: Duration) -> Self {
        Self { line, names, room: Semaphore::new(usize::from(unconfirmed_max).max(1)), answer }
    }

    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// Publishes, and waits until the broker has confirmed it.
    pub(super) async fn publish(&self, to: To<'_>, message: Message) -> Result<(), Refusal> {
        let limit = self.answer + Duration::from_secs((message.body.len() / BYTES_A_SECOND) as u64);
        let deadline = Instant::now() + limit;
        let way = match timeout_at(deadline, self.way()).await {
            Ok(way) => way?,
            // Nothing has been written yet.
            Err(_) => {
                return Err(Refusal::Refused(format!("RabbitMQ was too slow to take a message within {limit:?}")));
            }
        };
        let head_bytes = message.head_bytes() + FRAME_OVERHEAD;
        let frame_bytes_max = way.session.frame_bytes_max();
        if head_bytes > frame_bytes_max {
            way.give_back();
            let reason = format!("the attributes take {head_bytes} bytes, RabbitMQ allows {frame_bytes_max}");
            return Err(Refusal::Refused(reason));
        }
        let sent = timeout_at(deadline, self.send(&way.channel, to, &message)).await;
        let confirmation = sent.map_err(|_| Refusal::late(limit))??;
        way.give_back();
        understood(confirmation, &message)
    }

    /// A place among the unconfirmed, and a channel.
    async fn way(&self) -> Result<Way<'_>, Refusal> {
        let ended = |_| Refusal::Refused("the bus has ended".to_owned());
        let _room = self.room.acquire().await.map_err(ended)?;
        let session = self.line.session()?;
        if session.is_blocked() {
            let reason = "RabbitMQ takes no messages: it is short of memory or disk".to_owned();
            return Err(Refusal::Refused(reason));
        }
        match session.confirming().await {
            Ok(channel) => Ok(Way { session, channel, _room }),
            // Nothing has been written yet.
            Err(error) => Err(Refusal::Refused(Refusal::from(error).to_string())),
        }
    }

    async fn send(&self, channel: &Channel, to: To<'_>, message: &Message) -> lapin::Result<Confirmation> {
        let (exchange, key, mandatory) = match to {
            To::Queue(queue) => ("".into(), self.names.queue(queue), true),
            To::All => (self.names.exchange(Exchange::Broadcasts), "".into(), false),
        };
        let options = BasicPublishOptions { mandatory, immediate: false };
        let properties = message.properties.clone();
        channel.basic_publish(exchange, key, options, &message.body, properties).await?.await
    }
}

impl Way<'_> {
    /// The message is confirmed: the next may go this way. A way that is dropped instead closes its channel.
    fn give_back(self) {
        self.session.put_back(self.channel);
    }
}

/// What the broker has said. Whatever it returns is looked at: it confirms also what it could deliver to nobody.
fn understood(confirmation: Confirmation, message: &Message) -> Result<(), Refusal> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
            if returned.reply_code == NO_ROUTE && returned.properties.message_id() == message.properties.message_id() {
                Err(Refusal::NotThere)
            } else {
                Err(Refusal::Unclear(format!("RabbitMQ has returned something: {}", returned.reply_text)))
            }
        }
        // The broker says no more than this. It also says so, far more rarely, when a queue has crashed.
        Confirmation::Nack(None) => Err(Refusal::Full),
        Confirmation::NotRequested => Err(Refusal::Unclear("RabbitMQ was not asked to confirm".to_owned())),
    }
}
