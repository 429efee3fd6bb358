//! Store, bus and directory, measured: how long each operation takes, what comes of it, and which messages pass.
//!
//! What is measured is what a server is asked: a breaker goes around this, and what it refuses is not counted.

use super::meters::type_of;
use super::{Meters, PORT_DURATION, PORT_ERRORS};
use crate::port::bus::{self, Bus, Consumer, Delivery, Envelope, Listen, QueueName, Source, Subscription};
use crate::port::directory::{self, Ask, Directory, Entry, Lease, Release, Share};
use crate::port::store::{self, Create, Store};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use metrics::{Histogram, counter, histogram};
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

impl Meters {
    /// This store, measured.
    pub(crate) fn of_store(store: Arc<dyn Store>) -> Arc<dyn Store> {
        let operation = |name| Operation::new("store", name);
        let operations = ["create", "get", "list", "delete"].map(operation);
        Arc::new(MeasuredStore { store, operations })
    }

    /// This directory, measured.
    pub(crate) fn of_directory(directory: Arc<dyn Directory>) -> Arc<dyn Directory> {
        let operation = |name| Operation::new("directory", name);
        let all = ["put", "put_all", "remove", "list", "acquire", "renew", "release", "hold"];
        Arc::new(MeasuredDirectory { directory, operations: all.map(operation) })
    }

    /// This bus, measured.
    pub(crate) fn of_bus(self: &Arc<Self>, bus: Arc<dyn Bus>) -> Arc<dyn Bus> {
        let operation = |name| Operation::new("bus", name);
        let all = ["declare", "delete", "publish", "consume", "consume_own", "broadcast", "subscribe"];
        Arc::new(MeasuredBus { bus, operations: all.map(operation), meters: self.clone() })
    }
}

/// One operation of a port.
struct Operation {
    port: &'static str,
    name: &'static str,
    took: Histogram,
}

impl Operation {
    fn new(port: &'static str, name: &'static str) -> Self {
        Self { port, name, took: histogram!(PORT_DURATION, "port" => port, "operation" => name) }
    }

    async fn measure<T, E: Reason>(&self, call: BoxFuture<'_, Result<T, E>>) -> Result<T, E> {
        let began = Instant::now();
        let result = call.await;
        self.took.record(began.elapsed());
        if let Err(error) = &result {
            let labels = [("port", self.port), ("operation", self.name), ("reason", error.reason())];
            counter!(PORT_ERRORS, &labels).increment(1);
        }
        result
    }
}

/// What an error is, in one word.
trait Reason {
    fn reason(&self) -> &'static str;
}

impl Reason for store::Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Unclear { .. } => "unclear",
        }
    }
}

impl Reason for directory::Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Unclear { .. } => "unclear",
        }
    }
}

impl Reason for bus::Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Unroutable { .. } => "unroutable",
            Self::Full { .. } => "full",
            Self::Refused { .. } => "refused",
            Self::Unclear { .. } => "unclear",
            Self::Closed { .. } => "closed",
        }
    }
}

struct MeasuredStore {
    store: Arc<dyn Store>,
    operations: [Operation; 4],
}

impl Store for MeasuredStore {
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, store::Error>> {
        let [create, ..] = &self.operations;
        create.measure(self.store.create(name, bytes)).boxed()
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, store::Error>> {
        let [_, get, ..] = &self.operations;
        get.measure(self.store.get(name)).boxed()
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, store::Error>> {
        let [_, _, list, _] = &self.operations;
        list.measure(self.store.list(prefix, after)).boxed()
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), store::Error>> {
        let [.., delete] = &self.operations;
        delete.measure(self.store.delete(name)).boxed()
    }
}

struct MeasuredDirectory {
    directory: Arc<dyn Directory>,
    operations: [Operation; 8],
}

impl Directory for MeasuredDirectory {
    fn put<'a>(
        &'a self,
        kind: &'a str,
        id: &'a str,
        value: Bytes,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), directory::Error>> {
        self.operations[0].measure(self.directory.put(kind, id, value, ttl)).boxed()
    }

    fn put_all<'a>(
        &'a self,
        kind: &'a str,
        entries: &'a [(String, Bytes)],
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), directory::Error>> {
        self.operations[1].measure(self.directory.put_all(kind, entries, ttl)).boxed()
    }

