//! The store: the one port that must live.
//!
//! Everything durable is an object: a name and bytes that never change. The only condition is
//! *create if the name is free*; all coordination of Callboard is built on it (see
//! `ARCHITECTURE.md`, the journal).
//!
//! # Contract, for every implementation
//!
//! - `create` stores the whole object or nothing. Of any number of concurrent creates of one name at
//!   most one is ever answered [`Create::Created`]. When it is answered, the object is durable.
//! - `create`, `get`, `list` and `delete` are linearizable per name. What `get` or `list` has shown is
//!   durable: it is not undone by a crash.
//! - A `list` shows every create and every delete that completed before it began, in ascending byte order of the
//!   names. One that takes several pages shows one moment a page, in that order: nothing that was there throughout is
//!   missing, and what is created behind the last page read is still seen.
//! - An unclear answer is an answer: after [`Error::Unclear`] the operation may have taken effect, may
//!   take effect later, or never. After [`Error::Refused`] it has not and never will.
//! - Dropping a returned future makes the operation's outcome unclear, never its atomicity.

#[cfg(any(test, feature = "test"))]
pub mod conformance;
#[cfg(any(test, feature = "test"))]
pub mod fault;
pub mod folder;
#[cfg(test)]
mod liars;
pub mod memory;
mod name;
pub mod overlay;
pub mod probe;
#[cfg(feature = "s3")]
pub mod s3;

use bytes::Bytes;
use futures::future::BoxFuture;

pub use folder::{FolderStore, OpenError};
pub use memory::MemoryStore;
pub use overlay::OverlayStore;
#[cfg(feature = "s3")]
pub use s3::{S3Options, S3Store};

/// What a `create` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Create {
    /// The name was free; the object is durable.
    Created,
    /// The name is taken, perhaps by an earlier try of the same create.
    Exists,
}

/// Why an operation of the store has no plain answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was written and nothing will be: the disk is full, the name is malformed, the store is
    /// closed or has refused to serve.
    #[error("the store refused: {reason}")]
    Refused {
        /// What the store said.
        reason: String,
    },
    /// The operation may or may not have taken effect, now or later.
    #[error("the store's answer is unclear: {reason}")]
    Unclear {
        /// What was seen instead of an answer.
        reason: String,
    },
}

/// A place for objects. See the module for the contract.
///
/// Names are `/`-separated segments of `[A-Za-z0-9._=-]`, no segment empty, `.` or `..`, at most 512
/// bytes in all; any other name is [`Error::Refused`].
pub trait Store: Send + Sync + 'static {
    /// Creates `name` with `bytes` if the name is free.
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, Error>>;

    /// The bytes of `name`, or `None` if there is no such object.
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>>;

    /// All names that start with `prefix` and sort after `after` (exclusive; `""` for all), in ascending
    /// byte order, over as many pages as it takes.
    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>>;

    /// Removes `name`; removing a name that is free is no error.
    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Error>>;
}
