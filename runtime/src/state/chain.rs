//! Reading the versions of documents.

use super::cache::{Cache, Entry};
use super::chains::Chains;
use super::key::{self, segment};
use super::lock::Locks;
use super::manager::Order;
use super::merge::Merges;
use super::spool::Spool;
use super::version::{Author, Body, EARLIER_MAX, is_remembered};
use super::writer::Queues;
use crate::clock::Clock;
use crate::journal::access::Access;
use crate::journal::ids::Ids;
use crate::journal::name::padded;
use crate::journal::register::{self, Register, Verified};
use crate::port::store::Store;
use crate::supervise::Slot;
use crate::{Error, ErrorKind, Result};
use callboard_core::Json;
use callboard_core::sabotage::{self, Sabotage};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The documents of a name space, as one node reaches them; a cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Documents(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) chains: Chains,
    pub(super) clock: Clock,
    pub(super) node: Arc<str>,
    /// How long a write waits for a store that is away.
    pub(super) patience: Duration,
    pub(super) cache: Cache,
    pub(super) queues: Queues,
    pub(super) merges: Merges,
    pub(super) spool: Spool,
    pub(super) is_frozen: bool,
    locks: Locks,
    manager: OnceLock<Slot<Order>>,
}

/// With what documents are made.
pub(crate) struct Given<'a> {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) namespace: &'a str,
    pub(crate) node: Arc<str>,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) journal: &'a crate::journal::Settings,
    /// How long a write waits for a store that is away.
    pub(crate) patience: Duration,
    pub(crate) merges: Merges,
    pub(crate) spool: Option<Arc<dyn Store>>,
    /// They are those of a copy, and never changed.
    pub(crate) is_frozen: bool,
}

/// Where documents are in a name space, and locks.
pub(crate) const DOCUMENTS: &str = "documents";
pub(crate) const LOCKS: &str = "locks";
/// How old what is remembered may be before it counts as stale.
const FRESH: Duration = Duration::from_secs(1);
/// How long who takes what is remembered waits for what is not.
const LOOK_MAX: Duration = Duration::from_secs(1);

/// What a version says.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) number: u64,
    /// `None` for the empty document.
    pub(super) body: Option<Arc<Body>>,
    pub(super) verified: Verified,
}

impl Read {
    pub(super) fn value(&self) -> Option<&Json> {
        self.body.as_ref().and_then(|body| body.value.as_ref())
    }

    /// That the document is not at the version that was expected.
    pub(super) fn conflict(&self, key: &str, expected: u64) -> Error {
        let found = self.number;
        let message = match &self.body {
            None => format!("document {key:?} is not at version {expected}: there is none"),
            Some(body) if body.value.is_none() => {
                format!(
                    "document {key:?} was deleted in version {found}, by {}, and is not at {expected}",
                    body.authors()
                )
            }
            Some(body) if expected == 0 => {
                format!("document {key:?} is at version {found}, by {}, and was not to be there yet", body.authors())
            }
            Some(body) => {
                format!("document {key:?} is at version {found}, by {}, and not at {expected}", body.authors())
            }
        };
        Error::new(ErrorKind::Conflict, message).with_versions(expected, found)
    }
}

/// A version, and whether it is known to be the newest.
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    pub(super) read: Read,
    /// How long ago it was known to be the newest.
    pub(super) age: Duration,
    pub(super) is_stale: bool,
}

impl Remembered {
    fn of(entry: Entry) -> Self {
        let age = Instant::now().saturating_duration_since(entry.newest_at);
        Self { read: entry.read, age, is_stale: age > FRESH && !sabotage::is(Sabotage::StaleAsFresh) }
    }
}

/// A write: by whom, and under which id.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) id: Arc<str>,
    pub(super) by: Author,
    /// The lock under which it is made.
    pub(super) fence: Option<Fence>,
    /// Whether it rests on a version that was read: it shares none with writes before it.
    pub(super) rests_on: Option<u64>,
    /// The version behind which somebody else may have made it, who has not told.
    pub(super) since: Option<u64>,
}

/// A lock, and the token with which it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fence {
    pub(super) lock: Arc<str>,
    pub(super) token: u64,
}

impl Write {
    pub(super) fn new(id: impl Into<Arc<str>>, by: Author) -> Self {
        Self { id: id.into(), by, fence: None, rests_on: None, since: None }
    }

    pub(super) fn resting_on(self, version: u64) -> Self {
        Self { rests_on: Some(version), ..self }
    }

