//! What every implementation of [`Bus`] must do. Each check uses queues of its own, so checks may run side by side on one
//! broker, and waits for states with a generous limit, so that it is right for a slow one.
//!
//! Duplicates and another order are within the contract and fail no check.

use std::collections::BTreeSet;
use std::future::Future;
use std::num::{NonZeroU16, NonZeroUsize};
use std::pin::pin;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, select};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{Bus, Consumer, Delivery, Envelope, Error, QueueName};

/// How long a state may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait before a state is looked at again.
const MOMENT: Duration = Duration::from_millis(10);

/// Runs every check, one after the other; panics where `bus` breaks the contract.
pub async fn all(bus: &dyn Bus) {
    publishing_to_nobody_is_unroutable(bus).await;
    consuming_from_nobody_is_unroutable(bus).await;
    an_envelope_arrives_whole(bus).await;
    a_queue_is_declared_once(bus).await;
    a_full_queue_says_so(bus).await;
    a_dropped_delivery_comes_back(bus).await;
    a_requeued_delivery_comes_back(bus).await;
    a_dropped_consumer_gives_everything_back(bus).await;
    a_cancelled_consumer_keeps_its_deliveries(bus).await;
    prefetch_bounds_the_unsettled(bus).await;
    an_ack_makes_room_for_who_waits(bus).await;
    idle_consumers_share_a_queue(bus).await;
    a_dropped_wait_loses_nothing(bus).await;
    deleting_a_queue_ends_its_consumers(bus).await;
    an_own_queue_carries_messages(bus).await;
    an_own_queue_is_nobody_elses(bus).await;
    an_own_queue_goes_with_its_consumer(bus).await;
    deleting_an_own_queue_ends_its_consumer(bus).await;
    a_broadcast_reaches_every_subscriber(bus).await;
}

/// The mandatory flag: nothing is swallowed.
pub async fn publishing_to_nobody_is_unroutable(bus: &dyn Bus) {
    let queue = fresh("unroutable");
    let answer = soon(bus.publish(&queue, message(1))).await;
    assert_eq!(answer, Err(Error::Unroutable { queue }));
}

/// A consumer cannot wait for a queue that is not there.
pub async fn consuming_from_nobody_is_unroutable(bus: &dyn Bus) {
    let queue = fresh("unroutable");
    let answer = soon(bus.consume(&queue, prefetch(1))).await;
    assert_eq!(answer.err(), Some(Error::Unroutable { queue }));
}

/// Every attribute and the body survive the way, and a bare message stays bare.
pub async fn an_envelope_arrives_whole(bus: &dyn Bus) {
    let queue = declared(bus, "whole", 10).await;
    let full = message(7).with(|head| {
        head.subject = Some("task/draft".into());
        head.time_unix_ms = Some(1_700_000_000_123);
        head.correlation_id = Some("order-42".into());
        head.reply_to = Some(QueueName::partition(3));
        head.run = Some("run-1".into());
        head.task = Some("draft".into());
        head.capability = Some("text.draft".into());
        head.attempt = Some(2);
        head.activation = Some(u32::MAX);
        head.ticket = Some("17@llm:groq".to_owned());
        head.tenant = Some("acme & söhne".to_owned());
        head.deadline_unix_ms = Some(-1);
        head.from = Some("reviewer-1".into());
        head.to = Some("écrivain".into());
        head.priority = Some(10);
        head.data_ref = Some("payload/abc".into());
        head.trace_parent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
        head.trace_state = Some("a=b".into());
    });
    let bare = Envelope::new("bare", "test", "conformance", "");
    let mut consumer = consumer(bus, &queue, 2).await;
    for sent in [full, bare] {
        soon(bus.publish(&queue, sent.clone())).await.expect("published");
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.envelope, sent);
        soon(delivery.ack()).await.expect("acked");
    }
    drop_queue(bus, queue).await;
}

/// To declare a queue again changes nothing; with another limit it is refused.
pub async fn a_queue_is_declared_once(bus: &dyn Bus) {
    let queue = declared(bus, "declared", 5).await;
    soon(bus.publish(&queue, message(1))).await.expect("published");
    soon(bus.declare(&queue, limit(5))).await.expect("declared again");
    let other = soon(bus.declare(&queue, limit(6))).await;
    assert!(matches!(other, Err(Error::Refused { .. })), "declared with another limit: {other:?}");
    let mut consumer = consumer(bus, &queue, 1).await;
    assert_eq!(number(&next(&mut consumer).await), 1);
    drop_queue(bus, queue).await;
}

