//! What others than us publish.

use super::kit::{connect, limit, message, options, prefetch, queue, receive, shared, soon};
use callboard::port::bus::{Bus, QueueName};
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicPublishOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

async fn stranger(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("connected");
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
}

async fn publish(channel: &Channel, exchange: &str, key: &str, properties: BasicProperties) {
    let options = BasicPublishOptions::default();
    let published = channel.basic_publish(exchange.into(), key.into(), options, b"{}", properties).await;
    let _no_confirm = published.expect("published");
}

/// A proper message in the words of CloudEvents.
fn proper(id: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in [("cloudEvents:id", id), ("cloudEvents:type", "test"), ("cloudEvents:source", "stranger")] {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    BasicProperties::default().with_headers(headers)
}

/// By the exchanges and keys of the documentation.
#[tokio::test(flavor = "multi_thread")]
async fn queues_are_reached_by_routing_keys() {
    let broker = shared();
    let options = options(broker.url.clone());
    let exchange = |name: &str| format!("{}.{name}", options.namespace);
    let bus = connect(options.clone()).await;
    let (_connection, channel) = stranger(&options.url).await;
    let cases = [
        (QueueName::capability("text.review").unwrap(), "agent.tasks", "capability.text.review"),
        (QueueName::agent_tasks("a-1").unwrap(), "agent.tasks", "agent.a-1"),
        (QueueName::agent_responses("a-1").unwrap(), "agent.responses", "a-1.response"),
        (QueueName::partition(7), "agent.tasks", "partition.7"),
    ];
    for (to, through, key) in cases {
        soon(bus.declare(&to, limit(10))).await.expect("declared");
        let mut consumer = soon(bus.consume(&to, prefetch(1))).await.expect("consuming");
        publish(&channel, &exchange(through), key, proper(key)).await;
        receive(&mut consumer, key).await;
    }
    let mut heard = soon(bus.subscribe()).await.expect("subscribed");
    publish(&channel, &exchange("agent.broadcasts"), "", proper("all")).await;
    assert_eq!(soon(heard.next()).await.expect("heard").head.id, "all");
}

/// It goes to `agent.dead` with the reason, is delivered to nobody, and does not come again.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_dead_and_says_why() {
    let broker = shared();
    let options = options(broker.url.clone());
    let bus = connect(options.clone()).await;
    let work = queue("work");
    soon(bus.declare(&work, limit(10))).await.expect("declared");
    let mut consumer = soon(bus.consume(&work, prefetch(1))).await.expect("consuming");
    let (_connection, channel) = stranger(&options.url).await;
    let key = format!("{}.work", options.namespace);
    publish(&channel, "", &key, BasicProperties::default().with_message_id("bad".into())).await;
    soon(bus.publish(&work, message("good"))).await.expect("published");
    let delivery = soon(consumer.next()).await.expect("delivered");
    assert_eq!(delivery.envelope.head.id, "good", "what is not readable stops nobody");
    soon(delivery.ack()).await.expect("acked");

    let dead = format!("{}.agent.dead", options.namespace);
    let found = soon(async {
        loop {
            let got = channel.basic_get(dead.as_str().into(), BasicGetOptions { no_ack: false }).await;
            match got.expect("the queue is there") {
                Some(got) => return got,
                None => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    found.acker.ack(BasicAckOptions::default()).await.expect("acked");
    let headers = found.delivery.properties.headers().clone().expect("headers");
    let text =
        |name: &str| headers.inner().get(name).and_then(|value| value.as_long_string()).map(|text| text.to_string());
    assert_eq!(text("cb_reason").as_deref(), Some("the attribute cloudEvents_type is missing"));
    assert_eq!(text("cb_routing_key").as_deref(), Some(&*key));
    assert_eq!(found.delivery.properties.message_id().as_ref().map(|id| id.as_str()), Some("bad"));
    let again = channel.basic_get(dead.as_str().into(), BasicGetOptions { no_ack: true }).await;
    assert!(again.expect("the queue is there").is_none(), "it was buried once");
}
