//! The receiving side: bundles are taken apart.

use super::{BUNDLE, frame};
use crate::port::bus::{Consumer, Delivery, Envelope, Error, Settle, Source};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Takes bundles apart. What cannot be taken apart is delivered as it is.
pub(super) struct Apart {
    of: Consumer,
    /// What has come and is not delivered yet.
    parts: VecDeque<(Envelope, Part)>,
    /// For deliveries that are not settled.
    room: Arc<Semaphore>,
}

/// What has come in one message. It is settled with the last of its parts, and comes back as a whole: whoever has had a part of
/// it knows that by its id.
struct Whole {
    delivery: Mutex<Delivery>,
    /// One of its parts is to come back.
    comes_back: AtomicBool,
}

/// What settles one part. Dropped, it wants to come back.
struct Part {
    whole: Option<Arc<Whole>>,
    room: Option<OwnedSemaphorePermit>,
}

impl Apart {
    pub(super) fn new(of: Consumer, prefetch: NonZeroU16) -> Self {
        Self { of, parts: VecDeque::new(), room: Arc::new(Semaphore::new(prefetch.get().into())) }
    }

    fn take(&mut self, delivery: Delivery) {
        let envelope = delivery.envelope.clone();
        let parts = match &*envelope.head.kind {
            BUNDLE => frame::read(envelope.body.clone()).unwrap_or_default(),
            _ => Vec::new(),
        };
        let parts = if parts.is_empty() { vec![envelope] } else { parts };
        let whole = Arc::new(Whole { delivery: Mutex::new(delivery), comes_back: AtomicBool::new(false) });
        let part = |envelope| (envelope, Part { whole: Some(whole.clone()), room: None });
        self.parts.extend(parts.into_iter().map(part));
    }
}

impl Source for Apart {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        async move {
            while self.parts.is_empty() {
                let delivery = self.of.next().await?;
                self.take(delivery);
            }
            let room = self.room.clone().acquire_owned().await.ok()?;
            let (envelope, mut part) = self.parts.pop_front()?;
            part.room = Some(room);
            let redelivered = part.whole.as_ref().is_some_and(|whole| whole.is_redelivered());
            Some(Delivery::new(envelope, redelivered, Box::new(part)))
        }
        .boxed()
    }

    fn cancel(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        let Self { of, parts, .. } = *self;
        drop(parts);
        of.cancel().boxed()
    }
}

impl Whole {
    fn is_redelivered(&self) -> bool {
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner).redelivered
    }

    /// The delivery, if this was the last part of it, and whether all of them are done with.
    fn end(self: Arc<Self>) -> Option<(Delivery, bool)> {
        let Self { delivery, comes_back } = Arc::into_inner(self)?;
        Some((delivery.into_inner().unwrap_or_else(PoisonError::into_inner), !comes_back.into_inner()))
    }
}

impl Settle for Part {
    fn ack(mut self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        let ended = self.whole.take().and_then(Whole::end);
        async move {
            let _room = self.room.take();
            match ended {
                Some((delivery, true)) => delivery.ack().await,
                Some((delivery, false)) => delivery.requeue().await,
                None => Ok(()),
            }
        }
        .boxed()
    }

    fn requeue(mut self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        let whole = self.whole.take();
        whole.iter().for_each(|whole| whole.comes_back.store(true, Ordering::Release));
        let ended = whole.and_then(Whole::end);
        async move {
            let _room = self.room.take();
            match ended {
                Some((delivery, _)) => delivery.requeue().await,
                None => Ok(()),
            }
        }
        .boxed()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(whole) = &self.whole {
            whole.comes_back.store(true, Ordering::Release);
        }
    }
}
