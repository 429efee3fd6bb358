//! A task that takes longer than the broker lets a delivery go without an ack.

use super::kit::*;
use callboard::prelude::*;
use callboard_tests::{Add, Audit, How};
use futures::StreamExt;
use futures::future::try_join_all;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use tokio::time::timeout;

/// How long a delivery may go without an ack, and how often the broker looks.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(1);
const TICK: &str = "application:set_env(rabbit, channel_tick_interval, 500)";
/// What they are without us.
const USUAL_TIMEOUT: Duration = Duration::from_secs(1_800);
const USUAL_TICK: &str = "application:set_env(rabbit, channel_tick_interval, 60000)";

/// Enough of them for either node's partitions to have some.
const TASKS: usize = 12;

/// The broker does as it was told: whoever keeps a delivery for longer loses its channel.
async fn a_delivery_is_taken_away(url: &str) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let options = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("kept".into(), options, FieldTable::default()).await.unwrap();
    let publish = BasicPublishOptions::default();
    let published = channel.basic_publish("".into(), "kept".into(), publish, b"", BasicProperties::default()).await;
    let _no_confirm = published.unwrap();
    let consume = BasicConsumeOptions::default();
    let mut kept = channel.basic_consume("kept".into(), "".into(), consume, FieldTable::default()).await.unwrap();
    let _delivery = kept.next().await.unwrap().unwrap();
    let ended = timeout(Duration::from_secs(30), kept.next()).await.expect("the channel is closed");
    assert!(ended.is_none_or(|next| next.is_err()), "another delivery");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_longer_than_the_delivery_timeout_completes_once() {
    let servers = servers().await;
    servers.rabbitmq.set_consumer_timeout(DELIVERY_TIMEOUT).await.unwrap();
    assert_eq!(servers.rabbitmq.evaluate(TICK).await.unwrap(), "ok");
    a_delivery_is_taken_away(&servers.rabbitmq.url()).await;
    let town = Town::on(&servers).await;
    // One has no agents: what its partitions hold goes through the broker, and so do the results.
    let (owner, agents) = (town.node(0).await, town.node(TASKS).await);
    let client = town.client().await;
    settled(&client, 2).await;
    let calls = (0..TASKS).map(|n| {
        let task = Add { id: format!("long-{n}"), how: How::AtOnce, ms: 5_000, parts: Vec::new().into() };
        client.call(task).into_future()
    });
    assert_eq!(try_join_all(calls).await.unwrap(), [1; TASKS]);
    let audit = Audit::of(&town.ledger()).unwrap();
    assert_eq!((audit.begun, audit.wrong), (TASKS, Vec::new()));
    for said in [owner.said(), agents.said()] {
        assert!(!said.contains("PRECONDITION"), "a delivery was kept too long: {said}");
    }
    client.shutdown().await.unwrap();
    for node in [owner, agents] {
        node.stop().await;
    }
    servers.rabbitmq.set_consumer_timeout(USUAL_TIMEOUT).await.unwrap();
    assert_eq!(servers.rabbitmq.evaluate(USUAL_TICK).await.unwrap(), "ok");
}
