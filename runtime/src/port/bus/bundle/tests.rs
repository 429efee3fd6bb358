//! What goes together, what does not, and what becomes of it when something in between is lost.

use super::*;
use crate::port::bus::Delivery;
use crate::port::bus::conformance;
use crate::port::bus::fault::{Fault, FaultyBus, Operation};
use crate::port::bus::memory::MemoryBus;
use bytes::Bytes;
use futures::future::join_all;
use futures::{pin_mut, poll};
use std::task::Poll;

const MANY: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();
const AHEAD: NonZeroU16 = NonZeroU16::new(100).unwrap();

fn message(id: impl ToString, body: impl Into<Bytes>) -> Envelope {
    Envelope::new(id.to_string(), "test", "one", body).with(|head| head.reply_to = QueueName::node("one").ok())
}

/// A bus with faults, one that bundles, and the consumer of a node.
async fn bus() -> (FaultyBus, Bundles, QueueName, Consumer) {
    let faulty = FaultyBus::new(Arc::new(MemoryBus::new()));
    let bundles = Bundles::new(Arc::new(faulty.clone()));
    let queue = QueueName::node("two").unwrap();
    let consumer = bundles.consume_own(&queue, MANY, AHEAD).await.unwrap();
    (faulty, bundles, queue, consumer)
}

/// Everything that comes before nothing does for a while.
async fn comes(consumer: &mut Consumer) -> Vec<Delivery> {
    let mut all = Vec::new();
    while let Ok(Some(delivery)) = timeout(Duration::from_secs(1), consumer.next()).await {
        all.push(delivery);
    }
    all
}

fn ids(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| &*delivery.envelope.head.id).collect()
}

async fn ack_all(deliveries: Vec<Delivery>) {
    for delivery in deliveries {
        delivery.ack().await.unwrap();
    }
}

