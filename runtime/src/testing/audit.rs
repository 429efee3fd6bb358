//! A whole journal held against what is left of it, and against the promises.

use crate::journal::ids::Ids;
use crate::journal::position::Position;
use crate::journal::replay::{Replay, ReplayError};
use crate::journal::{Journal, Settings};
use crate::partition::recover::Recovery;
use crate::port::store::{Create, Error, Store};
use bytes::Bytes;
use callboard_core::{Breach, Event, History, Limits, check_snapshot};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::Arc;

/// Reads the journal of a partition twice: as it is, from its newest snapshot on, and from `ever`, a store of which nothing
/// was ever deleted, from its first event on. Both must lead to the same, and the whole must keep the promises: what must not
/// be is given back.
///
/// # Errors
/// One of the two cannot be read: the journal's error, in words.
pub async fn audit(
    store: Arc<dyn Store>,
    ever: Arc<dyn Store>,
    namespace: &str,
    partition: u16,
) -> Result<Vec<Breach>, String> {
    let limits = Limits::default();
    let (mut rest, mut whole) = (Recovery::new(limits), Whole::new(limits));
    read(store, namespace, partition, &mut rest).await?;
    read(Arc::new(LogAlone(ever)), namespace, partition, &mut whole).await?;
    let mut breaches = check_snapshot(&whole.recovery.state, &rest.state);
    breaches.extend(rest.diverged);
    breaches.extend(whole.history.breaches().iter().cloned());
    Ok(breaches)
}

async fn read(store: Arc<dyn Store>, namespace: &str, partition: u16, to: &mut dyn Replay) -> Result<(), String> {
    let journal = Journal::new(store, Ids::random(), namespace, partition.into(), Settings::default());
    journal.read(to).await.map(drop).map_err(|error| format!("partition {partition}: {error}"))
}

/// Folds a journal twice: as an owner does, and by the fold that knows nothing of owners.
struct Whole {
    limits: Limits,
    recovery: Recovery,
    history: History,
}

impl Whole {
    fn new(limits: Limits) -> Self {
        Self { limits, recovery: Recovery::new(limits), history: History::new() }
    }
}

impl Replay for Whole {
    fn reset(&mut self) {
        *self = Self::new(self.limits);
    }

    fn snapshot(&mut self, _: &[u8]) -> Result<(), ReplayError> {
        Err(ReplayError::new("a journal that is read from its beginning has no snapshot"))
    }

    fn batch(&mut self, at: Position, lines: &[u8]) -> Result<(), ReplayError> {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.history.follow(&Event::decode(line).map_err(ReplayError::new)?);
        }
        self.recovery.batch(at, lines)
    }
}

/// A store in which nobody has ever written a manifest, so that a walk begins at the first slot of all.
struct LogAlone(Arc<dyn Store>);

impl Store for LogAlone {
    fn create<'a>(&'a self, name: &'a str, _: Bytes) -> BoxFuture<'a, Result<Create, Error>> {
        async move { Err(Error::Refused { reason: format!("nobody writes {name}") }) }.boxed()
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        if name.contains("/manifest/") { async { Ok(None) }.boxed() } else { self.0.get(name) }
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        if prefix.contains("/manifest/") { async { Ok(Vec::new()) }.boxed() } else { self.0.list(prefix, after) }
    }

    fn delete<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        async { Ok(()) }.boxed()
    }
}
