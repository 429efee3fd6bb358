//! The broker goes away and comes back.

use super::kit::{broker, connect, limit, message, options, prefetch, queue, soon, there_and_back, until};
use callboard::port::bus::rabbitmq::RabbitMqBus;
use callboard::port::bus::{Bus, Consumer, Error, QueueName};
use std::time::Duration;
use tokio::time::Instant;

/// A consumer of a shared queue, one of a queue of its own, and a subscription.
async fn begin(bus: &RabbitMqBus, shared: &QueueName, own: &QueueName) -> Result<[Consumer; 2], Error> {
    bus.declare(shared, limit(100)).await?;
    let sharing = bus.consume(shared, prefetch(10)).await?;
    Ok([sharing, bus.consume_own(own, limit(100), prefetch(10)).await?])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_is_back_in_use_within_five_seconds_of_its_return() {
    let mut broker = broker().await;
    let bus = connect(options(broker.server.url())).await;
    let (shared, own) = (queue("work"), queue("node.a"));
    for round in 0..3 {
        let [mut sharing, mut alone] = until(async || begin(&bus, &shared, &own).await).await;
        let mut heard = until(async || bus.subscribe().await).await;
        until(async || bus.publish(&shared, message("first")).await).await;
        super::kit::receive(&mut sharing, "first").await;
        there_and_back(&bus, &mut alone, &own, &format!("{round}-own")).await;
        soon(bus.publish(&shared, message(format!("{round}-held")))).await.expect("published");
        let held = soon(sharing.next()).await.expect("delivered");

        broker.server.kill();
        assert!(soon(alone.next()).await.is_none(), "a consumer ends with the broker");
        while soon(sharing.next()).await.is_some() {}
        assert!(soon(heard.next()).await.is_none(), "a subscription ends with the broker");
        assert!(matches!(soon(held.ack()).await, Err(Error::Closed { .. })));
        until(async || match bus.publish(&shared, message("nobody")).await {
            Err(Error::Refused { reason }) if reason.contains("nobody listens") => Ok(()),
            other => Err(Error::Unclear { reason: format!("{other:?}") }),
        })
        .await;

        broker.server.start_again().await.expect("rabbitmq starts again");
        let returned = Instant::now();
        let [mut sharing, mut alone] = until(async || begin(&bus, &shared, &own).await).await;
        // Each of the two connections comes back by itself.
        until(async || bus.publish(&own, message(format!("{round}-after"))).await).await;
        super::kit::receive(&mut alone, &format!("{round}-after")).await;
        let took = returned.elapsed();
        println!("round {round}: traffic {took:?} after the return");
        assert!(took < Duration::from_secs(5), "{took:?}");
        // What was held comes back, as a rule: of a queue that was declared a moment before the kill RabbitMQ loses it now
        // and then, confirmed or not. Nothing of ours rests on it.
        there_and_back(&bus, &mut sharing, &shared, &format!("{round}-again")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_restarted_keeps_what_was_confirmed() {
    let mut broker = broker().await;
    let bus = connect(options(broker.server.url())).await;
    let work = queue("work");
    soon(bus.declare(&work, limit(100))).await.expect("declared");
    soon(bus.publish(&work, message("kept"))).await.expect("published");
    broker.server.stop().await;
    broker.server.start_again().await.expect("rabbitmq starts again");
    let mut consumer = until(async || bus.consume(&work, prefetch(1)).await).await;
    super::kit::receive(&mut consumer, "kept").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_wiped_is_furnished_again() {
    let broker = broker().await;
    let bus = connect(options(broker.server.url())).await;
    let (shared, own) = (queue("work"), queue("node.a"));
    let [mut sharing, mut alone] = begin(&bus, &shared, &own).await.expect("begun");
    broker.server.wipe().await.expect("wiped");
    assert!(soon(sharing.next()).await.is_none());
    assert!(soon(alone.next()).await.is_none());
    let gone = until(async || match bus.publish(&shared, message(1)).await {
        Err(Error::Unroutable { queue }) => Ok(queue),
        other => Err(Error::Unclear { reason: format!("{other:?}") }),
    });
    assert_eq!(gone.await, shared, "nothing is left, and publishing says so");
    let [mut sharing, _alone] = until(async || begin(&bus, &shared, &own).await).await;
    there_and_back(&bus, &mut sharing, &shared, "after").await;
    let mut heard = soon(bus.subscribe()).await.expect("the exchange of broadcasts is there");
    soon(bus.broadcast(message("all"))).await.expect("broadcast");
    assert_eq!(soon(heard.next()).await.expect("heard").head.id, "all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_closes_every_connection_is_connected_to_again() {
    let broker = broker().await;
    let bus = connect(options(broker.server.url())).await;
    let own = queue("node.a");
    let mut consumer = soon(bus.consume_own(&own, limit(10), prefetch(1))).await.expect("made");
    broker.server.close_connections().await.expect("closed");
    assert!(soon(consumer.next()).await.is_none());
    let mut consumer = until(async || bus.consume_own(&own, limit(10), prefetch(1)).await).await;
    until(async || bus.publish(&own, message("after")).await).await;
    super::kit::receive(&mut consumer, "after").await;
}
