//! What could not be written, and waits on this machine until it can.
//!
//! An entry is an object of a store of its own, a folder of this process, so it is durable when the caller is told of it. Its
//! write has an id, which the version holds that it becomes: brought home twice it counts once.

use super::chain::{Documents, Found, Write};
use super::key::segment;
use super::manager::Order;
use super::version::{Author, SPOOL};
use crate::port::store::{Create, Store};
use crate::{Error, ErrorKind, Result, telemetry};
use callboard_core::sabotage::{self, Sabotage};
use callboard_core::{Json, Millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// What waits, and where.
#[derive(Debug, Default)]
pub(super) struct Spool {
    store: Option<Hidden>,
    /// The number of the last entry: a moment in milliseconds, or one more than the last.
    last: AtomicI64,
}

#[derive(Clone)]
struct Hidden(Arc<dyn Store>);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a store")
    }
}

/// One entry, by `entry/<number, 20 digits>-<id>/<the document's name in the store>`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: Arc<str>,
    id: Arc<str>,
    value: Json,
    at: Millis,
    by: Author,
    /// The version behind which it may have been written; absent if nobody has tried to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
}

impl Entry {
    /// The id of its write, without what all ids of spooled writes begin with.
    fn short_id(&self) -> &str {
        self.id.split_once(':').unwrap_or_default().1
    }
}

/// A write that waits on this machine for the store to come back.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SpooledWrite {
    /// The key of the document.
    pub key: Arc<str>,
    /// What is merged with what there is.
    pub value: Json,
    /// When it was spooled.
    pub at: Millis,
    /// Who wanted it.
    pub by: Author,
}

/// What became of a try to bring entries home.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Brought {
    merged: usize,
    /// Those for which the store has to come back.
    away: usize,
    /// Those that a person has to look at.
    stuck: usize,
}

impl Brought {
    /// How soon it is tried again, if there are some yet.
    pub(super) fn again(self) -> Option<Duration> {
        match self {
            Self { away: 0, stuck: 0, .. } => None,
            Self { away: 0, .. } => Some(Duration::from_secs(60)),
            _ => Some(BRING),
        }
    }
}

/// How often it is tried to bring home what was spooled.
pub(super) const BRING: Duration = Duration::from_secs(1);

const PREFIX: &str = "entry/";

/// What the names begin with that say which version was the newest when it was tried for the first time to bring an entry home.
const FIRST_TRY: &str = "first-try/";

impl Spool {
    pub(super) fn new(store: Option<Arc<dyn Store>>) -> Self {
        Self { store: store.map(Hidden), last: AtomicI64::default() }
    }

    fn store(&self) -> Result<&dyn Store> {
        let store = self.store.as_ref().map(|store| &*store.0);
        store.ok_or_else(|| Error::invalid("there is no spool: `state.spool` says in which folder it is"))
    }

    /// The names of what waits, the oldest first.
    async fn names(&self) -> Result<Vec<String>> {
        let names = self.store()?.list(PREFIX, "").await.map_err(|error| spoiled(&error))?;
        let number = |name: &String| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<i64>().ok();
        if let Some(last) = names.last().and_then(number) {
            self.last.fetch_max(last, Ordering::Relaxed);
        }
        Ok(names)
    }

    async fn entry(&self, name: &str) -> Result<Option<Entry>> {
        let Some(bytes) = self.store()?.get(name).await.map_err(|error| spoiled(&error))? else { return Ok(None) };
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|error| Error::new(ErrorKind::Corrupt, format!("spooled write {name:?}")).because(error))
    }

    async fn add(&self, entry: &Entry) -> Result<()> {
        if sabotage::is(Sabotage::SpoolDropped) {
            return Ok(());
        }
        let follows = |last: i64| entry.at.0.max(last + 1);
        let number = follows(
            self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(follows(last))).unwrap_or(0),
        );
        let name = format!("{PREFIX}{number:020}-{}/{}", entry.short_id(), segment(&entry.key)?);
        let bytes = serde_json::to_vec(entry).map_err(|error| spoiled(&error))?;
        match self.store()?.create(&name, bytes.into()).await {
            Ok(Create::Created | Create::Exists) => Ok(()),
            Err(error) => Err(spoiled(&error)),
        }
    }
}

fn spoiled(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unavailable, "the spool could not be used").because(error)
}

impl Documents {
    /// Merges a value with what there is.
    ///
    /// # Errors
    ///
    /// `Invalid` if no function merges documents of this key; those of an update.
    pub(super) async fn merge(&self, key: &str, write: &Write, value: &Json) -> Result<Found> {
        let merge = self.0.merges.of(key)?;
        self.update(key, write, |turn| merge(key, turn.base.number, turn.value(), value).map(Some)).await
    }

