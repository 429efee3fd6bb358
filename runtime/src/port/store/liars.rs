//! Stores that break the contract, to show that probe and conformance suite notice.

use std::sync::Mutex;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Create, Error, MemoryStore, Store};

/// How a [`Liar`] lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    /// Ignores the condition, as some servers ignore `If-None-Match`.
    Overwrites,
    /// Checks the condition first and writes afterwards: right one at a time, wrong in a race.
    ChecksThenWrites,
    /// Lists what was there before the last change.
    ListsLate,
    /// Gets what was there before the last change.
    GetsLate,
    /// Says that it deleted and does not.
    KeepsDeleted,
}

/// A store that tells one lie.
pub(super) struct Liar {
    lie: Lie,
    truth: MemoryStore,
    /// The objects before the last change.
    before: Mutex<Option<MemoryStore>>,
}

impl Liar {
    pub(super) fn new(lie: Lie) -> Self {
        Self { lie, truth: MemoryStore::new(), before: Mutex::default() }
    }

    async fn remember(&self) -> Result<(), Error> {
        let copy = MemoryStore::new();
        for name in self.truth.list("", "").await? {
            if let Some(bytes) = self.truth.get(&name).await? {
                let _ = copy.create(&name, bytes).await?;
            }
        }
        *self.before.lock().unwrap() = Some(copy);
        Ok(())
    }

    fn seen(&self, late: Lie) -> MemoryStore {
        let before = self.before.lock().unwrap().clone();
        before.filter(|_| self.lie == late).unwrap_or_else(|| self.truth.clone())
    }

    async fn overwrite(&self, name: &str, bytes: Bytes) -> Result<Create, Error> {
        self.truth.delete(name).await?;
        self.truth.create(name, bytes).await
    }
}

impl Store for Liar {
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, Error>> {
        async move {
            self.remember().await?;
            match self.lie {
                Lie::Overwrites => self.overwrite(name, bytes).await,
                Lie::ChecksThenWrites => {
                    if self.truth.get(name).await?.is_some() {
                        return Ok(Create::Exists);
                    }
                    tokio::task::yield_now().await;
                    let _ = self.overwrite(name, bytes).await?;
                    Ok(Create::Created)
                }
                _ => self.truth.create(name, bytes).await,
            }
        }
        .boxed()
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        async move { self.seen(Lie::GetsLate).get(name).await }.boxed()
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        async move { self.seen(Lie::ListsLate).list(prefix, after).await }.boxed()
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            self.remember().await?;
            if self.lie == Lie::KeepsDeleted {
                return Ok(());
            }
            self.truth.delete(name).await
        }
        .boxed()
    }
}
