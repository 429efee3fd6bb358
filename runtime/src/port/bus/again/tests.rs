//! What is given again, and what is not.

use super::*;
use crate::port::bus::fault::{Fault, FaultyBus, Operation};
use crate::port::bus::memory::MemoryBus;

const MANY: NonZeroUsize = NonZeroUsize::new(10).unwrap();

fn message(id: &str) -> Envelope {
    Envelope::new(id, "test", "one", "{}")
}

/// A bus with faults, one that gives again, and a queue.
async fn bus() -> (FaultyBus, Again, QueueName) {
    let faulty = FaultyBus::new(Arc::new(MemoryBus::new()));
    let queue = QueueName::capability("q").unwrap();
    faulty.declare(&queue, MANY).await.unwrap();
    (faulty.clone(), Again::new(Arc::new(faulty)), queue)
}

async fn waits(bus: &Again, queue: &QueueName) -> Vec<String> {
    let mut consumer = bus.consume(queue, NonZeroU16::new(10).unwrap()).await.unwrap();
    let mut ids = Vec::new();
    while let Ok(Some(delivery)) = tokio::time::timeout(Duration::from_secs(1), consumer.next()).await {
        ids.push(delivery.envelope.head.id.clone());
        delivery.ack().await.unwrap();
    }
    ids
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_three_times_is_taken_at_the_fourth() {
    let (faulty, bus, queue) = bus().await;
    faulty.faults().script(Operation::Publish, "*", [Fault::Refuse, Fault::Refuse, Fault::LoseRequest]);
    let began = Instant::now();
    bus.publish(&queue, message("1")).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_millis(350));
    assert_eq!(waits(&bus, &queue).await, ["1"]);
    faulty.faults().script(Operation::Broadcast, "*", [Fault::Refuse]);
    let mut ear = bus.subscribe().await.unwrap();
    bus.broadcast(message("2")).await.unwrap();
    assert_eq!(ear.next().await.unwrap().head.id, "2");
}

/// It may come twice, as on any bus, and is known by its id.
#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_is_not_taken_for_a_message_that_was() {
    let (faulty, bus, queue) = bus().await;
    faulty.faults().script(Operation::Publish, "*", [Fault::LoseAnswer]);
    bus.publish(&queue, message("1")).await.unwrap();
    assert_eq!(waits(&bus, &queue).await, ["1", "1"]);
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_is_told() {
    let (faulty, bus, queue) = bus().await;
    faulty.faults().script(Operation::Publish, "*", [Fault::Refuse; 4]);
    assert!(matches!(bus.publish(&queue, message("1")).await, Err(Error::Refused { .. })));
    assert_eq!(faulty.faults().injected(Fault::Refuse), 4);
    assert_eq!(waits(&bus, &queue).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_plain_no_is_an_answer() {
    let (_, bus, _) = bus().await;
    let nowhere = QueueName::capability("nowhere").unwrap();
    let began = Instant::now();
    assert_eq!(bus.publish(&nowhere, message("1")).await, Err(Error::Unroutable { queue: nowhere }));
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn it_keeps_the_contract_of_the_bus_that_it_gives_to() {
    crate::port::bus::conformance::all(&Again::new(Arc::new(MemoryBus::new()))).await;
}
