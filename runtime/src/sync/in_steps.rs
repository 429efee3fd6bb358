//! Locks and permits whose users shuttle may stop before each step.

use super::schedules::{is_scheduled, others_go_on};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, LockResult, PoisonError};
use tokio::sync::{AcquireError, OwnedSemaphorePermit};

/// `std::sync::Mutex`, behind one of shuttle's if it is made under shuttle: that one is waited for, so the inner one is
/// always free.
pub(crate) struct Mutex<T> {
    gate: Option<shuttle::sync::Mutex<()>>,
    inner: std::sync::Mutex<T>,
}

/// The value first: it is let go before the gate opens.
pub(crate) struct MutexGuard<'a, T> {
    value: std::sync::MutexGuard<'a, T>,
    _gate: Option<shuttle::sync::MutexGuard<'a, ()>>,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        let gate = is_scheduled().then(|| shuttle::sync::Mutex::new(()));
        Self { gate, inner: std::sync::Mutex::new(value) }
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let gate = self.gate.as_ref().map(|gate| gate.lock().unwrap_or_else(PoisonError::into_inner));
        match self.inner.lock() {
            Ok(value) => Ok(MutexGuard { value, _gate: gate }),
            Err(poisoned) => Err(PoisonError::new(MutexGuard { value: poisoned.into_inner(), _gate: gate })),
        }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// `tokio::sync::Semaphore`, as far as it is used.
pub(crate) struct Semaphore(Arc<tokio::sync::Semaphore>);

impl Semaphore {
    pub(crate) fn new(permits: usize) -> Self {
        Self(Arc::new(tokio::sync::Semaphore::new(permits)))
    }

    pub(crate) fn available_permits(&self) -> usize {
        self.0.available_permits()
    }

    pub(crate) async fn acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.acquire_many_owned(1).await
    }

    pub(crate) async fn acquire_many_owned(self: Arc<Self>, n: u32) -> Result<OwnedSemaphorePermit, AcquireError> {
        others_go_on();
        self.0.clone().acquire_many_owned(n).await
    }
}
