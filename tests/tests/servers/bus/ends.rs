//! Consumers, channels and buses that end, and what is refused, on a broker that is well.

use super::kit::{connect, id, limit, message, options, prefetch, queue, receive, shared, soon, there_and_back, until};
use callboard::port::bus::rabbitmq::{QueueKind, RabbitMqOptions};
use callboard::port::bus::{Bus, Envelope, Error, QueueName};
use std::time::Duration;

fn refused<T: std::fmt::Debug>(answer: Result<T, Error>, words: &str) {
    assert!(matches!(&answer, Err(Error::Refused { reason }) if reason.contains(words)), "{words}: {answer:?}");
}

/// A refused declaration closes a channel: nobody else is on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_closes_a_channel_ends_nobody_else() {
    let broker = shared();
    let bus = connect(options(broker.url.clone())).await;
    let work = queue("work");
    soon(bus.declare(&work, limit(5))).await.expect("declared");
    let mut consumer = soon(bus.consume(&work, prefetch(1))).await.expect("consuming");
    for _ in 0..20 {
        refused(soon(bus.declare(&work, limit(6))).await, "PRECONDITION_FAILED");
    }
    there_and_back(&bus, &mut consumer, &work, "1").await;
}

/// Two processes: what is one's own is refused to the other, but it can be published to.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_another_process_is_its_own() {
    let broker = shared();
    let here = options(broker.url.clone());
    let (here, there) = (connect(here.clone()).await, connect(here).await);
    let own = queue("node.a");
    let mut consumer = soon(here.consume_own(&own, limit(2), prefetch(1))).await.expect("made");
    refused(soon(there.consume_own(&own, limit(2), prefetch(1))).await, "RESOURCE_LOCKED");
    refused(soon(there.consume(&own, prefetch(1))).await, "RESOURCE_LOCKED");
    refused(soon(there.declare(&own, limit(2))).await, "RESOURCE_LOCKED");
    refused(soon(there.delete(&own)).await, "RESOURCE_LOCKED");
    there_and_back(&there, &mut consumer, &own, "1").await;
    let full = until(async || match there.publish(&own, message("more")).await {
        Ok(()) => Err(Error::Unclear { reason: "not full yet".into() }),
        Err(error) => Ok(error),
    });
    assert_eq!(
        full.await,
        Error::Full { queue: own.clone(), limit: None },
        "the limit is known to who has declared it"
    );
    drop(here);
    until(async || match there.publish(&own, message("2")).await {
        Err(Error::Unroutable { queue }) if queue == own => Ok(()),
        other => Err(Error::Unclear { reason: format!("{other:?}") }),
    })
    .await;
    assert!(soon(consumer.next()).await.is_none(), "a consumer ends with its bus");
}

/// Many publishes at once, every second one to nobody: each hears what became of its own, also where ids are the same.
#[tokio::test(flavor = "multi_thread")]
async fn every_publish_hears_of_its_own_message() {
    let broker = shared();
    let bus = connect(options(broker.url.clone())).await;
    let (work, nobody) = (queue("work"), queue("nobody"));
    soon(bus.declare(&work, limit(10_000))).await.expect("declared");
    let publishes = (0..2_000).map(|number| {
        let (bus, work, nobody) = (&bus, &work, &nobody);
        async move {
            let (to, expected) = match number % 2 {
                0 => (work, Ok(())),
                _ => (nobody, Err(Error::Unroutable { queue: nobody.clone() })),
            };
            assert_eq!(bus.publish(to, message(number / 2)).await, expected, "{number}");
        }
    });
    soon(futures::future::join_all(publishes)).await;
}

