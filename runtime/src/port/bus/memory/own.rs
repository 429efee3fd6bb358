//! The consumer of a queue of its own.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::MemoryBus;
use super::queue::Queue;
use super::tap::Tap;
use crate::port::bus::{Delivery, Error, Source};

/// The one consumer of a queue; the queue goes with it.
#[derive(Debug)]
pub(super) struct Own {
    tap: Tap,
    bus: MemoryBus,
    queue: Arc<Queue>,
}

impl Own {
    pub(super) fn new(tap: Tap, bus: MemoryBus, queue: Arc<Queue>) -> Self {
        Self { tap, bus, queue }
    }
}

impl Source for Own {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        self.tap.next()
    }

    fn cancel(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(async move {
            drop(self);
            Ok(())
        })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.bus.remove(&self.queue);
    }
}
