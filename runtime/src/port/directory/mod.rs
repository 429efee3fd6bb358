//! The directory: who is there, and who means to do what. It is soft: all of it may be forgotten at any moment.
//!
//! # Contract, for every implementation
//!
//! - **Everything expires.** A registration or a lease that is not renewed is gone after its time to live, measured by the
//!   directory's own clock; never before, but perhaps a little later.
//! - **Everything may be forgotten**, all of it or one entry, at any moment; a write that was answered may be undone by a
//!   failover. Whoever wants to be known registers again, in a fraction of its time to live.
//! - **Nothing correct depends on it.** A lease spares two nodes a collision, it does not prevent one: two holders may both
//!   have been told [`Lease::Held`]. What must not happen twice is fenced by the journal, never by a lease. No fencing token
//!   comes from here.
//! - While nothing is forgotten, reads see the writes that had been answered before, of everybody, and of any number of
//!   concurrent acquires of one free lease one is answered `Held`.
//! - After [`Error::Unclear`] the operation may have taken effect; it will have expired soon.
//! - No call waits for ever: a remote implementation bounds each by a limit of its own.
//!
//! A listing goes by one exact kind, not by a prefix: the distributed directory keeps one sorted set per kind and must
//! never walk over all keys. What is to be found in two ways is registered under two kinds.

pub mod memory;
#[cfg(feature = "redis")]
pub mod redis;

#[cfg(any(test, feature = "test"))]
pub mod conformance;
#[cfg(any(test, feature = "test"))]
pub mod fault;

use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, ready};
use futures::{FutureExt, StreamExt, stream};

/// The longest kind, id, lease name or holder, in bytes.
pub const NAME_BYTES_MAX: usize = 200;

/// Registrations that are under way at once, where each is an operation of its own.
const PUT_AT_ONCE: usize = 32;

/// Why an operation of the directory has no plain answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing was done and nothing will be: a name is malformed, a time to live is zero, there is no connection.
    #[error("the directory refused: {reason}")]
    Refused {
        /// What the directory said.
        reason: String,
    },
    /// The operation may or may not have taken effect, now or later.
    #[error("the directory's answer is unclear: {reason}")]
    Unclear {
        /// What was seen instead of an answer.
        reason: String,
    },
}

/// One registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who is registered, unique within the kind.
    pub id: String,
    /// What was registered.
    pub value: Bytes,
}

/// What became of an acquire or a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a lease is not always ours"]
pub enum Lease {
    /// It is ours for the time to live, counted from before the answer.
    Held,
    /// Somebody else has it.
    HeldBy(String),
    /// Nobody has it: ours has expired or was forgotten. Answered to a renewal only.
    Free,
}

/// What became of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It was ours and is free.
    Released,
    /// It was not ours, and nothing has changed.
    NotHeld,
}

/// What a holder asks of a pool of parts that all look alike, so many at a time or so many in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// How many parts the pool has, at most 2^53: what all holders together have.
    pub capacity: u64,
    /// How many the holder keeps in any case, for they are in use, up to what it wants.
    pub kept: u64,
    /// How many it wants.
    pub wanted: u64,
    /// It takes none rather than fewer than this, and is not waited for then.
    pub least: u64,
}

/// What a holder has of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it may be less than was wanted"]
pub struct Share {
    /// How many parts it has.
    pub held: u64,
    /// How many it may use again: fewer than it has if others have less than they want, and `u64::MAX` if not.
    pub fair: u64,
}

