//! A partition: the actor that owns one journal, and with it a share of all runs.
//!
//! # The order of things
//!
//! 1. A node claims the journal and replays it ([`recover`]); only then is there an actor, so there is never one that
//!    answers without owning.
//! 2. Each command is decided and applied in memory at once; its events join the pending [`batch`], and whatever may
//!    be told of it (an answer, a task to hand out, an event to a watcher) waits there with them.
//! 3. One batch is appended at a time. When it is durable, what waited with it is released, and the next one goes.
//! 4. When an append comes to anything else, the actor stops, and with it everything that was not durable. Its
//!    supervisor starts again at 1. Nothing is ever patched.
//!
//! Acceptance of a task and its heartbeats are answered from memory; the event of the acceptance rides in the next
//! batch that somebody waits for, or goes after [`tenant::RIDE_MAX`].
//!
//! # What is absent
//!
//! No handler waits for anything: the store is spoken to by a writer and a keeper of the partition's own, which report
//! back as messages. No clock and no randomness but those given. No retry of a command: that is the caller's.

pub(crate) mod actor;
mod archived;
pub(crate) mod batch;
mod closing;
mod control;
pub(crate) mod door;
mod feed;
pub(crate) mod follow;
#[cfg(feature = "test")]
pub(crate) mod fuzz;
pub(crate) mod handle;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod message;
mod proof;
mod queries;
pub(crate) mod question;
pub(crate) mod recover;
mod retention;
mod schedules;
mod snapshot;
pub(crate) mod start;
mod tally;
mod tenant;
pub(crate) mod tenure;
pub(crate) mod watch;
pub(crate) mod way;
pub(crate) mod why;
pub(crate) mod wire;
pub(crate) mod writer;

pub(crate) use closing::pages_of;
pub use message::Progress;
