//! The register: a chain of write-once versions that only ever grows (R1 to R8).
//!
//! A version is an object `<register>/<version, 20 digits>` of one line of JSON. The rules are those of the module
//! `journal`; each step below names its rule. A register's name must not be a prefix of another register's.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;
use uuid::Uuid;

use super::access::{Access, Backoff};
use super::alarm::Corrupt;
use super::digest::Digest;
use super::ids::Ids;
use super::late::Late;
use super::name::padded;
use crate::port::store::{self, Create};

/// A register: its name, and how it is reached.
#[derive(Clone, Debug)]
pub(crate) struct Register {
    pub(super) access: Access,
    ids: Ids,
    name: String,
    keep: u64,
}

/// A version whose content is known to be the register's (R2). Only a verified read and a won advance make one.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    number: u64,
    write: Uuid,
    body: Option<Arc<RawValue>>,
}

impl Verified {
    /// The version before the first: an empty register.
    fn empty() -> Self {
        Self { number: 0, write: Uuid::nil(), body: None }
    }

    /// The number of the version; 0 is the empty register.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// What it holds, as JSON text; `None` for the empty register.
    pub(crate) fn body(&self) -> Option<&str> {
        self.body.as_deref().map(RawValue::get)
    }

    /// What it holds, read as a `T`; `None` for the empty register.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<Option<T>, serde_json::Error> {
        self.body().map(serde_json::from_str).transpose()
    }
}

/// A version of the past, known to be one of those from which a verified one has come.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) number: u64,
    body: Box<RawValue>,
}

impl Past {
    /// What it holds, read as a `T`.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.body.get())
    }
}

/// The versions of the past, one after the other: see [`Register::walk`].
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    register: &'a Register,
    /// The next one, if it is behind `until`.
    number: u64,
    until: u64,
    expected: Uuid,
}

impl Walk<'_> {
    /// The next one; `None` behind the last that is kept.
    ///
    /// # Errors
    /// Those of [`Register::past`].
    pub(crate) async fn next(&mut self) -> Result<Option<Past>, Error> {
        Ok(self.next_object().await?.map(|(object, _)| Past { number: object.version, body: object.body }))
    }

    /// The same with all that it says, and its size in bytes.
    async fn next_object(&mut self) -> Result<Option<(Object, usize)>, Error> {
        let Self { register, number, until, expected } = *self;
        if number <= until {
            return Ok(None);
        }
        let found = register.access.get_patiently(&register.object(number)).await;
        if let Some(bytes) = found.map_err(|error| register.unavailable(error))? {
            let object = register.decode(number, &bytes).map_err(Corrupt::raise)?;
            if object.write == expected {
                (self.number, self.expected) = (number - 1, object.predecessor);
                return Ok(Some((object, bytes.len())));
            }
        }
        self.number = until;
        Ok(None)
    }
}

/// What became of an advance (R7).
#[derive(Clone, Debug)]
#[must_use]
pub(crate) enum Advance {
    /// It was the newest version, once.
    Advanced {
        /// The version made.
        version: Verified,
        /// Whether it is known to be the newest no more.
        superseded: bool,
    },
    /// It never was and never will be in the register: read again, and decide again.
    Moved,
    /// Either. The register does not try it again.
    Unknown {
        /// What was seen last.
        reason: String,
    },
    /// Nothing was written and nothing will be: the store refused the only try. Nobody else moved either, as far as known.
    Refused {
        /// What the store said.
        reason: String,
    },
}

/// Why a register cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The store gave no answer, or versions came faster than they could be verified.
    #[error("register {register} could not be read: {reason}")]
    Unavailable {
        /// The register.
        register: String,
        /// What was seen last.
        reason: String,
    },
    /// What cannot happen.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

/// The bytes of a version (R1), one line.
#[derive(Serialize, Deserialize)]
struct Object {
    version: u64,
    write: Uuid,
    predecessor: Uuid,
    body: Box<RawValue>,
    checksum: Digest,
}

impl Object {
    fn checksum(&self, register: &str) -> Digest {
        let ids = format!("{register}\n{}\n{}\n{}\n", self.version, self.write, self.predecessor);
        Digest::of_parts(&[ids.as_bytes(), self.body.get().as_bytes()])
    }
}