    /// The same; spooled if the store is away, and behind what is spooled for this document. `None` if it was.
    ///
    /// # Errors
    ///
    /// `Invalid` if no function merges documents of this key, or there is no spool; `Unavailable` if neither the store nor
    /// the spool takes it.
    pub(super) async fn merge_or_spool(&self, key: &str, by: Author, value: Json) -> Result<Option<Found>> {
        let spool = &self.0.spool;
        self.0.merges.of(key)?;
        spool.store()?;
        let Write { id, by, .. } = self.write(by);
        let write = Write::new(format!("{SPOOL}{id}"), by);
        let mut since = None;
        if !self.is_spooled(key).await? {
            let seen = self.number_soon(key).await.unwrap_or_default();
            let error = match self.merge(key, &write, &value).await {
                Ok(found) => return Ok(Some(found)),
                Err(error) => error,
            };
            match error.kind() {
                ErrorKind::Unavailable => {}
                // It is settled when it is brought home: its id is the same.
                ErrorKind::Unknown => since = Some(seen),
                _ => return Err(error),
            }
            tracing::warn!(document = key, %error, "a write is spooled");
        }
        let (key, at) = (key.into(), self.0.clock.now());
        spool.add(&Entry { key, id: write.id, value, at, by: write.by, since }).await?;
        metrics::counter!(telemetry::SPOOLED).increment(1);
        self.tell(Order::Spooled);
        Ok(None)
    }

    async fn is_spooled(&self, key: &str) -> Result<bool> {
        let last = format!("/{}", segment(key)?);
        Ok(self.0.spool.names().await?.iter().any(|name| name.ends_with(&last)))
    }

    /// What waits in the spool, the oldest first.
    ///
    /// # Errors
    ///
    /// `Unavailable` if it can not be read. Nothing waits where there is no spool.
    pub(crate) async fn spooled(&self) -> Result<Vec<SpooledWrite>> {
        let spool = &self.0.spool;
        if spool.store.is_none() {
            return Ok(Vec::new());
        }
        let mut spooled = Vec::new();
        for name in spool.names().await? {
            if let Some(Entry { key, value, at, by, .. }) = spool.entry(&name).await? {
                spooled.push(SpooledWrite { key, value, at, by });
            }
        }
        Ok(spooled)
    }

    /// The version behind which an entry may have been written. If nobody has tried to before, that is the newest, and it is noted
    /// before the first try.
    async fn since(&self, spool: &dyn Store, entry: &Entry) -> Result<u64> {
        if let Some(since) = entry.since {
            return Ok(since);
        }
        let name = format!("{FIRST_TRY}{}", entry.short_id());
        let noted = async || spool.get(&name).await.map_err(|error| spoiled(&error));
        if noted().await?.is_none() {
            let newest = self.read(&entry.key).await?.number;
            let _or_there = spool.create(&name, newest.to_string().into()).await.map_err(|error| spoiled(&error))?;
        }
        let noted = noted().await?.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok());
        noted.ok_or_else(|| Error::new(ErrorKind::Corrupt, format!("{name} of the spool is no number")))
    }

    /// Brings home what is spooled; of each document in its order, until one can not be.
    pub(super) async fn bring(&self) -> Brought {
        let spool = &self.0.spool;
        let (mut brought, mut stuck) = (Brought::default(), BTreeSet::new());
        let Some(Hidden(store)) = &spool.store else { return brought };
        let names = spool.names().await.unwrap_or_default();
        for (at, name) in names.iter().enumerate() {
            let entry = match spool.entry(name).await {
                Ok(Some(entry)) if !stuck.contains(&entry.key) => entry,
                Ok(None) => continue,
                entry => {
                    if let Err(error) = entry {
                        tracing::error!(entry = name, %error, "a spooled write can not be read");
                    }
                    brought.stuck += 1;
                    continue;
                }
            };
            let merged = async {
                let since = Some(self.since(&**store, &entry).await?);
                let write = Write { since, ..Write::new(entry.id.clone(), entry.by.clone()) };
                self.merge(&entry.key, &write, &entry.value).await
            };
            match merged.await {
                Ok(_) => {
                    brought.merged += 1;
                    // If it is not deleted it is found to be written the next time.
                    let _again = store.delete(name).await;
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    brought.away = names.len() - at;
                    break;
                }
                Err(error) => {
                    tracing::error!(document = &*entry.key, %error, "a spooled write waits on, and those behind it");
                    brought.stuck += 1;
                    stuck.insert(entry.key);
                }
            }
        }
        let waiting = brought.away + brought.stuck;
        // An entry that is at home and could not be deleted is looked for again behind what is noted of it.
        if spool.names().await.is_ok_and(|names| names.is_empty()) {
            for name in store.list(FIRST_TRY, "").await.unwrap_or_default() {
                let _the_next_time = store.delete(&name).await;
            }
        }
        metrics::gauge!(telemetry::SPOOL_ENTRIES).set(waiting as f64);
        if brought.merged > 0 {
            metrics::counter!(telemetry::SPOOL_MERGED).increment(brought.merged as u64);
            tracing::info!(merged = brought.merged, waiting, "spooled writes were merged");
        }
        brought
    }
}
