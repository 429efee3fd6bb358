//! What is there on the broker before anything is declared, and the arguments of queues.

use super::QueueKind;
use super::names::{Exchange, Names};
use super::options::RabbitMqOptions;
use crate::port::bus::{BROADCASTS_BEHIND_MAX, QueueName};
use lapin::Connection;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};

/// How many messages `agent.dead` holds; of more it loses the oldest.
const DEAD_MAX: i64 = 10_000;

/// That survives a restart of the broker.
pub(super) const DURABLE: QueueDeclareOptions =
    QueueDeclareOptions { passive: false, durable: true, exclusive: false, auto_delete: false, nowait: false };
/// That lives no longer than its connection or its only consumer.
pub(super) const OWN: QueueDeclareOptions =
    QueueDeclareOptions { passive: false, durable: false, exclusive: true, auto_delete: true, nowait: false };

/// Makes sure that the exchanges and the queue of what is dead exist.
pub(super) async fn declare(connection: &Connection, names: &Names, options: &RabbitMqOptions) -> lapin::Result<()> {
    let channel = connection.create_channel().await?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    for exchange in Exchange::ALL {
        let arguments = FieldTable::default();
        channel.exchange_declare(names.exchange(exchange), exchange.kind(), durable, arguments).await?;
    }
    let dead = names.queue(&QueueName::dead());
    channel.queue_declare(dead.clone(), DURABLE, of_the_dead(options.queues)).await?;
    let (exchange, bind) = (names.exchange(Exchange::Dead), QueueBindOptions::default());
    channel.queue_bind(dead, exchange, "".into(), bind, FieldTable::default()).await
}

fn of_the_dead(kind: QueueKind) -> FieldTable {
    let mut arguments = of_kind(kind);
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(DEAD_MAX));
    arguments.insert("x-overflow".into(), text("drop-head"));
    arguments
}

/// The arguments of a queue that nodes share.
pub(super) fn of_shared(names: &Names, options: &RabbitMqOptions, messages_max: usize) -> FieldTable {
    let mut arguments = of_kind(options.queues);
    limit(&mut arguments, messages_max);
    if options.queues == QueueKind::Quorum {
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(options.deliveries_max.into()));
        let dead = names.exchange(Exchange::Dead).to_string();
        arguments.insert("x-dead-letter-exchange".into(), text(&dead));
    }
    arguments
}

/// The arguments of a queue of one's own.
pub(super) fn of_own(messages_max: usize) -> FieldTable {
    let mut arguments = of_kind(QueueKind::Classic);
    limit(&mut arguments, messages_max);
    arguments
}

/// The arguments of a subscription's queue.
pub(super) fn of_subscription() -> FieldTable {
    let mut arguments = of_kind(QueueKind::Classic);
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(BROADCASTS_BEHIND_MAX as i64));
    arguments.insert("x-overflow".into(), text("drop-head"));
    arguments
}

/// A queue that refuses what is too much.
fn limit(arguments: &mut FieldTable, messages_max: usize) {
    let messages_max = i64::try_from(messages_max).unwrap_or(i64::MAX);
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(messages_max));
    arguments.insert("x-overflow".into(), text("reject-publish"));
}

fn of_kind(kind: QueueKind) -> FieldTable {
    let mut arguments = FieldTable::default();
    let kind = match kind {
        QueueKind::Classic => "classic",
        QueueKind::Quorum => "quorum",
    };
    arguments.insert("x-queue-type".into(), text(kind));
    arguments
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}
