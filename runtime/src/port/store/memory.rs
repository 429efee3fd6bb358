//! A store in memory, for `--ephemeral` and for tests.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Create, Error, Store, name};

/// Objects in memory.
///
/// A clone shares the objects: a "restarted" node that is given a clone finds what the one before it
/// left. They are gone when the last clone is dropped, so "durable" means here: as long as a clone lives.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    objects: Arc<Mutex<BTreeMap<String, Bytes>>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of objects.
    #[must_use]
    pub fn object_count(&self) -> usize {
        self.objects().len()
    }

    // Each operation changes the map by one call, so a panic of another thread leaves it whole.
    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create_now(&self, name: &str, bytes: Bytes) -> Result<Create, Error> {
        name::check(name)?;
        let mut objects = self.objects();
        if objects.contains_key(name) {
            return Ok(Create::Exists);
        }
        // A slice of a large buffer would keep all of it alive as long as the object.
        objects.insert(name.to_owned(), Bytes::copy_from_slice(&bytes));
        Ok(Create::Created)
    }

    fn list_now(&self, prefix: &str, after: &str) -> Vec<String> {
        let start = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
        self.objects()
            .range::<str, _>((start, Bound::Unbounded))
            .map(|(name, _)| name)
            .take_while(|name| name.starts_with(prefix))
            .cloned()
            .collect()
    }
}

impl Store for MemoryStore {
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, Error>> {
        async move { self.create_now(name, bytes) }.boxed()
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        async move {
            name::check(name)?;
            Ok(self.objects().get(name).cloned())
        }
        .boxed()
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        async move { Ok(self.list_now(prefix, after)) }.boxed()
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            name::check(name)?;
            self.objects().remove(name);
            Ok(())
        }
        .boxed()
    }
}
