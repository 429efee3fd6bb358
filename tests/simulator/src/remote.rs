//! The ports of one process: everything they are asked for is done in the world.

use crate::world::{Link, World};
use bytes::Bytes;
use callboard::port::bus::fault::FaultyBus;
use callboard::port::bus::{self, Bus, Consumer, Delivery, Envelope, Listen, QueueName, Settle, Source, Subscription};
use callboard::port::directory::fault::FaultyDirectory;
use callboard::port::directory::{self, Ask, Directory, Entry, Lease, Release, Share};
use callboard::port::store::fault::FaultStore;
use callboard::port::store::{self, Create, Store};
use futures::future::BoxFuture;
use futures::stream::{self, Stream};
use futures::{FutureExt, StreamExt};
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A process's store, bus and directory.
#[derive(Clone)]
pub struct Remote {
    link: Link,
    /// Spoils what it asks of the store.
    pub store: FaultStore,
    /// Spoils what it asks of the bus.
    pub bus: FaultyBus,
    /// Spoils what it asks of the directory.
    pub directory: FaultyDirectory,
}

impl Remote {
    /// The line over which everything goes.
    pub fn link(&self) -> &Link {
        &self.link
    }

    pub(crate) fn new(world: &World, link: Link) -> Self {
        Self {
            link,
            store: FaultStore::new(Arc::new(world.store.clone())),
            bus: FaultyBus::new(Arc::new(world.bus.clone())),
            directory: FaultyDirectory::new(world.directory.clone()),
        }
    }
}

impl Store for Remote {
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, store::Error>> {
        let (store, name) = (self.store.clone(), name.to_owned());
        let what = format!("create {name} {}", blake3::hash(&bytes).to_hex().split_at(8).0);
        self.link.ask(|| what, async move { store.create(&name, bytes).await })
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, store::Error>> {
        let (store, name) = (self.store.clone(), name.to_owned());
        self.link.ask(|| format!("get {name}"), {
            let name = name.clone();
            async move { store.get(&name).await }
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, store::Error>> {
        let (store, prefix, after) = (self.store.clone(), prefix.to_owned(), after.to_owned());
        self.link.ask(|| format!("list {prefix}"), {
            let prefix = prefix.clone();
            async move { store.list(&prefix, &after).await }
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), store::Error>> {
        let (store, name) = (self.store.clone(), name.to_owned());
        self.link.ask(|| format!("delete {name}"), {
            let name = name.clone();
            async move { store.delete(&name).await }
        })
    }
}

impl Directory for Remote {
    fn put<'a>(
        &'a self,
        kind: &'a str,
        id: &'a str,
        value: Bytes,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), directory::Error>> {
        let (directory, kind, id) = (self.directory.clone(), kind.to_owned(), id.to_owned());
        self.link.ask(|| format!("put {kind} {id}"), {
            let (kind, id) = (kind.clone(), id.clone());
            async move { directory.put(&kind, &id, value, ttl).await }
        })
    }

    fn remove<'a>(&'a self, kind: &'a str, id: &'a str) -> BoxFuture<'a, Result<(), directory::Error>> {
        let (directory, kind, id) = (self.directory.clone(), kind.to_owned(), id.to_owned());
        self.link.ask(|| format!("remove {kind} {id}"), {
            let (kind, id) = (kind.clone(), id.clone());
            async move { directory.remove(&kind, &id).await }
        })
    }

    fn list<'a>(&'a self, kind: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, directory::Error>> {
        let (directory, kind) = (self.directory.clone(), kind.to_owned());
        self.link.ask(|| format!("entries {kind}"), {
            let kind = kind.clone();
            async move { directory.list(&kind).await }
        })
    }

    fn acquire<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Lease, directory::Error>> {
        let (directory, name, holder) = (self.directory.clone(), name.to_owned(), holder.to_owned());
        self.link.ask(|| format!("acquire {name}"), {
            let name = name.clone();
            async move { directory.acquire(&name, &holder, ttl).await }
        })
    }

    fn renew<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Lease, directory::Error>> {
        let (directory, name, holder) = (self.directory.clone(), name.to_owned(), holder.to_owned());
        self.link.ask(|| format!("renew {name}"), {
            let name = name.clone();
            async move { directory.renew(&name, &holder, ttl).await }
        })
    }

    fn hold<'a>(
        &'a self,
        pool: &'a str,
        holder: &'a str,
        ask: Ask,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Share, directory::Error>> {
        let (directory, pool, holder) = (self.directory.clone(), pool.to_owned(), holder.to_owned());
        self.link.ask(|| format!("hold {pool} {}", ask.wanted), {
            let pool = pool.clone();
            async move { directory.hold(&pool, &holder, ask, ttl).await }
        })
    }

    fn release<'a>(&'a self, name: &'a str, holder: &'a str) -> BoxFuture<'a, Result<Release, directory::Error>> {
        let (directory, name, holder) = (self.directory.clone(), name.to_owned(), holder.to_owned());
        self.link.ask(|| format!("release {name}"), {
            let name = name.clone();
            async move { directory.release(&name, &holder).await }
        })
    }
}

impl Bus for Remote {
    fn declare<'a>(
        &'a self,
        queue: &'a QueueName,
        messages_max: NonZeroUsize,
    ) -> BoxFuture<'a, Result<(), bus::Error>> {
        let (bus, queue) = (self.bus.clone(), queue.clone());
        self.link.ask(|| "declare".into(), async move { bus.declare(&queue, messages_max).await })
    }

    fn delete<'a>(&'a self, queue: &'a QueueName) -> BoxFuture<'a, Result<(), bus::Error>> {
        let (bus, queue) = (self.bus.clone(), queue.clone());
        self.link.ask(|| "delete queue".into(), async move { bus.delete(&queue).await })
    }

    fn publish<'a>(&'a self, queue: &'a QueueName, envelope: Envelope) -> BoxFuture<'a, Result<(), bus::Error>> {
        let (bus, queue) = (self.bus.clone(), queue.clone());
        let what = format!("publish {queue} {}", said(&envelope));
        self.link.ask(|| what, async move { bus.publish(&queue, envelope).await })
    }

    fn consume<'a>(
        &'a self,
        queue: &'a QueueName,
        prefetch: NonZeroU16,
    ) -> BoxFuture<'a, Result<Consumer, bus::Error>> {
        let (bus, queue, link) = (self.bus.clone(), queue.clone(), self.link.clone());
        self.link.ask(|| "consume".into(), async move { Ok(consumed(&link, bus.consume(&queue, prefetch).await?)) })
    }

    fn consume_own<'a>(
        &'a self,
        queue: &'a QueueName,
        messages_max: NonZeroUsize,
        prefetch: NonZeroU16,
    ) -> BoxFuture<'a, Result<Consumer, bus::Error>> {
        let (bus, queue, link) = (self.bus.clone(), queue.clone(), self.link.clone());
        self.link.ask(|| "consume own".into(), async move {
            Ok(consumed(&link, bus.consume_own(&queue, messages_max, prefetch).await?))
        })
    }

    fn broadcast(&self, envelope: Envelope) -> BoxFuture<'_, Result<(), bus::Error>> {
        let bus = self.bus.clone();
        let what = format!("broadcast {}", said(&envelope));
        self.link.ask(|| what, async move { bus.broadcast(envelope).await })
    }

    fn subscribe(&self) -> BoxFuture<'_, Result<Subscription, bus::Error>> {
        let (bus, link) = (self.bus.clone(), self.link.clone());
        self.link.ask(|| "subscribe".into(), async move {
            let subscription = bus.subscribe().await?;
            let all = stream::unfold(subscription, async |mut it| Some((it.next().await?, it)));
            let heard = pumped(&link, all);
            Ok(Subscription::new(Box::new(Heard(heard))))
        })
    }
}