/// One advance under way: what was decided before the first try.
struct Attempt {
    base: u64,
    write: Uuid,
    body: Arc<RawValue>,
    bytes: Bytes,
    perhaps_written: bool,
}

/// The steps of an advance.
#[derive(Clone, Copy)]
enum Phase {
    Create,
    Confirm,
    Settle,
    Ahead,
}

/// What a step leads to.
enum Next {
    Go(Phase),
    Again(Phase, String),
    Done(Advance),
}

impl Register {
    /// The register called `name`, of whose versions at least the `keep` newest are never pruned by anybody.
    pub(crate) fn new(access: Access, ids: Ids, name: String, keep: u64) -> Self {
        Self { access, ids, name, keep: keep.max(1) }
    }

    /// Reads the newest version, verified (R2). With a `cached` version that is still the newest this is one list.
    ///
    /// # Errors
    /// Unavailable after a bounded number of tries; Corrupt for what cannot happen.
    pub(crate) async fn read(&self, cached: Option<&Verified>) -> Result<Verified, Error> {
        let mut backoff = Backoff::default();
        let mut damaged = None;
        let mut reason = "a newer version came with every look".to_owned();
        loop {
            match self.look(cached).await {
                Ok(Some(version)) => return Ok(version),
                Ok(None) => {}
                Err(Error::Unavailable { reason: seen, .. }) => reason = seen,
                // A truncated answer looks like damage, so damage is looked at again before it is believed.
                Err(Error::Corrupt(found)) => damaged = Some(found),
            }
            if backoff.waits() + 1 >= self.access.tries() {
                return Err(match damaged {
                    Some(corrupt) => corrupt.raise().into(),
                    None => self.unavailable(reason),
                });
            }
            backoff.wait().await;
        }
    }

    /// R2, once: list, get, list. `None` when it must start again.
    async fn look(&self, cached: Option<&Verified>) -> Result<Option<Verified>, Error> {
        let known = cached.map_or(0, |version| version.number);
        let newest = self.newest_from(known).await?;
        if newest < known {
            let back = Corrupt::RegisterBack { register: self.name.clone(), from: known, to: newest };
            return Err(back.into());
        }
        if newest == 0 {
            return Ok(Some(Verified::empty()));
        }
        if let Some(cached) = cached.filter(|version| version.number == newest) {
            return Ok(Some(cached.clone()));
        }
        let Some(bytes) = self.get(newest).await? else {
            return Ok(None);
        };
        // Without this list the version may have been pruned and created again, by a late writer, meanwhile.
        if self.newest_from(newest).await? != newest {
            return Ok(None);
        }
        let object = self.decode(newest, &bytes)?;
        Ok(Some(Verified { number: newest, write: object.write, body: Some(object.body.into()) }))
    }

    /// The versions from `newest` down to that behind `until`, as far as they are kept; the newest first.
    ///
    /// A pruned name may hold what a late writer has created there: only what a later version names as its predecessor is
    /// the register's (R3).
    ///
    /// # Errors
    /// Unavailable when the store gives no answer; Corrupt for what cannot happen.
    pub(crate) async fn past(&self, newest: &Verified, until: u64) -> Result<Vec<Past>, Error> {
        let (mut walk, mut past) = (self.walk(newest, until), Vec::new());
        while let Some(version) = walk.next().await? {
            past.push(version);
        }
        Ok(past)
    }

    /// The numbers of the versions that are kept, and how many bytes each has; the newest first. Read like [`Self::past`].
    ///
    /// # Errors
    /// Those of [`Self::read`] and [`Self::past`].
    pub(crate) async fn kept(&self) -> Result<Vec<(u64, usize)>, Error> {
        let newest = self.read(None).await?;
        let (mut walk, mut kept) = (self.walk(&newest, 0), Vec::new());
        while let Some((object, bytes)) = walk.next_object().await? {
            kept.push((object.version, bytes));
        }
        Ok(kept)
    }