    fn remove<'a>(&'a self, kind: &'a str, id: &'a str) -> BoxFuture<'a, Result<(), directory::Error>> {
        self.operations[2].measure(self.directory.remove(kind, id)).boxed()
    }

    fn list<'a>(&'a self, kind: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, directory::Error>> {
        self.operations[3].measure(self.directory.list(kind)).boxed()
    }

    fn acquire<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Lease, directory::Error>> {
        self.operations[4].measure(self.directory.acquire(name, holder, ttl)).boxed()
    }

    fn renew<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Lease, directory::Error>> {
        self.operations[5].measure(self.directory.renew(name, holder, ttl)).boxed()
    }

    fn release<'a>(&'a self, name: &'a str, holder: &'a str) -> BoxFuture<'a, Result<Release, directory::Error>> {
        self.operations[6].measure(self.directory.release(name, holder)).boxed()
    }

    fn hold<'a>(
        &'a self,
        pool: &'a str,
        holder: &'a str,
        ask: Ask,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Share, directory::Error>> {
        self.operations[7].measure(self.directory.hold(pool, holder, ask, ttl)).boxed()
    }
}

struct MeasuredBus {
    bus: Arc<dyn Bus>,
    operations: [Operation; 7],
    meters: Arc<Meters>,
}

impl MeasuredBus {
    /// Measures what sends a message, and counts it if it was taken.
    async fn send(
        &self,
        operation: &Operation,
        of: usize,
        call: BoxFuture<'_, Result<(), bus::Error>>,
    ) -> Result<(), bus::Error> {
        let result = operation.measure(call).await;
        if result.is_ok() {
            self.meters.sent(of);
        }
        result
    }

    fn counted(&self, consumer: Consumer) -> Consumer {
        Consumer::new(Box::new(Counted { of: consumer, meters: self.meters.clone() }))
    }
}

impl Bus for MeasuredBus {
    fn declare<'a>(
        &'a self,
        queue: &'a QueueName,
        messages_max: NonZeroUsize,
    ) -> BoxFuture<'a, Result<(), bus::Error>> {
        self.operations[0].measure(self.bus.declare(queue, messages_max)).boxed()
    }

    fn delete<'a>(&'a self, queue: &'a QueueName) -> BoxFuture<'a, Result<(), bus::Error>> {
        self.operations[1].measure(self.bus.delete(queue)).boxed()
    }

    fn publish<'a>(&'a self, queue: &'a QueueName, envelope: Envelope) -> BoxFuture<'a, Result<(), bus::Error>> {
        let of = type_of(&envelope.head.kind);
        self.send(&self.operations[2], of, self.bus.publish(queue, envelope)).boxed()
    }

    fn consume<'a>(
        &'a self,
        queue: &'a QueueName,
        prefetch: NonZeroU16,
    ) -> BoxFuture<'a, Result<Consumer, bus::Error>> {
        let consumer = self.operations[3].measure(self.bus.consume(queue, prefetch));
        async move { Ok(self.counted(consumer.await?)) }.boxed()
    }

    fn consume_own<'a>(
        &'a self,
        queue: &'a QueueName,
        messages_max: NonZeroUsize,
        prefetch: NonZeroU16,
    ) -> BoxFuture<'a, Result<Consumer, bus::Error>> {
        let consumer = self.operations[4].measure(self.bus.consume_own(queue, messages_max, prefetch));
        async move { Ok(self.counted(consumer.await?)) }.boxed()
    }

    fn broadcast(&self, envelope: Envelope) -> BoxFuture<'_, Result<(), bus::Error>> {
        let of = type_of(&envelope.head.kind);
        self.send(&self.operations[5], of, self.bus.broadcast(envelope)).boxed()
    }

    fn subscribe(&self) -> BoxFuture<'_, Result<Subscription, bus::Error>> {
        let subscription = self.operations[6].measure(self.bus.subscribe());
        async move {
            let counted = Counted { of: subscription.await?, meters: self.meters.clone() };
            Ok(Subscription::new(Box::new(counted)))
        }
        .boxed()
    }
}

/// A receiver whose messages are counted.
struct Counted<R> {
    of: R,
    meters: Arc<Meters>,
}

impl Source for Counted<Consumer> {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        async move {
            let delivery = self.of.next().await?;
            self.meters.received(&delivery.envelope.head.kind);
            Some(delivery)
        }
        .boxed()
    }

    fn cancel(self: Box<Self>) -> BoxFuture<'static, Result<(), bus::Error>> {
        self.of.cancel().boxed()
    }
}

impl Listen for Counted<Subscription> {
    fn next(&mut self) -> BoxFuture<'_, Option<Envelope>> {
        async move {
            let envelope = self.of.next().await?;
            self.meters.received(&envelope.head.kind);
            Some(envelope)
        }
        .boxed()
    }
}
