//! How the journal calls its store: every call bounded in time, every wait in one place.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::port::store::{Create, Error, Store};

/// A store whose calls end: an answer that does not come in time is unclear, never a failure (L2).
#[derive(Clone)]
pub(crate) struct Access {
    store: Arc<dyn Store>,
    attempt_timeout: Duration,
    tries: u32,
}

impl Access {
    /// Calls `store`; each call ends after `attempt_timeout`, a bounded series after `tries` of them.
    pub(crate) fn new(store: Arc<dyn Store>, attempt_timeout: Duration, tries: u32) -> Self {
        Self { store, attempt_timeout, tries: tries.max(1) }
    }

    /// How many tries a bounded series has.
    pub(super) fn tries(&self) -> u32 {
        self.tries
    }

    pub(super) async fn create(&self, name: &str, bytes: Bytes) -> Result<Create, Error> {
        self.bounded("create", name, self.store.create(name, bytes)).await
    }

    pub(super) async fn get(&self, name: &str) -> Result<Option<Bytes>, Error> {
        self.bounded("get", name, self.store.get(name)).await
    }

    pub(crate) async fn list(&self, prefix: &str, after: &str) -> Result<Vec<String>, Error> {
        self.bounded("list", prefix, self.store.list(prefix, after)).await
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), Error> {
        self.bounded("delete", name, self.store.delete(name)).await
    }

    /// Like [`Self::get`], tried again while the store gives no answer, a bounded number of times.
    pub(super) async fn get_patiently(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let mut backoff = Backoff::default();
        loop {
            match self.get(name).await {
                Err(error) if backoff.waits() + 1 >= self.tries => return Err(error),
                Err(_) => backoff.wait().await,
                answer => return answer,
            }
        }
    }

    /// Like [`Self::list`], tried again while the store gives no answer, a bounded number of times.
    pub(super) async fn list_patiently(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let mut backoff = Backoff::default();
        loop {
            match self.list(prefix, "").await {
                Err(error) if backoff.waits() + 1 >= self.tries => return Err(error),
                Err(_) => backoff.wait().await,
                answer => return answer,
            }
        }
    }

    async fn bounded<T>(&self, what: &str, name: &str, call: BoxFuture<'_, Result<T, Error>>) -> Result<T, Error> {
        match tokio::time::timeout(self.attempt_timeout, call).await {
            Ok(answer) => answer,
            Err(_) => {
                Err(Error::Unclear { reason: format!("{what} {name}: no answer within {:?}", self.attempt_timeout) })
            }
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("attempt_timeout", &self.attempt_timeout).finish_non_exhaustive()
    }
}

/// Growing waits between tries: 5 ms, doubled up to 1 s. Without jitter: within a partition there is one
/// writer, so there is nobody to keep out of step with, and a simulation stays exact.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    waits: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(5);
    const LONGEST: Duration = Duration::from_secs(1);

    pub(super) async fn wait(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(Self::LONGEST);
        self.waits = self.waits.saturating_add(1);
    }

    /// How often it was waited so far.
    pub(super) fn waits(&self) -> u32 {
        self.waits
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: Self::FIRST, waits: 0 }
    }
}