/// A queue takes what it was declared for (brokers may take a little more) and then answers `Full`; room frees it.
pub async fn a_full_queue_says_so(bus: &dyn Bus) {
    let queue = declared(bus, "full", 3).await;
    let mut taken = 0;
    let refused = loop {
        match soon(bus.publish(&queue, message(taken))).await {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
        assert!(taken < 64, "a queue for 3 messages has taken 64");
    };
    assert!(taken >= 3, "a queue for 3 messages was full at {taken}");
    assert_eq!(refused, Error::Full { queue: queue.clone(), limit: Some(3) });
    let mut consumer = consumer(bus, &queue, 64).await;
    receive_all(&mut consumer, 0..taken).await;
    soon(bus.publish(&queue, message(99))).await.expect("there is room again");
    receive_all(&mut consumer, 99..100).await;
    drop_queue(bus, queue).await;
}

/// Who drops a delivery has not had it.
pub async fn a_dropped_delivery_comes_back(bus: &dyn Bus) {
    let queue = declared(bus, "dropped", 10).await;
    soon(bus.publish(&queue, message(1))).await.expect("published");
    let mut consumer = consumer(bus, &queue, 1).await;
    drop(next(&mut consumer).await);
    let again = next(&mut consumer).await;
    assert!(again.redelivered, "a message that came back is marked");
    assert_eq!(number(&again), 1);
    soon(again.ack()).await.expect("acked");
    drop_queue(bus, queue).await;
}

/// A message may be put back on purpose.
pub async fn a_requeued_delivery_comes_back(bus: &dyn Bus) {
    let queue = declared(bus, "requeued", 10).await;
    soon(bus.publish(&queue, message(1))).await.expect("published");
    let mut consumer = consumer(bus, &queue, 1).await;
    soon(next(&mut consumer).await.requeue()).await.expect("requeued");
    let again = next(&mut consumer).await;
    assert!(again.redelivered, "a message that came back is marked");
    soon(again.ack()).await.expect("acked");
    drop_queue(bus, queue).await;
}

/// The end of a consumer puts back what it had, though somebody still holds the deliveries.
pub async fn a_dropped_consumer_gives_everything_back(bus: &dyn Bus) {
    let queue = declared(bus, "gone", 10).await;
    publish_all(bus, &queue, 0..4).await;
    let mut first = consumer(bus, &queue, 3).await;
    let held = [next(&mut first).await, next(&mut first).await];
    drop(first);
    let mut second = consumer(bus, &queue, 4).await;
    receive_all(&mut second, 0..4).await;
    drop(held);
    drop_queue(bus, queue).await;
}

/// A cancelled consumer takes nothing more, and what it has stays out until it is settled.
pub async fn a_cancelled_consumer_keeps_its_deliveries(bus: &dyn Bus) {
    let queue = declared(bus, "cancelled", 10).await;
    publish_all(bus, &queue, 0..2).await;
    let mut first = consumer(bus, &queue, 2).await;
    let held = [next(&mut first).await, next(&mut first).await];
    soon(first.cancel()).await.expect("cancelled");
    soon(bus.publish(&queue, message(2))).await.expect("published");
    let mut second = consumer(bus, &queue, 10).await;
    assert_eq!(number(&next(&mut second).await), 2, "what the cancelled consumer holds is out");
    let [acked, dropped] = held;
    let back = number(&dropped);
    soon(acked.ack()).await.expect("acked after the cancel");
    drop(dropped);
    loop {
        let delivery = next(&mut second).await;
        let found = number(&delivery);
        soon(delivery.ack()).await.expect("acked");
        if found == back {
            break;
        }
    }
    drop_queue(bus, queue).await;
}

/// A consumer that waits with all its deliveries unsettled gets nothing while another has room, and goes on after an ack.
pub async fn prefetch_bounds_the_unsettled(bus: &dyn Bus) {
    let queue = declared(bus, "prefetch", 10).await;
    publish_all(bus, &queue, 0..5).await;
    let mut narrow = consumer(bus, &queue, 2).await;
    let held = [next(&mut narrow).await, next(&mut narrow).await];
    let mut wide = consumer(bus, &queue, 10).await;
    let mut others = Vec::new();
    {
        let mut third = pin!(narrow.next());
        for _ in 0..3 {
            match soon(select(third.as_mut(), pin!(wide.next()))).await {
                Either::Left(_) => panic!("a consumer of prefetch 2 has received a third delivery"),
                Either::Right((delivery, _)) => others.push(delivery.expect("the queue exists")),
            }
        }
    }
    for delivery in others.into_iter().chain(held) {
        soon(delivery.ack()).await.expect("acked");
    }
    drop(wide);
    soon(bus.publish(&queue, message(5))).await.expect("published");
    receive_all(&mut narrow, 5..6).await;
    drop_queue(bus, queue).await;
}

/// A consumer that waits because all its deliveries are unsettled goes on when one of them is settled, in either way.
pub async fn an_ack_makes_room_for_who_waits(bus: &dyn Bus) {
    let queue = declared(bus, "room", 10).await;
    publish_all(bus, &queue, 0..2).await;
    let mut consumer = consumer(bus, &queue, 1).await;
    let held = next(&mut consumer).await;
    let (waited, acked) = futures::join!(next(&mut consumer), held.ack());
    acked.expect("acked");
    let (back, ()) = futures::join!(next(&mut consumer), async { drop(waited) });
    assert!(back.redelivered, "a message that came back is marked");
    soon(back.ack()).await.expect("acked");
    drop_queue(bus, queue).await;
}

/// Of several consumers that wait each gets its share: nobody takes what it has no room for.
pub async fn idle_consumers_share_a_queue(bus: &dyn Bus) {
    let queue = declared(bus, "shared", 10).await;
    let mut consumers =
        [consumer(bus, &queue, 1).await, consumer(bus, &queue, 1).await, consumer(bus, &queue, 1).await];
    let [first, second, third] = &mut consumers;
    let publish = publish_all(bus, &queue, 0..3);
    let (a, b, c, ()) = futures::join!(next(first), next(second), next(third), publish);
    let got: BTreeSet<usize> = [&a, &b, &c].map(number).into();
    assert_eq!(got, BTreeSet::from([0, 1, 2]));
    drop_queue(bus, queue).await;
}

/// Cancelling a wait, before or after a message came, loses no message.
pub async fn a_dropped_wait_loses_nothing(bus: &dyn Bus) {
    let queue = declared(bus, "cancel-safe", 10).await;
    let mut consumer = consumer(bus, &queue, 1).await;
    for round in 0..20 {
        // Polled once and dropped: at the first poll nothing is there, later a message may be.
        if let Some(delivery) = consumer.next().now_or_never() {
            drop(delivery);
        }
        soon(bus.publish(&queue, message(round))).await.expect("published");
        if let Some(delivery) = consumer.next().now_or_never() {
            drop(delivery);
        }
        receive_all(&mut consumer, round..round + 1).await;
    }
    drop_queue(bus, queue).await;
}

/// With its queue a consumer ends, and publishing is unroutable again.
pub async fn deleting_a_queue_ends_its_consumers(bus: &dyn Bus) {
    let queue = declared(bus, "deleted", 10).await;
    let mut waiting = consumer(bus, &queue, 1).await;
    let (end, ()) = futures::join!(soon(waiting.next()), drop_queue(bus, queue.clone()));
    assert!(end.is_none(), "delivered from a deleted queue: {end:?}");
    assert!(soon(waiting.next()).await.is_none(), "the end is the end");
    let answer = soon(bus.publish(&queue, message(1))).await;
    assert_eq!(answer, Err(Error::Unroutable { queue: queue.clone() }));
    drop_queue(bus, queue).await;
}

/// To its consumer and to those who publish it is a queue like any other: bounded, and what is dropped comes back.
pub async fn an_own_queue_carries_messages(bus: &dyn Bus) {
    let queue = fresh("own");
    let mut own = own(bus, &queue, 3, 2).await;
    publish_all(bus, &queue, 0..2).await;
    drop(next(&mut own).await);
    receive_all(&mut own, 0..2).await;
    let mut taken = 0;
    let refused = loop {
        match soon(bus.publish(&queue, message(taken))).await {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
        assert!(taken < 64, "a queue for 3 messages has taken 64");
    };
    assert_eq!(refused, Error::Full { queue, limit: Some(3) });
    receive_all(&mut own, 0..taken).await;
}

/// It cannot be made twice, shared or declared, and is not made of a queue that exists.
pub async fn an_own_queue_is_nobody_elses(bus: &dyn Bus) {
    let refused = |what: &str, error: Option<Error>| {
        assert!(matches!(error, Some(Error::Refused { .. })), "{what}: {error:?}");
    };
    let queue = fresh("exclusive");
    let mut own = own(bus, &queue, 10, 1).await;
    refused("made twice", soon(bus.consume_own(&queue, limit(10), prefetch(1))).await.err());
    refused("consumed by another", soon(bus.consume(&queue, prefetch(1))).await.err());
    refused("declared", soon(bus.declare(&queue, limit(10))).await.err());
    soon(bus.publish(&queue, message(1))).await.expect("still there");
    receive_all(&mut own, 1..2).await;
    let shared = declared(bus, "shared", 10).await;
    refused("made of a shared one", soon(bus.consume_own(&shared, limit(10), prefetch(1))).await.err());
    soon(bus.publish(&shared, message(1))).await.expect("still there");
    drop_queue(bus, shared).await;
}

/// Dropped or cancelled, the consumer takes the queue along, with what waits in it and what is out; the name is free.
pub async fn an_own_queue_goes_with_its_consumer(bus: &dyn Bus) {
    let queue = fresh("mortal");
    let mut dropped = own(bus, &queue, 10, 1).await;
    publish_all(bus, &queue, 0..2).await;
    let held = next(&mut dropped).await;
    drop(dropped);
    until_unroutable(bus, &queue).await;
    drop(held);
    until_unroutable(bus, &queue).await;
    let mut cancelled = own(bus, &queue, 10, 1).await;
    soon(bus.publish(&queue, message(2))).await.expect("published");
    let held = next(&mut cancelled).await;
    assert_eq!(number(&held), 2, "nothing is left of the queue before");
    soon(cancelled.cancel()).await.expect("cancelled");
    until_unroutable(bus, &queue).await;
    drop(held);
}

/// Who made it may delete it.
pub async fn deleting_an_own_queue_ends_its_consumer(bus: &dyn Bus) {
    let queue = fresh("deleted-own");
    let mut waiting = own(bus, &queue, 10, 1).await;
    let (end, ()) = futures::join!(soon(waiting.next()), drop_queue(bus, queue.clone()));
    assert!(end.is_none(), "delivered from a deleted queue: {end:?}");
    until_unroutable(bus, &queue).await;
    let mut next_life = own(bus, &queue, 10, 1).await;
    drop(waiting);
    publish_all(bus, &queue, 0..1).await;
    receive_all(&mut next_life, 0..1).await;
}

/// Everybody who is subscribed hears a broadcast.
pub async fn a_broadcast_reaches_every_subscriber(bus: &dyn Bus) {
    let said = Envelope::new(Uuid::new_v4().to_string(), "test", "conformance", "hear, hear");
    let mut first = soon(bus.subscribe()).await.expect("subscribed");
    let mut second = soon(bus.subscribe()).await.expect("subscribed");
    soon(bus.broadcast(said.clone())).await.expect("broadcast");
    for subscription in [&mut first, &mut second] {
        // Others may use the same broker.
        while soon(subscription.next()).await.expect("still subscribed") != said {}
    }
}

async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("the bus answers in time")
}

fn fresh(what: &str) -> QueueName {
    QueueName::node(&format!("conformance-{what}-{}", Uuid::new_v4())).expect("a proper name")
}

fn limit(messages: usize) -> NonZeroUsize {
    NonZeroUsize::new(messages).expect("not zero")
}

fn prefetch(deliveries: u16) -> NonZeroU16 {
    NonZeroU16::new(deliveries).expect("not zero")
}

fn message(number: usize) -> Envelope {
    Envelope::new(number.to_string(), "test", "conformance", format!("{{\"number\":{number}}}"))
}

fn number(delivery: &Delivery) -> usize {
    delivery.envelope.head.id.parse().expect("a message of ours")
}

async fn declared(bus: &dyn Bus, what: &str, messages: usize) -> QueueName {
    let queue = fresh(what);
    soon(bus.declare(&queue, limit(messages))).await.expect("declared");
    queue
}

async fn drop_queue(bus: &dyn Bus, queue: QueueName) {
    soon(bus.delete(&queue)).await.expect("deleted");
}

async fn consumer(bus: &dyn Bus, queue: &QueueName, deliveries: u16) -> Consumer {
    soon(bus.consume(queue, prefetch(deliveries))).await.expect("consuming")
}

async fn own(bus: &dyn Bus, queue: &QueueName, messages: usize, deliveries: u16) -> Consumer {
    soon(bus.consume_own(queue, limit(messages), prefetch(deliveries))).await.expect("made")
}

/// A broker hears of the end of a consumer a moment later.
async fn until_unroutable(bus: &dyn Bus, queue: &QueueName) {
    let gone = async {
        while bus.publish(queue, message(0)).await != Err(Error::Unroutable { queue: queue.clone() }) {
            sleep(MOMENT).await;
        }
    };
    soon(gone).await;
}

async fn next(consumer: &mut Consumer) -> Delivery {
    soon(consumer.next()).await.expect("the queue exists")
}

async fn publish_all(bus: &dyn Bus, queue: &QueueName, numbers: std::ops::Range<usize>) {
    for number in numbers {
        soon(bus.publish(queue, message(number))).await.expect("published");
    }
}

/// Receives and acks until every one of `numbers` has been seen.
async fn receive_all(consumer: &mut Consumer, numbers: std::ops::Range<usize>) {
    let mut missing: BTreeSet<usize> = numbers.collect();
    while !missing.is_empty() {
        let delivery = next(consumer).await;
        missing.remove(&number(&delivery));
        soon(delivery.ack()).await.expect("acked");
    }
}
