//! Restart trees: whatever runs has a supervisor, and the supervisor knows why it stopped.
//!
//! A [`Supervisor`] keeps its children running, each for itself (one-for-one): a child that stops is judged by its own
//! [`Policy`], started again after a growing back-off, and given up when it stops too often; then the tree ends or goes on
//! without it. Its users hold a [`Slot`], which finds whichever incarnation runs now.
//!
//! - Why a child stopped is a [`Stopped`], and a child may bring a judgement of its own ([`ChildSpec::judged_by`]): what
//!   waits for a dependency is tried again without end ([`Ruling::RestartUncounted`]).
//! - A failed start is a stop like any other.
//! - An incarnation starts with an empty mailbox: what was cast to the last one is lost. What matters is a call.
//! - Children have names for people only; nothing is put into a global registry.
//! - A start may take long; it runs beside the supervisor and is dropped when it is no longer wanted.
//! - [`Supervisor::shutdown`] ends the children one after the other, the last added first: it drains each, stops it when
//!   that takes too long, and kills it when that does not help.

#[cfg(feature = "test")]
mod actors;
mod alarm;
mod child;
mod event;
mod policy;
mod reminder;
mod shutdown;
mod slot;
mod stopped;
mod supervisor;
mod tree;

#[cfg(test)]
mod tests;

pub(crate) use alarm::Alarm;
pub(crate) use child::{ChildSpec, Ending};
pub(crate) use event::{Event, EventKind};
pub(crate) use policy::{Backoff, OnGiveUp, Policy, Restart, Ruling};
pub(crate) use reminder::Reminder;
pub(crate) use shutdown::Report;
pub(crate) use slot::{Gone, Slot};
pub(crate) use stopped::{Failure, FailureKind, Stopped};
pub(crate) use supervisor::{AddError, Settings, Subtree, Supervisor};
