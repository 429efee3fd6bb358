//! The bus under many orders in which its locks can be come to.

use super::{id, one, queue};
use crate::port::bus::memory::MemoryBus;
use crate::port::bus::{Bus, Error, QueueName};
use crate::sync::schedules::{check, others_go_on};
use futures::FutureExt;
use shuttle::future::{block_on, spawn};
use shuttle::rand::{Rng, thread_rng};
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How often a consumer puts a message back, in one way or another, before it takes what comes.
const WHIMS: usize = 3;

/// Takes messages until the queue is deleted, which the last one does; before that it is moody.
async fn work(bus: MemoryBus, queue: QueueName, acked: Arc<[AtomicUsize]>) {
    let prefetch = NonZeroU16::new(thread_rng().gen_range(1..3)).unwrap();
    let mut whims = WHIMS;
    let Ok(mut own) = bus.consume(&queue, prefetch).await else { return };
    loop {
        let mood = if whims > 0 { thread_rng().gen_range(0..6) } else { 5 };
        if mood < 5 {
            whims -= 1;
        }
        if mood == 0 {
            // A wait that is given up, perhaps just when a message came: it is set aside for the next.
            let mut wait = own.next().boxed();
            let delivery = (&mut wait).now_or_never();
            others_go_on();
            drop(wait);
            drop(delivery);
            continue;
        }
        let Some(delivery) = own.next().await else { return };
        match mood {
            1 => drop(delivery),
            2 => drop(delivery.requeue().await),
            3 => {
                // The queue may be gone, if somebody else has the last message.
                let Ok(next) = bus.consume(&queue, NonZeroU16::MIN).await else { return };
                own = next;
                drop(delivery);
            }
            4 => {
                own.cancel().await.unwrap();
                let number = id(&delivery) as usize;
                delivery.ack().await.unwrap();
                done(&bus, &queue, &acked, number).await;
                let Ok(next) = bus.consume(&queue, NonZeroU16::MIN).await else { return };
                own = next;
            }
            _ => {
                let number = id(&delivery) as usize;
                delivery.ack().await.unwrap();
                done(&bus, &queue, &acked, number).await;
            }
        }
    }
}

async fn done(bus: &MemoryBus, queue: &QueueName, acked: &[AtomicUsize], number: usize) {
    assert_eq!(acked[number].fetch_add(1, Ordering::SeqCst), 0, "acked twice: {number}");
    if acked.iter().all(|acked| acked.load(Ordering::SeqCst) == 1) {
        bus.delete(queue).await.unwrap();
    }
}

#[test]
fn every_message_is_acked_once_in_any_order() {
    const MESSAGES: usize = 4;
    check(|| {
        let bus = MemoryBus::new();
        let queue = block_on(queue(&bus, 2));
        let acked: Arc<[AtomicUsize]> = (0..MESSAGES).map(|_| AtomicUsize::new(0)).collect();
        let mut tasks: Vec<_> = (0..3).map(|_| spawn(work(bus.clone(), queue.clone(), Arc::clone(&acked)))).collect();
        for first in [0, MESSAGES / 2] {
            let (bus, queue) = (bus.clone(), queue.clone());
            tasks.push(spawn(async move {
                for number in first..first + MESSAGES / 2 {
                    while let Err(full) = bus.publish(&queue, one(number as u64)).await {
                        assert!(matches!(full, Error::Full { .. }), "{full}");
                        shuttle::future::yield_now().await;
                    }
                }
            }));
        }
        tasks.into_iter().for_each(|task| block_on(task).unwrap());
        assert!(acked.iter().all(|acked| acked.load(Ordering::SeqCst) == 1));
    });
}

#[test]
fn who_waits_hears_of_the_end_of_its_queue_in_any_order() {
    check(|| {
        let bus = MemoryBus::new();
        let queue = QueueName::node("n1").unwrap();
        let (messages, prefetch) = (NonZeroUsize::new(2).unwrap(), NonZeroU16::MIN);
        let mut own = block_on(bus.consume_own(&queue, messages, prefetch)).unwrap();
        let waits = spawn(async move {
            while let Some(delivery) = own.next().await {
                let _late = delivery.ack().await;
            }
        });
        let publishes = {
            let (bus, queue) = (bus.clone(), queue.clone());
            spawn(async move { (bus.publish(&queue, one(1)).await.is_ok(), bus.publish(&queue, one(2)).await.is_ok()) })
        };
        let wipes = {
            let bus = bus.clone();
            spawn(async move { bus.wipe() })
        };
        let succeeds = {
            let (bus, queue) = (bus.clone(), queue.clone());
            spawn(async move { bus.declare(&queue, messages).await.is_ok() })
        };
        block_on(async { (wipes.await.unwrap(), waits.await.unwrap()) });
        let (published, is_declared) = block_on(async { (publishes.await.unwrap(), succeeds.await.unwrap()) });
        // A queue that took the name after the wipe is another one: neither the wipe nor the old consumer ends it.
        assert!(bus.ready(&queue).is_some() == is_declared, "{published:?}");
    });
}
