//! Consumers and subscriptions whose connection can be cut, and whose messages can be spoiled on their way.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use tokio::sync::Mutex as AsyncMutex;

use super::ends::End;
use super::settle::{Ghost, wrap};
use super::{FaultyBus, Operation};
use crate::port::bus::{Consumer, Delivery, Envelope, Error, Listen, Source, Subscription};
use crate::port::fault::{Fault, Unanswered, Up, pause};

/// What a receiver is fed by: a consumer or a subscription of the shared bus.
pub(super) trait Stream: Send + 'static {
    /// A message as it comes.
    type Item: Send + 'static;

    /// The way of a message to us.
    const ARRIVAL: Operation;

    /// The next message. Cancel-safe.
    fn next(&mut self) -> BoxFuture<'_, Option<Self::Item>>;

    /// The name of a message that came from `queue`.
    fn name<'a>(queue: &'a str, item: &'a Self::Item) -> &'a str;

    /// Makes sure that the message never comes again.
    fn forget(item: Self::Item) -> BoxFuture<'static, ()>;

    /// The same message once more.
    fn again(item: &Self::Item) -> Self::Item;
}

impl Stream for Consumer {
    type Item = Delivery;

    const ARRIVAL: Operation = Operation::Deliver;

    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        Consumer::next(self).boxed()
    }

    fn name<'a>(queue: &'a str, _: &'a Delivery) -> &'a str {
        queue
    }

    fn forget(item: Delivery) -> BoxFuture<'static, ()> {
        item.ack().map(drop).boxed()
    }

    fn again(item: &Delivery) -> Delivery {
        Delivery::new(item.envelope.clone(), true, Box::new(Ghost))
    }
}

impl Stream for Subscription {
    type Item = Envelope;

    const ARRIVAL: Operation = Operation::Hear;

    fn next(&mut self) -> BoxFuture<'_, Option<Envelope>> {
        Subscription::next(self).boxed()
    }

    fn name<'a>(_: &'a str, item: &'a Envelope) -> &'a str {
        &item.head.kind
    }

    fn forget(_: Envelope) -> BoxFuture<'static, ()> {
        futures::future::ready(()).boxed()
    }

    fn again(item: &Envelope) -> Envelope {
        item.clone()
    }
}

/// A consumer or a subscription of one node.
pub(super) struct Receiver<S: Stream> {
    bus: FaultyBus,
    up: Up,
    queue: String,
    feed: Arc<Feed<S>>,
    number: u64,
    /// What has arrived and is still to be handed over: one message, or one and its copy.
    ahead: VecDeque<S::Item>,
    /// What is waited for before that.
    wait: Option<BoxFuture<'static, ()>>,
}

impl<S: Stream> Receiver<S> {
    /// Receives from `stream` until the connection `up` is over, which it may be already.
    pub(super) fn start(bus: &FaultyBus, up: Up, queue: String, stream: S) -> Result<Self, Error> {
        let feed = Arc::new(Feed::new(stream));
        match bus.0.receiving.add(&up, feed.clone()) {
            Some(number) => Ok(Self { bus: bus.clone(), up, queue, feed, number, ahead: VecDeque::new(), wait: None }),
            None => Err(Error::unclear("the connection was cut".to_owned())),
        }
    }

    async fn receive(&mut self) -> Option<S::Item> {
        let up = self.up.clone();
        up.guard(self.arrive()).await.flatten()
    }

    /// Cancel-safe: what has been taken from the feed is kept until it is handed over.
    async fn arrive(&mut self) -> Option<S::Item> {
        loop {
            if let Some(wait) = &mut self.wait {
                wait.await;
                self.wait = None;
            }
            if let Some(item) = self.ahead.pop_front() {
                return Some(item);
            }
            let item = self.feed.next().await?;
            let name = S::name(&self.queue, &item);
            let faults = self.bus.faults();
            let drawn = faults.draw(S::ARRIVAL, name);
            let mut delay = drawn.request_delay + drawn.answer_delay;
            match drawn.fault {
                Fault::Forget => {
                    S::forget(item).await;
                    continue;
                }
                Fault::Duplicate => self.ahead.push_back(S::again(&item)),
                Fault::Hang => self.wait = Some(faults.clone().hold(S::ARRIVAL, name.to_owned()).boxed()),
                Fault::Slow(by) => delay += by,
                fault => self.bus.upset(fault),
            }
            if self.up.is_over() {
                return None;
            }
            if !delay.is_zero() && self.wait.is_none() {
                self.wait = Some(pause(delay).boxed());
            }
            self.ahead.push_front(item);
        }
    }
}

impl<S: Stream> Drop for Receiver<S> {
    fn drop(&mut self) {
        self.bus.0.receiving.remove(self.number);
    }
}

impl Source for Receiver<Consumer> {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        async move {
            let delivery = self.receive().await?;
            wrap(&self.bus, &self.up, &self.queue, delivery)
        }
        .boxed()
    }

    fn cancel(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        async move {
            match self.feed.end() {
                Some(consumer) => consumer.cancel().await,
                None => Err(Error::Closed { reason: format!("the connection was cut: {}", self.queue) }),
            }
        }
        .boxed()
    }
}

impl Listen for Receiver<Subscription> {
    fn next(&mut self) -> BoxFuture<'_, Option<Envelope>> {
        self.receive().boxed()
    }
}

/// A stream of the shared bus that can be taken away from whoever waits for it.
struct Feed<S: Stream>(Mutex<Option<Fed<S>>>);

struct Fed<S: Stream> {
    /// Locked while `wait` waits, so never contended.
    stream: Arc<AsyncMutex<S>>,
    /// The wait for the next message, kept here and not by who waits, so that it can be ended together with its stream.
    wait: Option<BoxFuture<'static, Option<S::Item>>>,
}

impl<S: Stream> Feed<S> {
    fn new(stream: S) -> Self {
        Self(Mutex::new(Some(Fed { stream: Arc::new(AsyncMutex::new(stream)), wait: None })))
    }

    /// The next message, or `None` when the stream has ended or was taken away. Cancel-safe.
    async fn next(&self) -> Option<S::Item> {
        let _over = Over(self);
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut fed = self.lock();
        let Some(Fed { stream, wait }) = fed.as_mut() else {
            return Poll::Ready(None);
        };
        let waiting = wait.get_or_insert_with(|| {
            let stream = Arc::clone(stream);
            async move { stream.lock_owned().await.next().await }.boxed()
        });
        let item = ready!(waiting.poll_unpin(cx));
        *wait = None;
        Poll::Ready(item)
    }

    /// Takes the stream away; `None` if that was done before.
    fn end(&self) -> Option<S> {
        let Fed { stream, wait } = self.lock().take()?;
        drop(wait);
        // Only the wait had another share in it.
        Arc::into_inner(stream).map(AsyncMutex::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Fed<S>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Stream> End for Feed<S> {
    fn sever(&self) {
        drop(self.end());
    }
}

/// Gives back what was set aside for a wait that is over.
struct Over<'a, S: Stream>(&'a Feed<S>);

impl<S: Stream> Drop for Over<'_, S> {
    fn drop(&mut self) {
        let wait = self.0.lock().as_mut().and_then(|fed| fed.wait.take());
        drop(wait);
    }
}

/// A consumer or a subscription that nobody feeds.
pub(super) struct Silent;

impl Source for Silent {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        pending().boxed()
    }

    fn cancel(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        futures::future::ready(Ok(())).boxed()
    }
}

impl Listen for Silent {
    fn next(&mut self) -> BoxFuture<'_, Option<Envelope>> {
        pending().boxed()
    }
}
