//! Being late on purpose: what is seen now may be acted upon later.

use std::time::Duration;

use callboard_core::sabotage::{self, Sabotage};
use tokio::time::Instant;

/// Remembers one observation until it is old enough to act upon (J8, R8).
///
/// Kept in memory only: a new process waits anew, which errs on the late side. One observation at a time is
/// enough: acting is late by one to two delays, and the next observation is taken then.
#[derive(Debug)]
pub(crate) struct Late<T> {
    delay: Duration,
    seen: Option<(Instant, T)>,
}

impl<T: Clone> Late<T> {
    /// Holds every observation back for `delay`; zero holds nothing back.
    pub(crate) fn new(delay: Duration) -> Self {
        Self { delay, seen: None }
    }

    /// Notes `current` and returns what may be acted upon now: an observation at least a delay old.
    pub(crate) fn ripe(&mut self, now: Instant, current: T) -> Option<T> {
        if sabotage::is(Sabotage::GarbageAtOnce) {
            return Some(current);
        }
        let (since, earlier) = self.seen.get_or_insert_with(|| (now, current.clone())).clone();
        if now.saturating_duration_since(since) < self.delay {
            return None;
        }
        self.seen = Some((now, current.clone()));
        Some(if self.delay.is_zero() { current } else { earlier })
    }
}
