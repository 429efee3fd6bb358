mod schedules;

use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use futures::FutureExt;
use tokio::task::JoinSet;

use super::MemoryBus;
use crate::port::bus::{Bus, Consumer, Delivery, Envelope, Error, QueueName, conformance};

fn one(number: u64) -> Envelope {
    Envelope::new(number.to_string(), "test", "here", "")
}

fn id(delivery: &Delivery) -> u64 {
    delivery.envelope.head.id.parse().unwrap()
}

async fn queue(bus: &MemoryBus, limit: usize) -> QueueName {
    let queue = QueueName::capability("text.review").unwrap();
    bus.declare(&queue, NonZeroUsize::new(limit).unwrap()).await.unwrap();
    queue
}

async fn consumer(bus: &MemoryBus, queue: &QueueName, prefetch: u16) -> Consumer {
    bus.consume(queue, NonZeroU16::new(prefetch).unwrap()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn conforms() {
    conformance::all(&MemoryBus::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_on_threads() {
    conformance::all(&MemoryBus::new()).await;
}

#[tokio::test]
async fn a_message_that_comes_back_is_the_next_one() {
    let bus = MemoryBus::new();
    let queue = queue(&bus, 10).await;
    for number in 0..4 {
        bus.publish(&queue, one(number)).await.unwrap();
    }
    let mut all = consumer(&bus, &queue, 3).await;
    let (a, b) = (all.next().await.unwrap(), all.next().await.unwrap());
    b.requeue().await.unwrap();
    drop(a);
    let mut order = Vec::new();
    for _ in 0..4 {
        let delivery = all.next().await.unwrap();
        order.push((id(&delivery), delivery.redelivered));
        delivery.ack().await.unwrap();
    }
    assert_eq!(order, [(0, true), (1, true), (2, false), (3, false)]);
}

#[tokio::test]
async fn a_dropped_consumer_returns_its_messages_in_order() {
    let bus = MemoryBus::new();
    let queue = queue(&bus, 10).await;
    for number in 0..4 {
        bus.publish(&queue, one(number)).await.unwrap();
    }
    let mut first = consumer(&bus, &queue, 3).await;
    let held = [first.next().await.unwrap(), first.next().await.unwrap(), first.next().await.unwrap()];
    drop(first);
    assert_eq!(bus.ready(&queue), Some(4));
    let [late, ..] = held;
    assert!(matches!(late.ack().await, Err(Error::Closed { .. })), "a delivery of a dropped consumer is not ours");
    let mut second = consumer(&bus, &queue, 4).await;
    for number in 0..4 {
        let delivery = second.next().await.unwrap();
        assert_eq!((id(&delivery), delivery.redelivered), (number, number < 3));
        delivery.ack().await.unwrap();
    }
}

#[tokio::test]
async fn a_full_queue_takes_what_comes_back() {
    let bus = MemoryBus::new();
    let queue = queue(&bus, 1).await;
    bus.publish(&queue, one(0)).await.unwrap();
    let mut only = consumer(&bus, &queue, 1).await;
    let out = only.next().await.unwrap();
    bus.publish(&queue, one(1)).await.unwrap();
    let full = bus.publish(&queue, one(2)).await;
    assert_eq!(full, Err(Error::Full { queue: queue.clone(), limit: Some(1) }));
    drop(out);
    assert_eq!(bus.ready(&queue), Some(2));
}

#[tokio::test]
async fn who_waits_longest_is_served_first() {
    let bus = MemoryBus::new();
    let queue = queue(&bus, 10).await;
    let mut consumers = Vec::new();
    for _ in 0..3 {
        consumers.push(consumer(&bus, &queue, 1).await);
    }
    let [a, b, c] = consumers.as_mut_slice() else { unreachable!() };
    let (mut a, mut b, mut c) = (a.next().boxed(), b.next().boxed(), c.next().boxed());
    for waiting in [&mut b, &mut a, &mut c] {
        assert!(waiting.now_or_never().is_none());
    }
    for number in 0..3 {
        bus.publish(&queue, one(number)).await.unwrap();
    }
    let served = [a.await, b.await, c.await].map(|delivery| id(&delivery.unwrap()));
    assert_eq!(served, [1, 0, 2]);
}

#[tokio::test]
async fn what_was_set_aside_for_a_dropped_wait_goes_to_the_next() {
    let bus = MemoryBus::new();
    let queue = queue(&bus, 10).await;
    let (mut a, mut b) = (consumer(&bus, &queue, 1).await, consumer(&bus, &queue, 1).await);
    let (mut first, mut second) = (a.next().boxed(), b.next().boxed());
    assert!((&mut first).now_or_never().is_none());
    assert!((&mut second).now_or_never().is_none());
    bus.publish(&queue, one(0)).await.unwrap();
    drop(first);
    let delivery = second.now_or_never().expect("served at once").unwrap();
    assert!(!delivery.redelivered, "nobody has seen it");
}

#[tokio::test]
async fn a_wipe_ends_everything_and_leaves_nothing() {
    let bus = MemoryBus::new();
    let queue = queue(&bus, 10).await;
    bus.publish(&queue, one(0)).await.unwrap();
    let mut only = consumer(&bus, &queue, 1).await;
    let out = only.next().await.unwrap();
    let mut heard = bus.subscribe().await.unwrap();
    bus.wipe();
    assert!(only.next().await.is_none());
    assert!(heard.next().await.is_none());
    assert!(matches!(out.ack().await, Err(Error::Closed { .. })));
    assert_eq!(bus.publish(&queue, one(1)).await, Err(Error::Unroutable { queue }));
}

#[tokio::test]
async fn an_own_queue_does_not_survive_a_wipe_and_leaves_its_successor_alone() {
    let bus = MemoryBus::new();
    let queue = QueueName::node("n1").unwrap();
    let (messages, one_delivery) = (NonZeroUsize::new(10).unwrap(), NonZeroU16::new(1).unwrap());
    let mut wiped = bus.consume_own(&queue, messages, one_delivery).await.unwrap();
    bus.wipe();
    assert!(wiped.next().await.is_none());
    assert_eq!(bus.publish(&queue, one(1)).await, Err(Error::Unroutable { queue: queue.clone() }));
    bus.declare(&queue, messages).await.unwrap();
    drop(wiped);
    assert_eq!(bus.ready(&queue), Some(0), "another queue of the same name is not its own");
}

#[tokio::test]
async fn a_slow_subscriber_loses_the_oldest_and_goes_on() {
    let bus = MemoryBus::new();
    let mut heard = bus.subscribe().await.unwrap();
    let sent = super::BROADCASTS_BEHIND_MAX as u64 + 10;
    for number in 0..sent {
        bus.broadcast(one(number)).await.unwrap();
    }
    assert_eq!(heard.next().await.unwrap().head.id, "10");
}

#[test]
fn names_are_checked() {
    assert_eq!(QueueName::capability("text.review").unwrap().as_str(), "capability.text.review.v1");
    assert_eq!(QueueName::agent_tasks("a1").unwrap().as_str(), "agent.a1.tasks");
    assert_eq!(QueueName::agent_responses("a1").unwrap().as_str(), "agent.a1.responses");
    assert_eq!(QueueName::node("n1").unwrap().as_str(), "node.n1");
    assert_eq!(QueueName::partition(7).as_str(), "partition.7");
    assert_eq!(QueueName::orchestrator_priority().as_str(), "orchestrator.priority");
    for bad in ["", "a b", "a/b", "é", "amq.x", &"x".repeat(201)] {
        assert!(bad.parse::<QueueName>().is_err(), "{bad:?}");
    }
    assert!(QueueName::agent_tasks("").is_err());
}

/// One worker of the stress test: acks, requeues, drops, cancels waits and changes its consumer, by its own small dice.
async fn work(bus: MemoryBus, queue: QueueName, seed: u64, seen: Arc<Vec<AtomicUsize>>, left: Arc<AtomicUsize>) {
    let mut dice = seed;
    let mut roll = move || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % 20
    };
    let mut own = consumer(&bus, &queue, 1 + (seed % 3) as u16).await;
    while left.load(Ordering::SeqCst) > 0 {
        if roll() == 0 {
            // A wait that is given up, perhaps just when a message came.
            tokio::select! { biased; () = tokio::task::yield_now() => {}, _back = own.next() => {} }
        }
        let Some(delivery) = own.next().await else {
            return;
        };
        match roll() {
            0 => drop(delivery),
            1 => delivery.requeue().await.unwrap(),
            2 => {
                tokio::task::yield_now().await;
                drop(delivery);
            }
            3 => {
                own = consumer(&bus, &queue, 1 + (seed % 3) as u16).await;
                drop(delivery);
            }
            _ => {
                let number = id(&delivery) as usize;
                delivery.ack().await.unwrap();
                assert_eq!(seen[number].fetch_add(1, Ordering::SeqCst), 0, "acked twice: {number}");
                if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    bus.delete(&queue).await.unwrap();
                }
            }
        }
    }
}

/// No loss, no message acked twice, no lost wake-up: with any of these the test fails or never ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stress_every_message_is_acked_exactly_once() {
    const MESSAGES: usize = 20_000;
    const PUBLISHERS: usize = 4;
    let bus = MemoryBus::new();
    let queue = queue(&bus, 64).await;
    let seen: Arc<Vec<AtomicUsize>> = Arc::new((0..MESSAGES).map(|_| AtomicUsize::new(0)).collect());
    let left = Arc::new(AtomicUsize::new(MESSAGES));
    let published = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for seed in 0..16 {
        tasks.spawn(work(bus.clone(), queue.clone(), seed, Arc::clone(&seen), Arc::clone(&left)));
    }
    for _ in 0..PUBLISHERS {
        let (bus, queue, published) = (bus.clone(), queue.clone(), Arc::clone(&published));
        tasks.spawn(async move {
            loop {
                let number = published.fetch_add(1, Ordering::SeqCst);
                if number >= MESSAGES as u64 {
                    return;
                }
                while let Err(full) = bus.publish(&queue, one(number)).await {
                    assert!(matches!(full, Error::Full { .. }), "{full}");
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    while let Some(joined) = tasks.join_next().await {
        joined.unwrap();
    }
    assert!(seen.iter().all(|acked| acked.load(Ordering::SeqCst) == 1));
}

/// Without anybody putting anything back, nothing is delivered twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stress_nothing_is_delivered_twice() {
    const MESSAGES: usize = 20_000;
    let bus = MemoryBus::new();
    let queue = queue(&bus, MESSAGES).await;
    let seen: Arc<Vec<AtomicUsize>> = Arc::new((0..MESSAGES).map(|_| AtomicUsize::new(0)).collect());
    let left = Arc::new(AtomicUsize::new(MESSAGES));
    let mut tasks = JoinSet::new();
    for prefetch in 1..9 {
        let (bus, queue, seen, left) = (bus.clone(), queue.clone(), Arc::clone(&seen), Arc::clone(&left));
        tasks.spawn(async move {
            let mut own = consumer(&bus, &queue, prefetch).await;
            while let Some(delivery) = own.next().await {
                assert!(!delivery.redelivered);
                assert_eq!(seen[id(&delivery) as usize].fetch_add(1, Ordering::SeqCst), 0, "delivered twice");
                delivery.ack().await.unwrap();
                if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    bus.delete(&queue).await.unwrap();
                }
            }
        });
    }
    for number in 0..MESSAGES as u64 {
        bus.publish(&queue, one(number)).await.unwrap();
        if number % 32 == 0 {
            tokio::task::yield_now().await;
        }
    }
    while let Some(joined) = tasks.join_next().await {
        joined.unwrap();
    }
}

/// `cargo test --release -- --ignored --nocapture costs` prints what publish, deliver and ack cost together.
#[tokio::test]
#[ignore = "a measurement"]
async fn costs() {
    const MESSAGES: u64 = 1_000_000;
    let bus = MemoryBus::new();
    let queue = queue(&bus, 10).await;
    let mut own = consumer(&bus, &queue, 1).await;
    let envelope = one(1);
    let start = tokio::time::Instant::now();
    for _ in 0..MESSAGES {
        bus.publish(&queue, envelope.clone()).await.unwrap();
        own.next().await.unwrap().ack().await.unwrap();
    }
    println!("{:?} a message", start.elapsed() / MESSAGES as u32);
}
