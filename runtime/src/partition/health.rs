//! How a partition is doing, for whoever wants to use it: written by its tenures, read by its handle.

use crate::journal::append::{Status, Stuck};
use crate::supervise::{Failure, FailureKind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Why a partition is down, or how its appends are going.
#[derive(Debug, Default)]
pub(crate) struct Health {
    trouble: Mutex<Option<Failure>>,
    status: Mutex<Option<watch::Receiver<Status>>>,
    epoch: Mutex<Option<u64>>,
    /// Why its node stops.
    closed: Mutex<Option<String>>,
}

impl Health {
    /// A tenure has begun.
    pub(crate) fn up(&self, epoch: u64, status: watch::Receiver<Status>) {
        *lock(&self.trouble) = None;
        *lock(&self.epoch) = Some(epoch);
        *lock(&self.status) = Some(status);
    }

    /// A tenure has ended, or could not begin.
    pub(crate) fn down(&self, failure: Failure) {
        *lock(&self.trouble) = Some(failure);
        *lock(&self.status) = None;
        *lock(&self.epoch) = None;
    }

    /// Nobody serves it. What this node has seen itself says more.
    pub(crate) fn quarantined(&self, failure: Failure) {
        let mut trouble = lock(&self.trouble);
        if trouble.as_ref().is_none_or(|trouble| trouble.kind != FailureKind::Corrupt) {
            *trouble = Some(failure);
        }
    }

    /// The epoch of the present tenure.
    pub(crate) fn epoch(&self) -> Option<u64> {
        *lock(&self.epoch)
    }

    /// Its node stops; the first reason counts.
    pub(crate) fn close(&self, reason: &str) {
        lock(&self.closed).get_or_insert_with(|| reason.to_owned());
    }

    /// Why its node stops, if it does.
    pub(crate) fn closed(&self) -> Option<String> {
        lock(&self.closed).clone()
    }

    /// Why it is down, if it is.
    pub(crate) fn trouble(&self) -> Option<Failure> {
        lock(&self.trouble).clone()
    }

    /// The append that has had no clear answer yet, if there is one.
    pub(crate) fn stuck(&self) -> Option<Stuck> {
        lock(&self.status).as_ref().and_then(|status| status.borrow().stuck.clone())
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
