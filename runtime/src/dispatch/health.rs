//! The health of an agent: how its last attempts went, forgetting with time.

#[cfg(test)]
mod tests;

use std::time::Duration;
use tokio::time::Instant;

/// How well an agent has done lately, from 0 (every attempt failed) to 1 (none did, or none for long).
///
/// It is one minus the *fault*, an exponentially weighted share of failed attempts: each attempt that ends moves the fault
/// by a fifth of the way, to 1 when it failed through the agent (an error that may be retried, a panic, a timeout, silence)
/// and to 0 when it completed. What the task is to blame for (a terminal error, a cancellation) moves nothing. Between
/// attempts the fault halves every 30 s, so that an agent that nobody asks any more is given another chance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Health {
    fault: f64,
    as_of: Instant,
}

/// How far one attempt moves the fault.
const WEIGHT: f64 = 0.2;
/// How long until a fault has halved by itself.
const HALF_LIFE: Duration = Duration::from_secs(30);

impl Health {
    pub(crate) fn new(now: Instant) -> Self {
        Self { fault: 0.0, as_of: now }
    }

    /// Notes how an attempt went.
    pub(crate) fn note(&mut self, now: Instant, completed: bool) {
        let target = if completed { 0.0 } else { 1.0 };
        let fault = self.fault_at(now);
        *self = Self { fault: fault + WEIGHT * (target - fault), as_of: now };
    }

    /// Takes over what its own node says of it.
    pub(crate) fn is_now(&mut self, score: f64, now: Instant) {
        *self = Self { fault: (1.0 - score).clamp(0.0, 1.0), as_of: now };
    }

    /// The score, 0 to 1.
    pub(crate) fn score(&self, now: Instant) -> f64 {
        1.0 - self.fault_at(now)
    }

    fn fault_at(&self, now: Instant) -> f64 {
        let half_lives = now.saturating_duration_since(self.as_of).as_secs_f64() / HALF_LIFE.as_secs_f64();
        self.fault * 0.5_f64.powf(half_lives)
    }
}