    /// The same, one at a time: for who does not need all of them at once.
    pub(crate) fn walk(&self, newest: &Verified, until: u64) -> Walk<'_> {
        Walk { register: self, number: newest.number, until, expected: newest.write }
    }

    /// Makes the next version after `base` with `body` (R3 to R7).
    ///
    /// The base may be old: then it is Moved, harmlessly. Bounded in tries, then Unknown. If the future is dropped the
    /// outcome is unknown.
    pub(crate) async fn advance(&self, base: &Verified, body: &impl Serialize) -> Advance {
        self.advance_with(base, |_| body).await
    }

    /// Like [`Self::advance`], with a body that names the id of its own write. Each call is another intent and
    /// another id (R1).
    pub(crate) async fn advance_with<T: Serialize>(&self, base: &Verified, body: impl FnOnce(Uuid) -> T) -> Advance {
        let mut attempt = match self.attempt(base, body) {
            Ok(attempt) => attempt,
            Err(error) => {
                return Advance::Refused { reason: format!("the body is not JSON: {error}") };
            }
        };
        let mut backoff = Backoff::default();
        let mut phase = Phase::Create;
        loop {
            phase = match self.step(&mut attempt, phase).await {
                Next::Go(next) => next,
                Next::Done(advance) => return advance,
                Next::Again(_, reason) if backoff.waits() + 1 >= self.access.tries() => {
                    return Advance::Unknown { reason };
                }
                Next::Again(next, _) => {
                    backoff.wait().await;
                    next
                }
            };
        }
    }

    /// R1: the bytes are fixed before the first try.
    fn attempt<T: Serialize>(
        &self,
        base: &Verified,
        body: impl FnOnce(Uuid) -> T,
    ) -> Result<Attempt, serde_json::Error> {
        let write = self.ids.next();
        let body = serde_json::value::to_raw_value(&body(write))?;
        let mut object =
            Object { version: base.number + 1, write, predecessor: base.write, body, checksum: Digest::ZERO };
        object.checksum = object.checksum(&self.name);
        let mut bytes = serde_json::to_vec(&object)?;
        bytes.push(b'\n');
        let body = object.body.into();
        Ok(Attempt { base: base.number, write, body, bytes: bytes.into(), perhaps_written: false })
    }

    async fn step(&self, attempt: &mut Attempt, phase: Phase) -> Next {
        let answer = match phase {
            Phase::Create => return self.create(attempt).await,
            Phase::Confirm => self.confirm(attempt).await,
            Phase::Settle => self.settle(attempt).await,
            Phase::Ahead => self.ahead(attempt).await,
        };
        match answer {
            Ok(next) => next,
            Err(Error::Unavailable { reason, .. }) => Next::Again(phase, reason),
            Err(Error::Corrupt(corrupt)) => Next::Again(phase, corrupt.raise().to_string()),
        }
    }

    /// R3: create the next version.
    async fn create(&self, attempt: &mut Attempt) -> Next {
        match self.access.create(&self.object(attempt.base + 1), attempt.bytes.clone()).await {
            Ok(Create::Created) => {
                attempt.perhaps_written = true;
                Next::Go(Phase::Confirm)
            }
            Err(store::Error::Refused { reason }) if !attempt.perhaps_written => {
                Next::Done(Advance::Refused { reason })
            }
            Ok(Create::Exists) | Err(_) => {
                attempt.perhaps_written = true;
                Next::Go(Phase::Settle)
            }
        }
    }

    /// R4: created proves nothing yet, for the name may have been pruned; one list proves it.
    async fn confirm(&self, attempt: &Attempt) -> Result<Next, Error> {
        let made = attempt.base + 1;
        Ok(match self.last_after(made).await? {
            None => Next::Done(attempt.advanced(false)),
            Some(_) => Next::Go(Phase::Ahead),
        })
    }

    /// R6: any other answer is unclear. The get must come before the list.
    async fn settle(&self, attempt: &Attempt) -> Result<Next, Error> {
        let made = attempt.base + 1;
        let found = self.get(made).await?;
        let last = self.last_after(attempt.base).await?.unwrap_or(0);
        if last > made {
            return Ok(Next::Go(Phase::Ahead));
        }
        if last < made {
            // Absent, and it may still land: the same bytes again, never "failed".
            return Ok(Next::Again(Phase::Create, format!("version {made} is not there yet")));
        }
        Ok(match found {
            None => Next::Again(Phase::Settle, format!("version {made} came between get and list")),
            Some(bytes) if self.decode(made, &bytes)?.write == attempt.write => Next::Done(attempt.advanced(false)),
            Some(_) => Next::Done(Advance::Moved),
        })
    }

    /// R5: somebody is ahead, which does not mean that we lost: the successor names whom it follows.
    async fn ahead(&self, attempt: &Attempt) -> Result<Next, Error> {
        let successor = attempt.base + 2;
        Ok(Next::Done(match self.get(successor).await? {
            None => Advance::Unknown { reason: format!("version {successor} was pruned") },
            Some(bytes) if self.decode(successor, &bytes)?.predecessor == attempt.write => attempt.advanced(true),
            Some(_) => Advance::Moved,
        }))
    }

    /// Deletes versions that nobody needs (R8): those at least `keep` behind a newest version that was seen the delay
    /// of `late` ago. Returns how many. A delete without an answer is left for the next time.
    ///
    /// # Errors
    /// Unavailable when the list is.
    pub(crate) async fn prune(&self, late: &mut Late<u64>, now: Instant) -> Result<usize, Error> {
        let versions = self.versions_after(0).await?;
        let Some(&newest) = versions.last() else {
            return Ok(0);
        };
        let Some(seen) = late.ripe(now, newest) else {
            return Ok(0);
        };
        let mut pruned = 0;
        for &version in versions.iter().filter(|&&version| version + self.keep <= seen) {
            pruned += usize::from(self.access.delete(&self.object(version)).await.is_ok());
        }
        Ok(pruned)
    }

    /// The numbers of all versions that there are, also such as a late writer has left.
    ///
    /// # Errors
    /// Unavailable when the list is.
    pub(crate) async fn versions(&self) -> Result<Vec<u64>, Error> {
        self.versions_after(0).await
    }

    /// Deletes one version, of which the caller knows by R8 that nobody needs it.
    ///
    /// # Errors
    /// Unavailable when it may be there yet.
    pub(crate) async fn delete(&self, version: u64) -> Result<(), Error> {
        self.access.delete(&self.object(version)).await.map_err(|error| self.unavailable(error))
    }

    /// The last version listed, looking only at `from` and later (all of them for 0); 0 if there is none.
    async fn newest_from(&self, from: u64) -> Result<u64, Error> {
        let versions = self.versions_after(from.saturating_sub(1)).await?;
        let newest = versions.last().copied().unwrap_or(0);
        // J10. The list shows the one before only if it begins there; with fewer than two kept it may be pruned.
        let covered = newest > from.max(1) && self.keep >= 2;
        if covered && !versions.contains(&(newest - 1)) {
            return Err(Corrupt::VersionGap { register: self.name.clone(), version: newest }.into());
        }
        Ok(newest)
    }

    async fn last_after(&self, version: u64) -> Result<Option<u64>, Error> {
        Ok(self.versions_after(version).await?.last().copied())
    }

    async fn versions_after(&self, version: u64) -> Result<Vec<u64>, Error> {
        let prefix = format!("{}/", self.name);
        let after = if version == 0 { String::new() } else { self.object(version) };
        let names = self.access.list(&prefix, &after).await.map_err(|error| self.unavailable(error))?;
        names
            .iter()
            .map(|name| {
                name.strip_prefix(&prefix).and_then(padded).ok_or_else(|| {
                    Corrupt::undecodable(name, "a register holds versions only, named by 20 digits").into()
                })
            })
            .collect()
    }

    async fn get(&self, version: u64) -> Result<Option<Bytes>, Error> {
        self.access.get(&self.object(version)).await.map_err(|error| self.unavailable(error))
    }

    fn decode(&self, version: u64, bytes: &[u8]) -> Result<Object, Corrupt> {
        let name = self.object(version);
        let object: Object = serde_json::from_slice(bytes).map_err(|error| Corrupt::undecodable(&name, error))?;
        if object.checksum != object.checksum(&self.name) {
            return Err(Corrupt::undecodable(&name, "its checksum does not match"));
        }
        if object.version != version {
            return Err(Corrupt::Misplaced { name, says: format!("version {}", object.version) });
        }
        Ok(object)
    }

    pub(super) fn object(&self, version: u64) -> String {
        format!("{}/{version:020}", self.name)
    }

    fn unavailable(&self, reason: impl std::fmt::Display) -> Error {
        Error::Unavailable { register: self.name.clone(), reason: reason.to_string() }
    }
}

impl Attempt {
    fn advanced(&self, superseded: bool) -> Advance {
        let version = Verified { number: self.base + 1, write: self.write, body: Some(self.body.clone()) };
        Advance::Advanced { version, superseded }
    }
}
