//! The store of a simulation, and everything that was ever in it.

use bytes::Bytes;
use callboard::port::store::{Create, Error, MemoryStore, Store};
use callboard::testing::seal;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A store that remembers what was deleted, and sees when a fenced write has an effect.
#[derive(Clone, Default)]
pub struct Ledger {
    now: MemoryStore,
    ever: MemoryStore,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// The newest epoch of each partition that has begun.
    epochs: BTreeMap<String, u64>,
    breaches: Vec<String>,
}

impl Ledger {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was ever created, in its first form.
    #[must_use]
    pub fn ever(&self) -> MemoryStore {
        self.ever.clone()
    }

    /// What must not be.
    #[must_use]
    pub fn breaches(&self) -> Vec<String> {
        self.seen().breaches.clone()
    }

    async fn created(&self, name: &str, bytes: &Bytes) -> Result<(), Error> {
        let first = self.ever.create(name, bytes.clone()).await?;
        let Some((partition, epoch, slot)) = slot_of(name).filter(|_| *bytes != seal()) else { return Ok(()) };
        let mut seen = self.seen();
        let newest = seen.epochs.get(partition).copied().unwrap_or(0);
        // A record that comes again where it was collected says nothing new.
        if epoch < newest && first == Create::Created {
            seen.breaches.push(format!("{name} has landed although epoch {newest} had begun"));
        }
        if slot == 1 {
            seen.epochs.insert(partition.to_owned(), newest.max(epoch));
        }
        Ok(())
    }
}

/// The partition, the epoch and the slot of an object of the log.
fn slot_of(name: &str) -> Option<(&str, u64, u64)> {
    let (partition, rest) = name.split_once("/log/")?;
    let (epoch, slot) = rest.split_once('/')?;
    Some((partition, epoch.parse().ok()?, slot.parse().ok()?))
}

impl Store for Ledger {
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, Error>> {
        async move {
            let created = self.now.create(name, bytes.clone()).await?;
            if created == Create::Created {
                self.created(name, &bytes).await?;
            }
            Ok(created)
        }
        .boxed()
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        self.now.get(name)
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        self.now.list(prefix, after)
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        self.now.delete(name)
    }
}
