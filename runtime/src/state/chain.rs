//! Reading and writing one document.

use super::key::{self, segment};
use super::version::{Body, EARLIER_MAX, TASK};
use crate::clock::Clock;
use crate::journal::access::Access;
use crate::journal::ids::Ids;
use crate::journal::register::{self, Advance, Register, Verified};
use crate::port::store::Store;
use crate::{Error, ErrorKind, Result};
use callboard_core::Json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The documents of a name space, as one node reaches them; a cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Documents(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    access: Access,
    ids: Ids,
    clock: Clock,
    node: Arc<str>,
    root: String,
    keep: u64,
    /// The newest version that was seen of each: so a read is one list.
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    versions: BTreeMap<Arc<str>, Verified>,
    /// In the order in which they came.
    order: VecDeque<Arc<str>>,
}

/// How many documents are remembered.
const SEEN_MAX: usize = 1_000;
/// How many times an update begins anew before it gives up: each time somebody else has written.
const TURNS_MAX: usize = 1_000;
/// How many writes of one update may end without an answer before it gives up: each takes some seconds.
const UNKNOWN_MAX: usize = 3;

/// What a version says.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) number: u64,
    /// `None` for the empty document.
    pub(super) body: Option<Arc<Body>>,
    verified: Verified,
}

impl Read {
    pub(super) fn value(&self) -> Option<&Json> {
        self.body.as_ref().and_then(|body| body.value.as_ref())
    }

    /// That the document is not at the version that was expected.
    pub(super) fn conflict(&self, key: &str, expected: u64) -> Error {
        let message = match &self.body {
            None => format!("document {key:?} is not at version {expected}: there is none"),
            Some(body) => {
                let (number, node) = (self.number, &body.node);
                let by = body.by.as_ref().map_or_else(|| format!("node {node}"), |by| format!("{by}, on node {node}"));
                format!("document {key:?} is at version {number}, by {by}, and not at {expected}")
            }
        };
        Error::new(ErrorKind::Conflict, message)
    }
}

/// A write: by whom, and under which id.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) id: Arc<str>,
    pub(super) by: Option<Arc<str>>,
}

impl Write {
    fn is_of_a_task(&self) -> bool {
        self.id.starts_with(TASK)
    }
}

/// A write that was found.
pub(super) struct Found {
    pub(super) number: u64,
    pub(super) body: Option<Body>,
}

/// What became of a try to write.
enum Tried {
    Written(u64, Body),
    /// Somebody else was faster.
    Moved,
    /// It may have been written, or may yet be.
    Unknown(String),
}

