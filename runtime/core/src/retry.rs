//! When a failed attempt is followed by another.

use crate::{Failure, TaskRef};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::time::Duration;

/// How often and after which back-off a failed attempt is followed by another.
///
/// The delay before retry *n* is `base × factor^(n − 1)`, at most `cap`, times a jitter between 0.8 and 1.2 that is
/// derived from the ids of run, task and attempt: it spreads a crowd and is the same in every replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Retries after the first attempt; 3 by default, so 4 attempts.
    pub retries: u32,
    /// Delay before the first retry, in milliseconds; 2,000 by default.
    pub base_ms: u64,
    /// Growth of the delay from one retry to the next, in thousandths; 2,000 (doubling) by default.
    pub factor_permille: u32,
    /// The longest delay before jitter, in milliseconds; 60,000 by default.
    pub cap_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { retries: 3, base_ms: 2_000, factor_permille: 2_000, cap_ms: 60_000 }
    }
}

impl Retry {
    /// Exponential back-off with `retries` retries, so `retries + 1` attempts.
    pub fn exponential(retries: u32) -> Self {
        Self { retries, ..Self::default() }
    }

    /// No retry: one attempt.
    pub fn never() -> Self {
        Self { retries: 0, ..Self::default() }
    }

    /// The same with another delay before the first retry.
    #[must_use]
    pub fn base(self, base: Duration) -> Self {
        Self { base_ms: millis(base), ..self }
    }

    /// The same with another longest delay.
    #[must_use]
    pub fn cap(self, cap: Duration) -> Self {
        Self { cap_ms: millis(cap), ..self }
    }

    /// The delay before the attempt after `attempt` (from 1), or `None` when `failure` ends the task.
    ///
    /// A `retry_after` of the failing side is a lower bound of the delay; it is not capped and has no jitter below it.
    pub fn delay(&self, task: TaskRef, attempt: u32, failure: &Failure) -> Option<Duration> {
        if !failure.class.is_retryable() || attempt > self.retries {
            return None;
        }
        let backoff = u128::from(self.backoff_ms(attempt)) * u128::from(jitter_permille(task, attempt)) / 1_000;
        let backoff = u64::try_from(backoff).unwrap_or(u64::MAX);
        Some(Duration::from_millis(backoff.max(failure.retry_after_ms.unwrap_or(0))))
    }

    /// The back-off after `attempt` without jitter, in integers so that every machine agrees.
    fn backoff_ms(&self, attempt: u32) -> u64 {
        let (mut delay, cap) = (u128::from(self.base_ms), u128::from(self.cap_ms));
        for _ in 1..attempt {
            let grown = delay * u128::from(self.factor_permille) / 1_000;
            match grown.cmp(&delay) {
                Ordering::Equal => break, // it stays where it is
                Ordering::Greater if delay >= cap => break,
                Ordering::Less | Ordering::Greater => delay = grown,
            }
        }
        delay.min(cap) as u64
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// 800 to 1,200, spread by a hash of who waits for what.
fn jitter_permille(task: TaskRef, attempt: u32) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(task.run.as_bytes());
    hasher.update(&task.task.0.to_le_bytes());
    hasher.update(&attempt.to_le_bytes());
    let hash = hasher.finalize();
    let low = u16::from_le_bytes([hash.as_bytes()[0], hash.as_bytes()[1]]);
    800 + u64::from(low) % 401
}
