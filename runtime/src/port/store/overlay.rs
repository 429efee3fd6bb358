//! A store over another one that is only read: what is written stays in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Create, Error, Store, name};

/// Shows what another store holds, and what was done since; the other one is never changed.
///
/// It keeps the contract of a store as long as nobody else changes the one below: it is for copies. What was created and deleted
/// is gone when the last clone is dropped.
#[derive(Clone)]
pub struct OverlayStore {
    below: Arc<dyn Store>,
    above: Arc<Mutex<BTreeMap<String, Option<Bytes>>>>,
}

impl OverlayStore {
    /// Over `below`.
    #[must_use]
    pub fn new(below: Arc<dyn Store>) -> Self {
        Self { below, above: Arc::default() }
    }

    /// What was created, and as `None` what was deleted. Each operation changes it by one call.
    fn above(&self) -> MutexGuard<'_, BTreeMap<String, Option<Bytes>>> {
        self.above.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of_above(&self, name: &str) -> Option<Option<Bytes>> {
        self.above().get(name).cloned()
    }
}

impl fmt::Debug for OverlayStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OverlayStore").finish_non_exhaustive()
    }
}

impl Store for OverlayStore {
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, Error>> {
        async move {
            name::check(name)?;
            // Below nothing changes, so what is free there now stays free.
            let is_below = self.below.get(name).await?.is_some();
            let mut above = self.above();
            let is_taken = above.get(name).map_or(is_below, Option::is_some);
            if is_taken {
                return Ok(Create::Exists);
            }
            above.insert(name.to_owned(), Some(Bytes::copy_from_slice(&bytes)));
            Ok(Create::Created)
        }
        .boxed()
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        async move {
            match self.of_above(name) {
                Some(found) => Ok(found),
                None => self.below.get(name).await,
            }
        }
        .boxed()
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        async move {
            let mut names: BTreeSet<String> = self.below.list(prefix, after).await?.into_iter().collect();
            for (name, there) in &*self.above() {
                if there.is_none() {
                    names.remove(name);
                } else if name.starts_with(prefix) && name.as_str() > after {
                    names.insert(name.clone());
                }
            }
            Ok(names.into_iter().collect())
        }
        .boxed()
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            name::check(name)?;
            self.above().insert(name.to_owned(), None);
            Ok(())
        }
        .boxed()
    }
}