    pub(super) fn is_remembered(&self) -> bool {
        is_remembered(&self.id)
    }
}

/// A write that was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) number: u64,
    pub(super) body: Option<Arc<Body>>,
}

impl Documents {
    pub(crate) fn new(given: Given<'_>) -> Self {
        let Given { store, namespace, node, clock, ids, journal, patience, merges, spool, is_frozen } = given;
        let chains = |kind| Chains {
            access: Access::new(store.clone(), journal.attempt_timeout, journal.tries),
            ids: ids.clone(),
            root: format!("{namespace}/{kind}"),
            keep: journal.keep_versions,
        };
        Self(Arc::new(Inner {
            chains: chains(DOCUMENTS),
            locks: Locks::new(chains(LOCKS), clock.clone(), node.clone(), is_frozen),
            is_frozen,
            clock,
            node,
            patience,
            cache: Cache::default(),
            queues: Queues::default(),
            merges,
            spool: Spool::new(spool),
            manager: OnceLock::new(),
        }))
    }

    /// Says which actor looks after them.
    pub(super) fn managed_by(&self, slot: Slot<Order>) {
        let _first_one_stays = self.0.manager.set(slot);
    }

    /// Between two incarnations of the actor nobody is told: the next begins by looking.
    pub(super) fn tell(&self, order: Order) {
        if let Some(manager) = self.0.manager.get().and_then(Slot::current) {
            let _ended = manager.cast(order);
        }
    }

    /// # Errors
    ///
    /// `Invalid` for a key that none can have.
    pub(super) fn register(&self, key: &str) -> Result<Register> {
        Ok(self.0.chains.register(&segment(key)?))
    }

    pub(super) fn locks(&self) -> &Locks {
        &self.0.locks
    }

    /// A write of a program: nobody tries it again under this id.
    pub(super) fn write(&self, by: Author) -> Write {
        Write::new(self.0.chains.ids.next().simple().to_string(), by)
    }

    /// The newest version.
    ///
    /// # Errors
    ///
    /// `Invalid` for a key that none can have, `Unavailable` if the store gives no answer, `Corrupt` for what can not be.
    pub(super) async fn read(&self, key: &str) -> Result<Read> {
        let (register, began) = (self.register(key)?, Instant::now());
        let cached = self.0.cache.get(key);
        let known = cached.as_ref().map(|entry| &entry.read.verified);
        let verified = register.read(known).await.map_err(|error| unread(key, error))?;
        let read = match cached {
            Some(entry) if entry.read.number == verified.number() => entry.read,
            _ => {
                let body = verified.parse::<Body>().map_err(|error| spoiled(key, verified.number(), &error))?;
                Read { number: verified.number(), body: body.map(Arc::new), verified }
            }
        };
        self.0.cache.see(key, &read, began);
        Ok(read)
    }

    /// The newest version, when it is noted in the document that it is used under the lock of this write.
    ///
    /// # Errors
    ///
    /// `Fenced` if another has the lock by now and has used the document; those of a read and of an update.
    pub(super) async fn read_under(&self, key: &str, write: &Write) -> Result<Read> {
        let read = self.read(key).await?;
        let Some(fence) = &write.fence else { return Ok(read) };
        if read.body.as_ref().and_then(|body| body.fences.of(&fence.lock)) == Some(fence.token) {
            return Ok(read);
        }
        self.update(key, write, |turn| Ok(turn.value().cloned())).await?;
        self.read(key).await
    }

    /// The newest version as far as it is known: what was the newest within the last second, or else what the store says,
    /// or else, if the store is away, what was known last.
    ///
    /// # Errors
    ///
    /// Those of a read, if nothing is known of the document.
    pub(super) async fn remembered(&self, key: &str) -> Result<Remembered> {
        let now = Instant::now();
        let known = self.0.cache.ask(key, now);
        self.tell(Order::Watch);
        if let Some(entry) = known.filter(|entry| now.saturating_duration_since(entry.newest_at) < FRESH) {
            return Ok(Remembered::of(entry));
        }
        let error = match timeout(LOOK_MAX, self.read(key)).await {
            Ok(Ok(read)) => return Ok(Remembered::of(self.0.cache.ask(key, now).unwrap_or(Entry::new(read, now)))),
            Ok(Err(error)) if error.kind() != ErrorKind::Unavailable => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => Error::new(ErrorKind::Unavailable, format!("the store gives no answer for document {key:?}")),
        };
        self.0.cache.ask(key, now).map(Remembered::of).ok_or(error)
    }

