//! Breakers around what the nodes of a cluster share: bus, directory and store.
//!
//! A server that does not answer is not asked by everybody all the time: what would be sent is refused at once, which
//! nobody takes for done, and one call tries. There is nothing that could be parked here. Who consumes or subscribes is not
//! held up: the connection below tries again by itself.

use super::machine::Heard;
use super::{Breaker, BreakerRules, Breakers};
use crate::port::bus::{self, Bus, Consumer, Envelope, QueueName, Subscription};
use crate::port::directory::{self, Ask, Directory, Entry, Lease, Release, Share};
use crate::port::store::{self, Create, Store};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long one of them is left alone: so much longer nothing goes when it is back.
const OPEN: Duration = Duration::from_secs(1);

impl Breakers {
    /// This store, behind a breaker.
    pub(crate) fn of_store(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Guarded { port: store, breaker: self.port("store", rules()) })
    }

    /// This directory, behind a breaker.
    pub(crate) fn of_directory(&self, directory: Arc<dyn Directory>) -> Arc<dyn Directory> {
        Arc::new(Guarded { port: directory, breaker: self.port("directory", rules()) })
    }

    /// This bus, behind a breaker.
    pub(crate) fn of_bus(&self, bus: Arc<dyn Bus>) -> Arc<dyn Bus> {
        Arc::new(Guarded { port: bus, breaker: self.port("bus", rules()) })
    }
}

fn rules() -> BreakerRules {
    BreakerRules::default().open(OPEN).ramp(Duration::ZERO)
}

/// A port behind a breaker.
struct Guarded<P: ?Sized> {
    port: Arc<P>,
    breaker: Arc<Breaker>,
}

/// What an error of a port says of its server.
trait Told: Sized {
    /// In which words it has failed; `None` if it has answered.
    fn failure(&self) -> Option<&str>;

    /// Nothing was asked.
    fn not_asked(reason: String) -> Self;
}

impl<P: ?Sized> Guarded<P> {
    /// Asks, if it may: a call that is made may have been sent, also if nobody has polled it.
    async fn ask<'a, T, E: Told>(&self, call: impl FnOnce() -> BoxFuture<'a, Result<T, E>> + Send) -> Result<T, E> {
        let Some(pass) = self.breaker.enter(None) else {
            let reason = self.breaker.reason(Instant::now()).map(|cause| cause.to_string());
            return Err(E::not_asked(reason.unwrap_or_else(|| "it has just failed".to_owned())));
        };
        let result = call().await;
        let failure = result.as_ref().err().and_then(Told::failure);
        pass.ended(failure.map_or(Heard::Well, |why| Heard::Failed(why.into())));
        result
    }
}

impl Told for store::Error {
    fn failure(&self) -> Option<&str> {
        let (Self::Refused { reason } | Self::Unclear { reason }) = self;
        Some(reason)
    }

    fn not_asked(reason: String) -> Self {
        Self::Refused { reason }
    }
}

impl Told for directory::Error {
    fn failure(&self) -> Option<&str> {
        let (Self::Refused { reason } | Self::Unclear { reason }) = self;
        Some(reason)
    }

    fn not_asked(reason: String) -> Self {
        Self::Refused { reason }
    }
}

impl Told for bus::Error {
    fn failure(&self) -> Option<&str> {
        match self {
            Self::Refused { reason } | Self::Unclear { reason } => Some(reason),
            Self::Unroutable { .. } | Self::Full { .. } | Self::Closed { .. } => None,
        }
    }

    fn not_asked(reason: String) -> Self {
        Self::Refused { reason }
    }
}

impl Store for Guarded<dyn Store> {
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, store::Error>> {
        self.ask(move || self.port.create(name, bytes)).boxed()
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, store::Error>> {
        self.ask(move || self.port.get(name)).boxed()
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, store::Error>> {
        self.ask(move || self.port.list(prefix, after)).boxed()
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), store::Error>> {
        self.ask(move || self.port.delete(name)).boxed()
    }
}

impl Directory for Guarded<dyn Directory> {
    fn put<'a>(
        &'a self,
        kind: &'a str,
        id: &'a str,
        value: Bytes,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), directory::Error>> {
        self.ask(move || self.port.put(kind, id, value, ttl)).boxed()
    }

    fn put_all<'a>(
        &'a self,
        kind: &'a str,
        entries: &'a [(String, Bytes)],
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), directory::Error>> {
        self.ask(move || self.port.put_all(kind, entries, ttl)).boxed()
    }

