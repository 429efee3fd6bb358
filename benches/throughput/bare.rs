//! What the broker does without Callboard: a task goes there, a reply comes back. Both are persistent and confirmed, and a task is
//! acked when its reply is confirmed.

use crate::measure::Latencies;
use callboard::Result;
use futures::{StreamExt, TryStreamExt, stream};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

const TASKS: &str = "bare.tasks";
const REPLIES: &str = "bare.replies";
const KEPT: &str = "bare.kept";
const PREFETCH: u16 = 512;
const BODY: [u8; 256] = [b'x'; 256];

type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<()>>>>;

/// A requester and a worker, with a connection each.
pub(crate) struct Bare {
    connections: [Connection; 2],
    tasks: Channel,
    waiting: Waiting,
    _loops: JoinSet<()>,
}

impl Bare {
    pub(crate) async fn start(url: &str) -> Result<Self> {
        let (requester, worker) = (connect(url).await?, connect(url).await?);
        let tasks = channel(&requester).await?;
        for queue in [TASKS, REPLIES] {
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            tasks.queue_declare(queue.into(), options, FieldTable::default()).await?;
        }
        let (waiting, mut loops) = (Waiting::default(), JoinSet::new());
        let (work, replies) = (consume(&worker, TASKS).await?, consume(&requester, REPLIES).await?);
        loops.spawn(perform(work, channel(&worker).await?));
        loops.spawn(hear(replies, waiting.clone()));
        Ok(Self { connections: [requester, worker], tasks, waiting, _loops: loops })
    }

    /// So many round trips, so many at a time.
    pub(crate) async fn fly(&self, count: usize, in_flight: usize) -> Result<Latencies> {
        let trips = stream::iter(0..count).map(|number| self.trip(number)).buffer_unordered(in_flight);
        Ok(Latencies::of(trips.try_collect().await?))
    }

    async fn trip(&self, number: usize) -> Result<std::time::Duration> {
        let (begun, id) = (Instant::now(), number.to_string());
        let (sender, reply) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), sender);
        publish(&self.tasks, TASKS, &id).await?;
        reply.await?;
        Ok(begun.elapsed())
    }

    /// Messages a second that the broker confirms and nobody takes, so many at a time.
    pub(crate) async fn publishes(url: &str, count: usize, in_flight: usize) -> Result<f64> {
        let connection = connect(url).await?;
        let channel = channel(&connection).await?;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(KEPT.into(), options, FieldTable::default()).await?;
        let numbers = |count| stream::iter(0..count).map(|number: usize| number.to_string());
        let publish = async |id: String| publish(&channel, KEPT, &id).await;
        numbers(1_000).map(publish).buffer_unordered(in_flight).try_collect::<()>().await?; // warm
        let begun = Instant::now();
        numbers(count).map(publish).buffer_unordered(in_flight).try_collect::<()>().await?;
        let took = begun.elapsed();
        channel.queue_delete(KEPT.into(), QueueDeleteOptions::default()).await?;
        connection.close(200, "".into()).await?;
        Ok(count as f64 / took.as_secs_f64())
    }

    pub(crate) async fn end(self) -> Result<()> {
        for connection in self.connections {
            connection.close(200, "".into()).await?;
        }
        Ok(())
    }
}

async fn connect(url: &str) -> Result<Connection> {
    Ok(Connection::connect(url, ConnectionProperties::default()).await?)
}

async fn channel(connection: &Connection) -> Result<Channel> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

async fn consume(connection: &Connection, queue: &str) -> Result<Consumer> {
    let channel = connection.create_channel().await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    Ok(channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?)
}

/// Returns when the broker has it.
async fn publish(channel: &Channel, queue: &str, id: &str) -> lapin::Result<()> {
    let properties = BasicProperties::default().with_delivery_mode(2).with_correlation_id(id.into());
    let published =
        channel.basic_publish("".into(), queue.into(), BasicPublishOptions::default(), &BODY, properties).await?;
    published.await.map(drop)
}

/// Until the connection is closed.
async fn perform(mut work: Consumer, replies: Channel) {
    let mut under_way = JoinSet::new();
    while let Some(Ok(delivery)) = work.next().await {
        let replies = replies.clone();
        under_way.spawn(async move {
            publish(&replies, REPLIES, id(&delivery)).await?;
            delivery.ack(BasicAckOptions::default()).await
        });
        while under_way.try_join_next().is_some() {}
    }
}

/// The same for the replies.
async fn hear(mut replies: Consumer, waiting: Waiting) {
    while let Some(Ok(delivery)) = replies.next().await {
        if let Some(waits) = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(id(&delivery)) {
            let _gone = waits.send(());
        }
        if delivery.ack(BasicAckOptions::default()).await.is_err() {
            return;
        }
    }
}

fn id(delivery: &Delivery) -> &str {
    delivery.properties.correlation_id().as_ref().map_or("", |id| id.as_str())
}
