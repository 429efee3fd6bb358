//! A consumer's end of a queue in memory, and its deliveries.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;

use super::queue::{Queue, Settled, Taken};
use crate::port::bus::{Delivery, Error, Settle, Source};

/// One consumer's end of a queue.
#[derive(Debug)]
pub(super) struct Tap {
    queue: Arc<Queue>,
    id: u64,
    /// Cancelled: what it has taken stays out when it is dropped.
    cancelled: bool,
}

impl Tap {
    pub(super) fn new(queue: Arc<Queue>, id: u64) -> Self {
        Self { queue, id, cancelled: false }
    }

    fn delivery(&self, Taken { item, tag }: Taken) -> Delivery {
        let held = Held { queue: Arc::clone(&self.queue), id: self.id, tag, settled: false };
        Delivery::new(item.envelope, item.redelivered, Box::new(held))
    }
}

impl Source for Tap {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        Box::pin(Next { tap: self })
    }

    fn cancel(mut self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(async move {
            self.cancelled = true;
            self.queue.cancel(self.id);
            Ok(())
        })
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if !self.cancelled {
            self.queue.leave(self.id);
        }
    }
}

/// The wait of one consumer; dropping it gives back what was set aside.
struct Next<'a> {
    tap: &'a Tap,
}

impl Future for Next<'_> {
    type Output = Option<Delivery>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let tap = self.tap;
        tap.queue.poll_take(tap.id, cx).map(|taken| taken.map(|taken| tap.delivery(taken)))
    }
}

impl Drop for Next<'_> {
    fn drop(&mut self) {
        self.tap.queue.stop_waiting(self.tap.id);
    }
}

/// A delivery that is out.
struct Held {
    queue: Arc<Queue>,
    id: u64,
    tag: u64,
    settled: bool,
}

impl Held {
    fn settle(&mut self, how: Settled) -> Result<(), Error> {
        self.settled = true;
        self.queue.settle(self.id, self.tag, how)
    }
}

impl Settle for Held {
    fn ack(mut self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(async move { self.settle(Settled::Acked) })
    }

    fn requeue(mut self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(async move { self.settle(Settled::Back) })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.settled {
            // Where the queue or the consumer is gone there is nothing left to put back.
            let _gone = self.settle(Settled::Back);
        }
    }
}