/// A place for expiring facts. See the module for the contract.
///
/// Kinds, ids, lease names and holders are 1 to [`NAME_BYTES_MAX`] bytes of `[A-Za-z0-9._:=-]`; any other, and a time to
/// live under a millisecond, is [`Error::Refused`]. Dropping a returned future leaves the outcome unclear.
pub trait Directory: Send + Sync + 'static {
    /// Registers `value` as `id` of `kind` for `ttl`, in the place of what was there.
    fn put<'a>(&'a self, kind: &'a str, id: &'a str, value: Bytes, ttl: Duration) -> BoxFuture<'a, Result<(), Error>>;

    /// Registers all of these, each as [`put`](Self::put) does, and answers the first error: an id that is refused keeps no
    /// other out; after another error some may be registered and others not.
    fn put_all<'a>(
        &'a self,
        kind: &'a str,
        entries: &'a [(String, Bytes)],
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), Error>> {
        let puts = entries.iter().map(move |(id, value)| self.put(kind, id, value.clone(), ttl));
        let all = stream::iter(puts).buffer_unordered(PUT_AT_ONCE);
        all.fold(Ok(()), |all: Result<(), Error>, one| ready(all.and(one))).boxed()
    }

    /// Removes a registration; removing what is not there is no error.
    fn remove<'a>(&'a self, kind: &'a str, id: &'a str) -> BoxFuture<'a, Result<(), Error>>;

    /// All registrations of exactly this `kind`, in ascending byte order of their ids.
    fn list<'a>(&'a self, kind: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, Error>>;

    /// Takes the lease `name` for `holder` if it is free, or extends it if it is already theirs.
    fn acquire<'a>(&'a self, name: &'a str, holder: &'a str, ttl: Duration) -> BoxFuture<'a, Result<Lease, Error>>;

    /// Extends the lease `name` if it is `holder`'s, and never takes a free one.
    fn renew<'a>(&'a self, name: &'a str, holder: &'a str, ttl: Duration) -> BoxFuture<'a, Result<Lease, Error>>;

    /// Frees the lease `name` if it is `holder`'s: compare and delete, so that a late release frees nobody else's.
    fn release<'a>(&'a self, name: &'a str, holder: &'a str) -> BoxFuture<'a, Result<Release, Error>>;

    /// Gives `holder` what it wants of `pool`, as far as that goes, for `ttl` and **in the place of what it has**: said again
    /// it changes nothing more, and to want nothing gives all back. What others hold is never given, and what has expired
    /// is free. While another holder has less than it wants, nobody is given more than its even share, or keeps more than
    /// what is in use.
    fn hold<'a>(
        &'a self,
        pool: &'a str,
        holder: &'a str,
        ask: Ask,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<Share, Error>>;
}

/// What one holder is given of a pool, where the others `have` and `want` so much. The script of Redis says the same.
pub(crate) fn share_of(ask: Ask, others: impl IntoIterator<Item = (u64, u64)>) -> Share {
    let (mut theirs, mut holders, mut some_want) = (0_u64, 1, false);
    for (have, want) in others {
        (theirs, holders) = (theirs.saturating_add(have), holders + 1);
        some_want |= want > have;
    }
    let fair = if some_want { (ask.capacity / holders).max(1) } else { u64::MAX };
    let free = ask.capacity.saturating_sub(theirs);
    let held = ask.wanted.min(free).min(fair).max(ask.kept.min(ask.wanted));
    Share { held: if held < ask.least { 0 } else { held }, fair }
}

/// Refuses what no implementation takes. Every implementation asks this, so that all refuse alike.
pub(crate) fn check_names(names: &[&str]) -> Result<(), Error> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._:=-".contains(&b);
    let proper = |name: &str| (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed);
    match names.iter().find(|name| !proper(name)) {
        None => Ok(()),
        Some(bad) => {
            let reason = format!("not a name (1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 . _ : = -): {bad:?}");
            Err(Error::Refused { reason })
        }
    }
}

/// Refuses a time to live under a millisecond, the smallest that a directory can count.
pub(crate) fn check_ttl(ttl: Duration) -> Result<(), Error> {
    if ttl >= Duration::from_millis(1) {
        Ok(())
    } else {
        Err(Error::Refused { reason: format!("time to live under 1 ms: {ttl:?}") })
    }
}