    /// The number of a version that is there, if one was seen or is told soon.
    pub(super) async fn number_soon(&self, key: &str) -> Option<u64> {
        match self.0.cache.get(key) {
            Some(entry) => Some(entry.read.number),
            None => timeout(LOOK_MAX, self.read(key)).await.ok()?.ok().map(|read| read.number),
        }
    }

    /// The version behind that of this number that a write has made, if it has; with what it says, if that is kept.
    ///
    /// # Errors
    ///
    /// `Unknown` if that can not be told any more; those of a read.
    pub(super) async fn find(&self, key: &str, newest: &Read, write: &Write, since: u64) -> Result<Option<Found>> {
        let Some(body) = &newest.body else { return Ok(None) };
        if body.holds(&write.id) {
            return Ok(Some(Found { number: newest.number, body: Some(body.clone()) }));
        }
        if let Some((_, number)) = body.earlier.iter().find(|(id, _)| *id == write.id) {
            return Ok(Some(Found { number: *number, body: None }));
        }
        // What may be tried again is remembered: all of it, or all that was written behind this version.
        let reaches = |(_, number): &(Arc<str>, u64)| body.earlier.len() < EARLIER_MAX || *number <= since;
        if write.is_remembered() && body.earlier.front().is_none_or(reaches) {
            return Ok(None);
        }
        let mut oldest = newest.number + 1;
        for (number, body) in self.past(key, newest, since).await? {
            if body.holds(&write.id) {
                return Ok(Some(Found { number, body: Some(Arc::new(body)) }));
            }
            oldest = number;
        }
        if oldest > since + 1 {
            return Err(unknown(key, format!("version {}, which would tell, was pruned", oldest - 1)));
        }
        Ok(None)
    }

    /// The versions from the newest down to that behind `until`, as far as they are kept; the newest first.
    ///
    /// # Errors
    ///
    /// Those of a read.
    pub(super) async fn past(&self, key: &str, newest: &Read, until: u64) -> Result<Vec<(u64, Body)>> {
        let past = self.register(key)?.past(&newest.verified, until).await.map_err(|error| unread(key, error))?;
        past.into_iter().map(|past| Ok((past.number, opened(key, &past)?))).collect()
    }

    /// The version of this number.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not kept, or never was; those of a read.
    pub(super) async fn at(&self, key: &str, number: u64) -> Result<Body> {
        let (newest, register) = (self.read(key).await?, self.register(key)?);
        let mut walk = register.walk(&newest.verified, number.checked_sub(1).unwrap_or(newest.number));
        while let Some(past) = walk.next().await.map_err(|error| unread(key, error))? {
            if past.number == number {
                return opened(key, &past);
            }
        }
        let message = format!("there is no version {number} of document {key:?}, or it is not kept any more");
        Err(Error::new(ErrorKind::NotFound, message))
    }

    /// The keys of all documents that begin so, deleted ones too, and the number of the newest version of each.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the store gives no answer.
    pub(crate) async fn keys(&self, beginning: &str) -> Result<BTreeMap<String, u64>> {
        let names = self.0.chains.names().await?;
        let versions = names.iter().filter_map(|name| {
            let (segment, number) = name.split_once('/')?;
            Some((key::key(segment)?, padded(number)?))
        });
        // In their order: the last of each is the newest.
        Ok(versions.filter(|(key, _)| key.starts_with(beginning)).collect())
    }
}

/// What a version of the past says.
pub(super) fn opened(key: &str, past: &register::Past) -> Result<Body> {
    past.parse().map_err(|error| spoiled(key, past.number, &error))
}

fn spoiled(key: &str, number: u64, error: &serde_json::Error) -> Error {
    let message = format!("version {number} of document {key:?} is none that this build can read");
    Error::new(ErrorKind::Corrupt, message).because(error.to_string())
}

pub(super) fn unread(key: &str, error: register::Error) -> Error {
    let kind = match &error {
        register::Error::Unavailable { .. } => ErrorKind::Unavailable,
        register::Error::Corrupt(_) => ErrorKind::Corrupt,
    };
    Error::new(kind, format!("document {key:?} could not be read")).because(error.to_string())
}

pub(super) fn unknown(key: &str, reason: String) -> Error {
    Error::new(ErrorKind::Unknown, format!("it is not known whether document {key:?} was written")).because(reason)
}
