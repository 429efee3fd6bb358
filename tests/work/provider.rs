//! Something outside that can be down.

use callboard::prelude::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Something outside that is up or down, and counts who calls; a cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Provider(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    is_down: bool,
    /// How long an answer takes.
    takes: Duration,
    calls: Vec<(Instant, String)>,
}

impl Provider {
    /// One that is down.
    #[must_use]
    pub fn down() -> Self {
        let provider = Self::default();
        provider.goes_down();
        provider
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on each call fails, and might do well if it is made again.
    pub fn goes_down(&self) {
        self.lock().is_down = true;
    }

    /// From now on each call is answered.
    pub fn comes_back(&self) {
        self.lock().is_down = false;
    }

    /// From now on each call takes so long to be answered, or to fail.
    pub fn takes(&self, time: Duration) {
        self.lock().takes = time;
    }

    /// How many calls there have been.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.lock().calls.len()
    }

    /// When each call came, and for which task.
    #[must_use]
    pub fn all(&self) -> Vec<(Instant, String)> {
        self.lock().calls.clone()
    }

    /// A call.
    ///
    /// # Errors
    ///
    /// `Retryable` while it is down.
    pub async fn call(&self, what: &str) -> Result<String> {
        let (is_down, takes) = {
            let mut state = self.lock();
            state.calls.push((Instant::now(), what.to_owned()));
            (state.is_down, state.takes)
        };
        if !takes.is_zero() {
            sleep(takes).await;
        }
        if is_down { Err(Error::retryable("503")) } else { Ok(format!("answer to {what}")) }
    }
}
