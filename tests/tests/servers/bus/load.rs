//! Many messages, and many buses.

use super::kit::{PATIENCE, broker, connect, limit, message, options, prefetch, queue, soon};
use callboard::port::bus::Bus;
use callboard::port::bus::rabbitmq::{QueueKind, RabbitMqOptions};
use futures::StreamExt;
use futures::stream::{self, FuturesUnordered};
use std::collections::BTreeSet;
use tokio::time::Instant;

const MESSAGES: usize = 5_000;

/// All of them are confirmed and come; how fast is printed, and asserted nowhere.
async fn carries(kind: QueueKind, shared: bool) {
    let broker = super::kit::shared();
    let bus = connect(RabbitMqOptions { queues: kind, ..options(broker.url.clone()) }).await;
    let to = queue("work");
    let mut consumer = if shared {
        soon(bus.declare(&to, limit(100_000))).await.expect("declared");
        soon(bus.consume(&to, prefetch(1_000))).await.expect("consuming")
    } else {
        soon(bus.consume_own(&to, limit(100_000), prefetch(1_000))).await.expect("made")
    };
    let begun = Instant::now();
    let publishing = stream::iter(0..MESSAGES).for_each_concurrent(200, async |number| {
        bus.publish(&to, message(number)).await.expect("published");
    });
    let receiving = async {
        let mut missing: BTreeSet<String> = (0..MESSAGES).map(|number| number.to_string()).collect();
        while !missing.is_empty() {
            let delivery = consumer.next().await.expect("the queue is there");
            missing.remove(&delivery.envelope.head.id);
            delivery.ack().await.expect("acked");
        }
    };
    soon(async { futures::join!(publishing, receiving) }).await;
    let rate = MESSAGES as f64 / begun.elapsed().as_secs_f64();
    println!("{kind:?}, {}: {rate:.0} messages/s", if shared { "shared" } else { "own" });
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_messages_are_carried() {
    carries(QueueKind::Classic, false).await;
    carries(QueueKind::Classic, true).await;
    carries(QueueKind::Quorum, true).await;
}

/// As many nodes as a large cluster has: each with its own queue, all hear one another.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_buses_are_connected() {
    let broker = broker().await;
    // All at once, on whatever machine this is.
    let options = RabbitMqOptions { connect: PATIENCE, ..options(broker.server.url()) };
    let begun = Instant::now();
    let connecting = (0..100).map(|_| connect(options.clone())).collect::<FuturesUnordered<_>>();
    let buses: Vec<_> = soon(connecting.collect()).await;
    println!("100 buses connected in {:?}", begun.elapsed());
    let mut heard = Vec::new();
    for bus in &buses {
        heard.push(soon(bus.subscribe()).await.expect("subscribed"));
    }
    soon(buses[0].broadcast(message("all"))).await.expect("broadcast");
    for subscription in &mut heard {
        assert_eq!(soon(subscription.next()).await.expect("heard").head.id, "all");
    }
}
