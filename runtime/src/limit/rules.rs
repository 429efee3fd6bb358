//! What a limit allows.

use std::time::Duration;

/// How much may go on at a time, and in a stretch of time.
///
/// ```
/// # use callboard::Limit;
/// # use std::time::Duration;
/// const MINUTE: Duration = Duration::from_secs(60);
/// // At most 10 at a time.
/// let few = Limit::concurrent(10);
/// // What a provider allows: 600 requests and 100,000 tokens in any minute, and 20 requests at a time.
/// let provider = Limit::per(MINUTE, 100_000).calls_per(MINUTE, 600).at_once(20);
/// ```
///
/// The nodes of a cluster share it, so all of them are to be given the same.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a limit is given to a builder"]
pub struct Limit {
    pub(super) at_once: Option<u64>,
    pub(super) units: Option<Rate>,
    pub(super) calls: Option<Rate>,
    pub(super) sharing: Sharing,
}

/// So many in any stretch of time of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) per: Duration,
    pub(super) most: u64,
    /// So many of them may go at once.
    pub(super) burst: u64,
}

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Of all together.
    All,
    /// Each tenant has one of its own; runs without a tenant have one together.
    Tenants,
}

/// The longest stretch of time of a rate.
const PER_MAX: Duration = Duration::from_secs(366 * 86_400);
/// The most that a limit counts: what a directory can count exactly.
const MOST: u64 = 1 << 50;

impl Limit {
    const NOTHING: Self = Self { at_once: None, units: None, calls: None, sharing: Sharing::All };

    /// At most so many at a time, 1 or more.
    pub const fn concurrent(most: u32) -> Self {
        Self { at_once: Some(most as u64), ..Self::NOTHING }
    }

    /// At most so many units in any stretch of time of this length, from 1 ms to a year: of what each call asks for, tokens
    /// say, and 1 for a task. They may all go at once, unless a [burst](Self::burst) says otherwise.
    pub const fn per(per: Duration, units: u64) -> Self {
        Self { units: Some(Rate { per, most: units, burst: units }), ..Self::NOTHING }
    }

    /// And at most so many at a time.
    pub const fn at_once(self, most: u32) -> Self {
        Self { at_once: Some(most as u64), ..self }
    }

    /// And at most so many calls in any stretch of time of this length, however many units each asks for.
    pub const fn calls_per(self, per: Duration, calls: u64) -> Self {
        Self { calls: Some(Rate { per, most: calls, burst: calls }), ..self }
    }

    /// And at most so many units at once, 1 or more; the rest is spread over the time. A call that asks for more than that
    /// goes by itself.
    pub fn burst(self, units: u64) -> Self {
        let units = self.units.map(|rate| Rate { burst: units, ..rate });
        Self { units, ..self }
    }

    /// Gives each tenant a limit of its own.
    pub const fn per_tenant(self) -> Self {
        Self { sharing: Sharing::Tenants, ..self }
    }

    /// Its rates, those of units first.
    pub(super) fn rates(&self) -> impl Iterator<Item = (super::meter::What, Rate)> {
        use super::meter::What;
        let units = self.units.map(|rate| (What::Units, rate));
        units.into_iter().chain(self.calls.map(|rate| (What::Calls, rate)))
    }

    /// What is wrong with it, in words.
    pub(super) fn faults(&self, name: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let mut counts = |what: &str, count: u64| {
            if !(1..=MOST).contains(&count) {
                faults.push(format!("limit {name:?} allows {count} {what}; it must be 1 to {MOST}"));
            }
        };
        self.at_once.into_iter().for_each(|most| counts("at a time", most));
        self.rates().for_each(|(what, rate)| counts(what.as_str(), rate.most));
        self.units.into_iter().for_each(|rate| counts("units at once", rate.burst));
        for (_, rate) in self.rates().filter(|(_, rate)| !(Duration::from_millis(1)..=PER_MAX).contains(&rate.per)) {
            faults.push(format!("limit {name:?} is per {:?}; it must be 1 ms to 366 days", rate.per));
        }
        faults
    }
}