impl Documents {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        namespace: &str,
        node: Arc<str>,
        clock: Clock,
        settings: &crate::journal::Settings,
    ) -> Self {
        let access = Access::new(store, settings.attempt_timeout, settings.tries);
        let root = format!("{namespace}/documents");
        let (ids, keep, seen) = (Ids::random(), settings.keep_versions, Mutex::default());
        Self(Arc::new(Inner { access, ids, clock, node, root, keep, seen }))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(&self, key: &str) -> Result<Register> {
        let name = format!("{}/{}", self.0.root, segment(key)?);
        Ok(Register::new(self.0.access.clone(), self.0.ids.clone(), name, self.0.keep))
    }

    fn remember(&self, key: &str, version: &Verified) {
        let mut seen = self.seen();
        let known = seen.versions.get(key).map_or(0, Verified::number);
        if version.number() < known {
            return;
        }
        if seen.versions.insert(key.into(), version.clone()).is_none() {
            seen.order.push_back(key.into());
        }
        while seen.order.len() > SEEN_MAX {
            if let Some(oldest) = seen.order.pop_front() {
                seen.versions.remove(&oldest);
            }
        }
    }

    /// A write of a program: nobody tries it again under this id.
    pub(super) fn write(&self, by: Option<Arc<str>>) -> Write {
        Write { id: self.0.ids.next().simple().to_string().into(), by }
    }

    /// The newest version.
    ///
    /// # Errors
    ///
    /// `Invalid` for a key that none can have, `Unavailable` if the store gives no answer, `Corrupt` for what can not be.
    pub(super) async fn read(&self, key: &str) -> Result<Read> {
        let register = self.register(key)?;
        let cached = self.seen().versions.get(key).cloned();
        let verified = register.read(cached.as_ref()).await.map_err(|error| unread(key, error))?;
        self.remember(key, &verified);
        let body = verified.parse::<Body>().map_err(|error| spoiled(key, verified.number(), &error))?;
        Ok(Read { number: verified.number(), body: body.map(Arc::new), verified })
    }

    /// Writes what `next` makes of the newest version, once, whatever answers are lost; the number of the version that
    /// holds it.
    ///
    /// # Errors
    ///
    /// That of `next`; those of a read; `Unknown` if the store has not said whether it was written.
    pub(super) async fn update(
        &self,
        key: &str,
        write: &Write,
        mut next: impl FnMut(&Read) -> Result<Option<Json>>,
    ) -> Result<Found> {
        let (mut perhaps_since, mut unknowns) = (None, 0);
        for _ in 0..TURNS_MAX {
            let base = match self.read(key).await {
                Ok(base) => base,
                // It is not said that nothing was written when that is not known.
                Err(error) if unknowns > 0 => return Err(unknown(key, error.to_string())),
                Err(error) => return Err(error),
            };
            if write.is_of_a_task() {
                // What an earlier attempt has sent may land at any time, also while this one writes.
                perhaps_since = perhaps_since.or(Some(base.number));
            }
            if let Some(since) = perhaps_since
                && let Some(found) = self.find(key, &base, write, since).await?
            {
                return Ok(found);
            }
            let tried = match next(&base) {
                Ok(value) => self.advance(key, &base, write, value).await,
                Err(error) => Err(error),
            };
            let tried = match tried {
                Ok(tried) => tried,
                Err(error) if unknowns > 0 => return Err(unknown(key, error.to_string())),
                Err(error) => return Err(error),
            };
            match tried {
                Tried::Written(number, body) => return Ok(Found { number, body: Some(body) }),
                Tried::Moved => {}
                Tried::Unknown(reason) => {
                    perhaps_since = perhaps_since.or(Some(base.number));
                    unknowns += 1;
                    if unknowns == UNKNOWN_MAX {
                        return Err(unknown(key, reason));
                    }
                }
            }
        }
        let reason = "others were always faster".to_owned();
        Err(match unknowns {
            0 => Error::new(ErrorKind::Unavailable, format!("document {key:?} was not written: {reason}")),
            _ => unknown(key, reason),
        })
    }

    /// Writes the version behind that of this number, or nothing.
    ///
    /// # Errors
    ///
    /// `Conflict`, with both versions, if there is another; those of a read; `Unknown` as in [`update`](Self::update).
    pub(super) async fn save(&self, key: &str, write: &Write, expected: u64, value: Option<Json>) -> Result<u64> {
        let base = self.read(key).await?;
        if base.number != expected {
            return Err(base.conflict(key, expected));
        }
        match self.advance(key, &base, write, value).await? {
            Tried::Written(number, _) => Ok(number),
            Tried::Moved => Err(self.read(key).await?.conflict(key, expected)),
            Tried::Unknown(reason) => {
                let now = self.read(key).await.map_err(|error| unknown(key, format!("{reason}; {error}")))?;
                match self.find(key, &now, write, expected).await? {
                    Some(found) => Ok(found.number),
                    None if now.number > expected => Err(now.conflict(key, expected)),
                    None => Err(unknown(key, reason)),
                }
            }
        }
    }

    async fn advance(&self, key: &str, base: &Read, write: &Write, value: Option<Json>) -> Result<Tried> {
        let earlier = base.body.as_ref().map(|body| body.remembered(base.number)).unwrap_or_default();
        let body = Body {
            value,
            at: self.0.clock.now(),
            node: self.0.node.clone(),
            by: write.by.clone(),
            write: write.id.clone(),
            earlier,
        };
        Ok(match self.register(key)?.advance(&base.verified, &body).await {
            Advance::Advanced { version, .. } => {
                self.remember(key, &version);
                Tried::Written(version.number(), body)
            }
            Advance::Moved => Tried::Moved,
            Advance::Unknown { reason } => Tried::Unknown(reason),
            Advance::Refused { reason } => {
                let message = format!("document {key:?} was not written: the store refused: {reason}");
                return Err(Error::new(ErrorKind::Unavailable, message));
            }
        })
    }

    /// The version behind that of this number that a write has made, if it has; with what it says, if that is kept.
    ///
    /// # Errors
    ///
    /// `Unknown` if that can not be told any more; those of a read.
    pub(super) async fn find(&self, key: &str, newest: &Read, write: &Write, since: u64) -> Result<Option<Found>> {
        let Some(body) = &newest.body else { return Ok(None) };
        if body.write == write.id {
            return Ok(Some(Found { number: newest.number, body: Some(Body::clone(body)) }));
        }
        if let Some((_, number)) = body.earlier.iter().find(|(id, _)| *id == write.id) {
            return Ok(Some(Found { number: *number, body: None }));
        }
        // What a task has written is remembered for longer than versions are kept, so nothing has to be looked at.
        if write.is_of_a_task() && body.earlier.len() < EARLIER_MAX {
            return Ok(None);
        }
        let mut oldest = newest.number + 1;
        for (number, body) in self.past(key, newest, since).await? {
            if body.write == write.id {
                return Ok(Some(Found { number, body: Some(body) }));
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
        let read =
            |past: register::Past| Ok((past.number, past.parse().map_err(|error| spoiled(key, past.number, &error))?));
        past.into_iter().map(read).collect()
    }

    /// The keys of all documents that begin so, deleted ones too.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the store gives no answer.
    pub(crate) async fn keys(&self, beginning: &str) -> Result<BTreeSet<String>> {
        let root = format!("{}/", self.0.root);
        let names = self.0.access.list(&root, "").await.map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the documents could not be listed").because(error.to_string())
        })?;
        let segments = names.iter().filter_map(|name| name.strip_prefix(&root)?.split('/').next());
        Ok(segments.filter_map(key::key).filter(|key| key.starts_with(beginning)).collect())
    }
}

fn spoiled(key: &str, number: u64, error: &serde_json::Error) -> Error {
    let message = format!("version {number} of document {key:?} is none that this build can read");
    Error::new(ErrorKind::Corrupt, message).because(error.to_string())
}

fn unread(key: &str, error: register::Error) -> Error {
    let kind = match &error {
        register::Error::Unavailable { .. } => ErrorKind::Unavailable,
        register::Error::Corrupt(_) => ErrorKind::Corrupt,
    };
    Error::new(kind, format!("document {key:?} could not be read")).because(error.to_string())
}

fn unknown(key: &str, reason: String) -> Error {
    Error::new(ErrorKind::Unknown, format!("it is not known whether document {key:?} was written")).because(reason)
}
