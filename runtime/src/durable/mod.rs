//! Durable code: what a handler does through its context is recorded, and never done again.
//!
//! A handler is ordinary async code. Each durable call has a key ([`key`]); what it came to is an entry in the record of
//! its task. When the handler begins again, after a crash, a failed attempt or a long wait, it is given what is recorded,
//! one outcome at a time and in the order in which it was recorded, and is polled to rest in between ([`driver`]): so
//! branches that run beside one another see what they saw. A handler that waits for anything else meanwhile may find several
//! outcomes at once: whatever chooses among them (a race, a map, a vote) goes by the order of the record.
//!
//! # What is absent
//!
//! No order among the calls of one handler but that of their outcomes. No threads: the code of a step is polled with its
//! handler. No knowledge of partitions: entries come, notes go.

pub(crate) mod calls;
mod child;
pub(crate) mod driver;
mod effect;
mod key;
mod map;
mod nested;
#[cfg(feature = "test")]
pub(crate) mod playback;
mod polled;
mod race;
mod root;
mod spend;
mod start;
mod step;
pub(crate) mod trap;
mod vote;
mod wait;

pub use child::{Calling, Child, Submitting};
pub use effect::{EffectStep, IdempotencyKey};
pub use map::{Joined, Mapping};
pub use nested::{Nested, Nesting};
pub use race::Either;
pub use spend::Spent;
pub use start::Starting;
pub use vote::Voting;
pub use wait::{Approval, Barrier, Met, Signal};

use crate::{Error, ErrorKind, Result};
use callboard_core::Json;
use serde::Serialize;

/// The key of the first call of this kind and name, outside of any scope.
#[cfg(feature = "test")]
pub(crate) fn stem_of(kind: &str, name: &str) -> String {
    key::stem("", kind, name)
}

/// The JSON of a value that is to be recorded.
fn json_of<T: Serialize>(value: &T, what: &str) -> Result<Json> {
    Json::of(value)
        .map_err(|error| Error::new(ErrorKind::Invalid, format!("the value of {what} has no JSON form")).because(error))
}
