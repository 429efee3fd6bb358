//! When a breaker opens, and how it closes again.

use crate::settings::BreakerSettings;
use std::time::Duration;

/// When a breaker opens, and how it closes again; the settings `breaker.*` are the default.
///
/// ```
/// # use callboard::BreakerRules;
/// # use std::time::Duration;
/// let rules = BreakerRules::default().failures(3).open(Duration::from_secs(20)).slow(Duration::from_secs(30));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    pub(super) failures: u32,
    pub(super) open: Duration,
    pub(super) slow: Option<Duration>,
    pub(super) slow_percent: u32,
    pub(super) slow_calls: u32,
    pub(super) ramp: Duration,
}

/// The most calls that the share of slow ones is taken of.
pub(super) const SLOW_CALLS_MAX: u32 = 32;

impl BreakerRules {
    /// Opens after so many failures in a row, at least 1; 5 by default. Timeouts are no failures, but slow calls.
    #[must_use]
    pub fn failures(self, failures: u32) -> Self {
        Self { failures: failures.max(1), ..self }
    }

    /// Stays open for so long before the probe, at least 1 ms; 60 s by default.
    #[must_use]
    pub fn open(self, open: Duration) -> Self {
        Self { open: open.max(Duration::from_millis(1)), ..self }
    }

    /// Counts a call as slow that takes longer than this; by default only one that a timeout has cut short.
    #[must_use]
    pub fn slow(self, slow: Duration) -> Self {
        Self { slow: Some(slow), ..self }
    }

    /// Opens when so many percent, 1 to 100, of the last so many calls, 1 to 32, were slow; half of the last 10 by default.
    #[must_use]
    pub fn slow_share(self, percent: u32, calls: u32) -> Self {
        Self { slow_percent: percent.clamp(1, 100), slow_calls: calls.clamp(1, SLOW_CALLS_MAX), ..self }
    }

    /// Lets calls come back over so long after a good probe; 10 s by default, and all at once with zero.
    #[must_use]
    pub fn ramp(self, ramp: Duration) -> Self {
        Self { ramp, ..self }
    }
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self::from(&BreakerSettings::default())
    }
}

impl From<&BreakerSettings> for BreakerRules {
    fn from(settings: &BreakerSettings) -> Self {
        let BreakerSettings { failures, open, slow, slow_percent, slow_calls, ramp } = settings.clone();
        Self { failures, open, slow: (!slow.is_zero()).then_some(slow), slow_percent, slow_calls, ramp }
    }
}