    fn remove<'a>(&'a self, kind: &'a str, id: &'a str) -> BoxFuture<'a, Result<(), directory::Error>> {
        self.ask(move || self.port.remove(kind, id)).boxed()
    }

    fn list<'a>(&'a self, kind: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, directory::Error>> {
        self.ask(move || self.port.list(kind)).boxed()
    }

    fn acquire<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Lease, directory::Error>> {
        self.ask(move || self.port.acquire(name, holder, ttl)).boxed()
    }

    fn renew<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Lease, directory::Error>> {
        self.ask(move || self.port.renew(name, holder, ttl)).boxed()
    }

    fn release<'a>(&'a self, name: &'a str, holder: &'a str) -> BoxFuture<'a, Result<Release, directory::Error>> {
        self.ask(move || self.port.release(name, holder)).boxed()
    }

    fn hold<'a>(
        &'a self,
        pool: &'a str,
        holder: &'a str,
        ask: Ask,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Share, directory::Error>> {
        self.ask(move || self.port.hold(pool, holder, ask, ttl)).boxed()
    }
}

impl Bus for Guarded<dyn Bus> {
    fn declare<'a>(
        &'a self,
        queue: &'a QueueName,
        messages_max: NonZeroUsize,
    ) -> BoxFuture<'a, Result<(), bus::Error>> {
        self.port.declare(queue, messages_max)
    }

    fn delete<'a>(&'a self, queue: &'a QueueName) -> BoxFuture<'a, Result<(), bus::Error>> {
        self.port.delete(queue)
    }

    fn publish<'a>(&'a self, queue: &'a QueueName, envelope: Envelope) -> BoxFuture<'a, Result<(), bus::Error>> {
        self.ask(move || self.port.publish(queue, envelope)).boxed()
    }

    fn consume<'a>(
        &'a self,
        queue: &'a QueueName,
        prefetch: NonZeroU16,
    ) -> BoxFuture<'a, Result<Consumer, bus::Error>> {
        self.port.consume(queue, prefetch)
    }

    fn consume_own<'a>(
        &'a self,
        queue: &'a QueueName,
        messages_max: NonZeroUsize,
        prefetch: NonZeroU16,
    ) -> BoxFuture<'a, Result<Consumer, bus::Error>> {
        self.port.consume_own(queue, messages_max, prefetch)
    }

    fn broadcast(&self, envelope: Envelope) -> BoxFuture<'_, Result<(), bus::Error>> {
        self.ask(move || self.port.broadcast(envelope)).boxed()
    }

    fn subscribe(&self) -> BoxFuture<'_, Result<Subscription, bus::Error>> {
        self.port.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::super::gate::Way;
    use super::*;
    use crate::breaches::Breaches;
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A store that has sent what it is asked for before anybody polls.
    #[derive(Default)]
    struct Eager(AtomicUsize);

    impl Eager {
        fn sends<T: Send + 'static>(&self, answer: T) -> BoxFuture<'static, Result<T, store::Error>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            futures::future::ok(answer).boxed()
        }
    }

    impl Store for Eager {
        fn create<'a>(&'a self, _: &'a str, _: Bytes) -> BoxFuture<'a, Result<Create, store::Error>> {
            self.sends(Create::Created)
        }

        fn get<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, store::Error>> {
            self.sends(None)
        }

        fn list<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Vec<String>, store::Error>> {
            self.sends(Vec::new())
        }

        fn delete<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), store::Error>> {
            self.sends(())
        }
    }

    /// "Refused" means that nothing was done and nothing will be.
    #[tokio::test(start_paused = true)]
    async fn what_an_open_breaker_refuses_was_not_sent() {
        let breakers = Breakers::new(BreakerRules::default(), BTreeMap::new(), Breaches::default());
        let eager = Arc::new(Eager::default());
        let store = breakers.of_store(eager.clone());
        assert!(matches!(store.create("a", Bytes::new()).await, Ok(Create::Created)));
        breakers.port("store", rules()).gate.set(1, Way::Shut, 0);
        assert!(matches!(store.create("a", Bytes::new()).await, Err(store::Error::Refused { .. })));
        assert!(
            store.get("a").await.is_err() && store.list("a", "").await.is_err() && store.delete("a").await.is_err()
        );
        assert_eq!(eager.0.load(Ordering::Relaxed), 1);
    }
}