#[tokio::test]
async fn it_is_a_bus() {
    conformance::all(&Bundles::new(Arc::new(MemoryBus::new()))).await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_one_is_under_way_goes_in_one_message() {
    let (faulty, bus, queue, mut consumer) = bus().await;
    faulty.faults().script(Operation::Publish, "*", [Fault::Slow(Duration::from_millis(100))]);
    let sent: Vec<Envelope> = (0..10).map(|n| message(n, vec![b'x'; n])).collect();
    let results = join_all(sent.iter().map(|envelope| bus.publish(&queue, envelope.clone()))).await;
    assert_eq!(results, vec![Ok(()); 10]);
    assert_eq!(faulty.faults().begun(Operation::Publish), 2);
    let came = comes(&mut consumer).await;
    let envelopes: Vec<Envelope> = came.iter().map(|delivery| delivery.envelope.clone()).collect();
    assert_eq!(envelopes, sent, "each is whole");
    ack_all(came).await;
    assert_eq!(faulty.faults().begun(Operation::Ack), 2);
    assert!(bus.lines.lock().is_empty(), "nothing is kept");
    // One after the other they go as they are.
    for envelope in &sent {
        bus.publish(&queue, envelope.clone()).await.unwrap();
    }
    assert_eq!(faulty.faults().begun(Operation::Publish), 12);
    assert_eq!(comes(&mut consumer).await.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_bundle_has_its_limits_and_what_is_large_goes_alone() {
    let (faulty, bus, queue, mut consumer) = bus().await;
    let fly = async |bodies: &[usize]| {
        faulty.faults().script(Operation::Publish, "*", [Fault::Slow(Duration::from_millis(100))]);
        let before = faulty.faults().begun(Operation::Publish);
        let all = bodies.iter().map(|bytes| bus.publish(&queue, message("m", vec![0; *bytes])));
        assert!(join_all(all).await.iter().all(Result::is_ok));
        faulty.faults().begun(Operation::Publish) - before
    };
    assert_eq!(fly(&[0; 1 + PARTS_MAX]).await, 2);
    assert_eq!(fly(&[0; 2 + PARTS_MAX]).await, 3);
    // 31 KiB eight times are 248 KiB.
    assert_eq!(fly(&[31 << 10; 1 + 8]).await, 2);
    assert_eq!(fly(&[31 << 10; 1 + 9]).await, 3);
    assert_eq!(fly(&[0, LARGE, LARGE]).await, 3);
    ack_all(comes(&mut consumer).await).await;
    // Those that several share are left as they are.
    let shared = QueueName::agent_tasks("a").unwrap();
    bus.declare(&shared, MANY).await.unwrap();
    let before = faulty.faults().begun(Operation::Publish);
    join_all((0..5).map(|n| bus.publish(&shared, message(n, "")))).await;
    assert_eq!(faulty.faults().begun(Operation::Publish) - before, 5);
}

#[tokio::test(start_paused = true)]
async fn all_that_go_together_are_told_the_same() {
    let (faulty, bus, queue, consumer) = bus().await;
    faulty.faults().script(Operation::Publish, "*", [Fault::Slow(Duration::from_millis(100)), Fault::LoseRequest]);
    let results = join_all((0..4).map(|n| bus.publish(&queue, message(n, "")))).await;
    assert_eq!(results[0], Ok(()));
    assert!(results[1..].iter().all(|result| matches!(result, Err(Error::Unclear { .. }))), "{results:?}");
    drop(consumer);
    let results = join_all((0..4).map(|n| bus.publish(&queue, message(n, "")))).await;
    assert_eq!(results, vec![Err(Error::Unroutable { queue }); 4]);
}

/// Whoever is to send may go away, whenever that is: the others are sent, or hear that it is not clear.
#[tokio::test(start_paused = true)]
async fn a_sender_that_goes_away_leaves_nobody_waiting() {
    for hasty in 0..4 {
        let (faulty, bus, queue, mut consumer) = bus().await;
        let slow = Fault::Slow(Duration::from_millis(100));
        faulty.faults().script(Operation::Publish, "*", [slow, slow, slow]);
        let sending: Vec<_> = (0..4).map(|n| bus.publish(&queue, message(n, ""))).collect();
        let mut sending: Vec<_> = sending.into_iter().map(|sending| Some(Box::pin(sending))).collect();
        for one in sending.iter_mut().flatten() {
            assert!(poll!(one).is_pending());
        }
        if hasty == 3 {
            // In the middle of its turn, with the others' messages in hand.
            tokio::time::advance(Duration::from_millis(150)).await;
            let mut first = sending[0].take().unwrap();
            assert_eq!(poll!(&mut first), Poll::Ready(Ok(())));
            assert!(poll!(sending[1].as_mut().unwrap()).is_pending());
            sending[1] = None;
        } else {
            sending[hasty] = None;
        }
        let rest = sending.into_iter().flatten().map(|sending| timeout(Duration::from_secs(5), sending));
        let results: Vec<_> = join_all(rest).await.into_iter().map(|result| result.expect("an answer")).collect();
        if hasty < 3 {
            assert_eq!(results, vec![Ok(()); 3], "{hasty}");
            let came = comes(&mut consumer).await;
            assert!(came.len() >= 3, "{hasty}: {:?}", ids(&came));
        } else {
            assert!(results.iter().all(|result| matches!(result, Err(Error::Unclear { .. }))), "{results:?}");
        }
        assert!(bus.lines.lock().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_long_for_a_confirm() {
    let (faulty, bus, queue, mut consumer) = bus().await;
    faulty.faults().script(Operation::Publish, "*", [Fault::Hang]);
    let stuck = bus.publish(&queue, message("stuck", ""));
    pin_mut!(stuck);
    assert!(poll!(&mut stuck).is_pending());
    let other = bus.publish(&queue, message("other", ""));
    pin_mut!(other);
    assert!(poll!(&mut other).is_pending());
    tokio::time::advance(SLOW).await;
    assert!(poll!(&mut stuck).is_pending());
    timeout(SLOW, other).await.expect("it goes beside").unwrap();
    assert_eq!(ids(&comes(&mut consumer).await), ["other"]);
}

/// Of a bundle of which one part is dropped all parts come again; until each is settled it stays with its receiver.
#[tokio::test(start_paused = true)]
async fn a_part_that_is_not_settled_comes_back_with_its_bundle() {
    for requeue in [false, true] {
        let (faulty, bus, queue, mut consumer) = bus().await;
        faulty.faults().script(Operation::Publish, "*", [Fault::Slow(Duration::from_millis(100))]);
        join_all((0..4).map(|n| bus.publish(&queue, message(n, "")))).await;
        let mut came = comes(&mut consumer).await;
        assert_eq!(ids(&came), ["0", "1", "2", "3"]);
        let unwanted = came.remove(2);
        if requeue {
            unwanted.requeue().await.unwrap();
        } else {
            drop(unwanted);
        }
        assert!(comes(&mut consumer).await.is_empty());
        ack_all(came).await;
        let again = comes(&mut consumer).await;
        assert_eq!(ids(&again), ["1", "2", "3"]);
        assert!(again.iter().all(|delivery| delivery.redelivered));
        ack_all(again).await;
        assert!(comes(&mut consumer).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_is_unsettled_than_was_asked_for() {
    let (faulty, bus, ..) = bus().await;
    let queue = QueueName::node("three").unwrap();
    let mut consumer = bus.consume_own(&queue, MANY, NonZeroU16::new(3).unwrap()).await.unwrap();
    faulty.faults().script(Operation::Publish, "*", [Fault::Slow(Duration::from_millis(100))]);
    join_all((0..10).map(|n| bus.publish(&queue, message(n, "")))).await;
    for expected in [["0", "1", "2"], ["3", "4", "5"]] {
        let came = comes(&mut consumer).await;
        assert_eq!(ids(&came), expected);
        ack_all(came).await;
    }
}

/// Who sends what is no bundle does no harm: it is delivered as it is, and nothing of it is lost or comes for ever.
#[tokio::test(start_paused = true)]
async fn what_is_called_a_bundle_and_is_none_is_delivered_as_it_is() {
    let (faulty, _bus, queue, mut consumer) = bus().await;
    let good = frame::write([&message(1, "{}")].into_iter());
    for body in [Bytes::new(), Bytes::from_static(b"{}"), good.slice(..good.len() - 1), Bytes::from_static(&[0xff; 64])]
    {
        let envelope = Envelope::new("odd", BUNDLE, "stranger", body);
        faulty.publish(&queue, envelope.clone()).await.unwrap();
        let came = comes(&mut consumer).await;
        assert_eq!(came.iter().map(|delivery| &delivery.envelope).collect::<Vec<_>>(), [&envelope]);
        ack_all(came).await;
    }
}