/// A future of a publish that is dropped half-way leaves nothing that a later one could take for its own.
#[tokio::test(flavor = "multi_thread")]
async fn publishes_that_are_given_up_do_no_harm() {
    let broker = shared();
    let bus = connect(options(broker.url.clone())).await;
    let (work, nobody) = (queue("work"), queue("nobody"));
    soon(bus.declare(&work, limit(10_000))).await.expect("declared");
    for number in 0..300_u64 {
        let given_up = bus.publish(&nobody, message(number));
        let _late = tokio::time::timeout(Duration::from_micros(20 * (number % 50)), given_up).await;
        soon(bus.publish(&work, message(number))).await.expect("its queue is there");
    }
}

/// Several megabytes in a body; attributes that are too large are refused before the broker closes the connection on them.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_may_be_large_and_heads_may_not() {
    let broker = shared();
    let bus = connect(options(broker.url.clone())).await;
    let own = queue("node.a");
    let mut consumer = soon(bus.consume_own(&own, limit(10), prefetch(1))).await.expect("made");
    let large = Envelope::new("large", "test", "servers", vec![b'x'; 48 << 20]);
    soon(bus.publish(&own, large.clone())).await.expect("published");
    let delivery = soon(consumer.next()).await.expect("delivered");
    assert!(delivery.envelope == large, "it has come whole");
    soon(delivery.ack()).await.expect("acked");
    let head = message("head").with(|head| head.subject = Some("x".repeat(200_000)));
    refused(soon(bus.publish(&own, head)).await, "the attributes take");
    let too_large = Envelope::new("too large", "test", "servers", vec![b'x'; (128 << 20) + 1]);
    refused(soon(bus.publish(&own, too_large)).await, "larger than");
    there_and_back(&bus, &mut consumer, &own, "after").await;
}

/// A quorum queue counts: what is put back too often is dead.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_put_back_too_often_is_dead() {
    let broker = shared();
    let quorum = RabbitMqOptions { queues: QueueKind::Quorum, deliveries_max: 3, ..options(broker.url.clone()) };
    let bus = connect(quorum).await;
    let work = queue("work");
    soon(bus.declare(&work, limit(10))).await.expect("declared");
    soon(bus.publish(&work, message("poison"))).await.expect("published");
    let mut consumer = soon(bus.consume(&work, prefetch(1))).await.expect("consuming");
    let mut dead = soon(bus.consume(&QueueName::dead(), prefetch(1))).await.expect("the dead are there");
    let buried = async {
        loop {
            tokio::select! {
                delivery = consumer.next() => drop(delivery.expect("the queue is there")),
                delivery = dead.next() => return delivery.expect("the queue is there"),
            }
        }
    };
    assert_eq!(id(&soon(buried).await), "poison");
}

/// A bus that is closed has no connection, and its consumers and calls say so.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_bus_lets_go_of_everything() {
    let broker = shared();
    let bus = connect(options(broker.url.clone())).await;
    let own = queue("node.a");
    let mut consumer = soon(bus.consume_own(&own, limit(10), prefetch(1))).await.expect("made");
    soon(bus.close()).await;
    assert!(soon(consumer.next()).await.is_none());
    refused(soon(bus.publish(&own, message(1))).await, "");
    refused(soon(bus.consume(&own, prefetch(1))).await, "");
}

/// After a cancel what was sent ahead and not looked at is for others.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_consumer_gives_back_what_it_has_not_looked_at() {
    let broker = shared();
    let bus = connect(options(broker.url.clone())).await;
    let work = queue("work");
    soon(bus.declare(&work, limit(10))).await.expect("declared");
    for number in 0..5 {
        soon(bus.publish(&work, message(number))).await.expect("published");
    }
    let mut first = soon(bus.consume(&work, prefetch(5))).await.expect("consuming");
    let held = soon(first.next()).await.expect("delivered");
    soon(first.cancel()).await.expect("cancelled");
    let mut second = soon(bus.consume(&work, prefetch(5))).await.expect("consuming");
    for number in 1..5 {
        receive(&mut second, &number.to_string()).await;
    }
    soon(held.ack()).await.expect("acked after the cancel");
}
