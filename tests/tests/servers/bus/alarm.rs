//! The broker is short of memory.

use super::kit::{broker, connect, limit, message, options, prefetch, queue, receive, soon, there_and_back, until};
use callboard::port::bus::rabbitmq::RabbitMqOptions;
use callboard::port::bus::{Bus, Error};
use callboard_chaos::servers::Alarm;
use std::time::Duration;
use tokio::time::Instant;

/// Publishes answer within their limit, and what is consumed goes on over the other connection, for as long as it lasts.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_without_memory_is_waited_for() {
    let broker = broker().await;
    let answer = Duration::from_secs(2);
    let bus = connect(RabbitMqOptions { answer, ..options(broker.server.url()) }).await;
    let own = queue("node.a");
    let mut consumer = soon(bus.consume_own(&own, limit(100), prefetch(1))).await.expect("made");
    for number in 0..5 {
        soon(bus.publish(&own, message(number))).await.expect("published");
    }
    broker.server.raise(Alarm::Memory).await.expect("raised");
    // The first may be under way when the broker blocks; then it is known.
    let refused = until(async || {
        let begun = Instant::now();
        let answered = bus.publish(&own, message("refused")).await;
        assert!(begun.elapsed() < answer + Duration::from_secs(2), "an answer after {:?}", begun.elapsed());
        match answered {
            Err(Error::Refused { reason }) => Ok(reason),
            other => Err(Error::Unclear { reason: format!("{other:?}") }),
        }
    });
    let reason = refused.await;
    assert!(reason.contains("short of memory or disk"), "{reason}");
    // Longer than several rounds take: the connections are not given up, and acks are taken.
    for number in 0..5 {
        tokio::time::sleep(answer / 4).await;
        receive(&mut consumer, &number.to_string()).await;
    }
    let other = queue("node.b");
    let mut during = soon(bus.consume_own(&other, limit(10), prefetch(1))).await.expect("made during the alarm");
    broker.server.clear(Alarm::Memory).await.expect("cleared");
    until(async || bus.publish(&own, message("after")).await).await;
    receive(&mut consumer, "after").await;
    there_and_back(&bus, &mut during, &other, "after").await;
}