/// An envelope in words.
fn said(envelope: &Envelope) -> String {
    let body = String::from_utf8_lossy(&envelope.body);
    format!("{} {} {}", envelope.head.kind, envelope.head.id, body.chars().take(400).collect::<String>())
}

/// Brings what comes to the process, as long as that lives.
fn pumped<T: Send + 'static>(link: &Link, all: impl Stream<Item = T> + Send + 'static) -> mpsc::UnboundedReceiver<T> {
    let (brings, brought) = mpsc::unbounded_channel();
    let line = link.clone();
    link.leave(async move {
        let mut all = std::pin::pin!(all);
        loop {
            tokio::select! {
                biased;
                () = brings.closed() => break,
                one = all.next() => {
                    let Some(one) = one else { break };
                    tokio::time::sleep(line.delay()).await;
                    let _dead = brings.send(one);
                }
            }
        }
    });
    brought
}

fn consumed(link: &Link, consumer: Consumer) -> Consumer {
    let all = stream::unfold(consumer, async |mut it| Some((it.next().await?, it)));
    Consumer::new(Box::new(Brought { brought: pumped(link, all), link: link.clone() }))
}

struct Brought {
    brought: mpsc::UnboundedReceiver<Delivery>,
    link: Link,
}

impl Source for Brought {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        async {
            let delivery = self.brought.recv().await?;
            let (envelope, redelivered) = (delivery.envelope.clone(), delivery.redelivered);
            Some(Delivery::new(envelope, redelivered, Box::new(Settled { delivery, link: self.link.clone() })))
        }
        .boxed()
    }

    fn cancel(self: Box<Self>) -> BoxFuture<'static, Result<(), bus::Error>> {
        std::future::ready(Ok(())).boxed()
    }
}

struct Settled {
    delivery: Delivery,
    link: Link,
}

impl Settle for Settled {
    fn ack(self: Box<Self>) -> BoxFuture<'static, Result<(), bus::Error>> {
        let Self { delivery, link } = *self;
        let what = format!("ack {}", delivery.envelope.head.id);
        link.ask(|| what, delivery.ack())
    }

    fn requeue(self: Box<Self>) -> BoxFuture<'static, Result<(), bus::Error>> {
        let Self { delivery, link } = *self;
        let what = format!("requeue {}", delivery.envelope.head.id);
        link.ask(|| what, delivery.requeue())
    }
}

struct Heard(mpsc::UnboundedReceiver<Envelope>);

impl Listen for Heard {
    fn next(&mut self) -> BoxFuture<'_, Option<Envelope>> {
        self.0.recv().boxed()
    }
}
