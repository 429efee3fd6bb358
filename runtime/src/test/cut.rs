//! A store that can be cut off, so that whoever used it is dead to everybody else.

use crate::port::store::{Create, Error, MemoryStore, Store};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The objects of a test, as one life of its node reaches them.
#[derive(Clone)]
pub(super) struct Line {
    store: MemoryStore,
    is_cut: Arc<AtomicBool>,
}

impl Line {
    pub(super) fn to(store: &MemoryStore) -> Self {
        Self { store: store.clone(), is_cut: Arc::default() }
    }

    /// From now on nothing that is asked over this line takes effect, and nothing is answered.
    pub(super) fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
    }

    /// Waits for ever, if it is cut.
    async fn reach(&self) -> &MemoryStore {
        if self.is_cut.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        &self.store
    }
}

impl Store for Line {
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, Error>> {
        async move { self.reach().await.create(name, bytes).await }.boxed()
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        async move { self.reach().await.get(name).await }.boxed()
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        async move { self.reach().await.list(prefix, after).await }.boxed()
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        async move { self.reach().await.delete(name).await }.boxed()
    }
}
