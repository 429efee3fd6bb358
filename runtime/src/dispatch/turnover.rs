//! How fast the slots of a capability become free in this process.
//!
//! A slot of another node costs five messages more than one of ours: what they and the small commits between them take is
//! worth some hundred tasks without work. Nodes that ask one another for slots because there is a queue, which is there
//! because they ask, do a fifth of what they could, and do not get out of that by themselves. So others are asked for what
//! waits for long, and not for what is next here in a moment.

#[cfg(test)]
mod tests;

use std::time::Duration;
use tokio::time::Instant;

/// Slots that became free no longer ago than this become free all the time, until it is looked again. A disk or a broker that
/// hesitates for less is no reason to ask others.
pub(super) const LATELY: Duration = Duration::from_millis(50);
/// What waits here for longer is asked for elsewhere.
const SOON: Duration = Duration::from_millis(250);
/// Over so many slots the pace is a mean.
const OF_THE_LAST: f64 = 16.0;

/// When slots have become free.
#[derive(Debug, Default)]
pub(super) struct Turnover {
    last: Option<Instant>,
    /// Seconds from one to the next, of late.
    pace: f64,
}

impl Turnover {
    /// A slot is free.
    pub(super) fn freed(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            let since = now.saturating_duration_since(last).min(SOON).as_secs_f64();
            self.pace += (since - self.pace) / OF_THE_LAST;
        }
    }

    /// Whether so many tasks, of which the first has waited for so long, all have their turn soon.
    pub(super) fn takes_soon(&self, waiting: usize, waited: Duration, now: Instant) -> bool {
        let is_under_way = self.last.is_some_and(|last| now.saturating_duration_since(last) < LATELY);
        is_under_way && waited < SOON && waiting as f64 * self.pace < SOON.as_secs_f64()
    }
}
