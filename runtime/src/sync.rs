//! The locks and permits that [`schedules`] can test: those of `std` and tokio, by one name.
//!
//! In the tests of this crate each of them first lets the others go on, if the test runs under shuttle, and is otherwise
//! the same; so shuttle chooses the order in which threads come to a lock, in the code that is shipped. What tokio's own
//! types do inside is one step there: tokio tests it under loom.

#[cfg(test)]
mod in_steps;
#[cfg(test)]
pub(crate) mod schedules;

#[cfg(test)]
pub(crate) use in_steps::{Mutex, MutexGuard, Semaphore};
#[cfg(not(test))]
pub(crate) use std::sync::{Mutex, MutexGuard};
#[cfg(not(test))]
pub(crate) use tokio::sync::Semaphore;
