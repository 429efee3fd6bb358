//! Whether and when a child is started again: pure, without a clock.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use super::{FailureKind, Stopped};

/// Which ends of a child call for another start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    /// Every one.
    Permanent,
    /// Every one but [`Stopped::Finished`].
    Transient,
    /// None.
    Temporary,
}

/// What happens when a child stops more often than its policy allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnGiveUp {
    /// The supervisor ends its other children in order, and then itself with a failure.
    StopTree,
    /// The supervisor goes on without the child.
    GiveUpChild,
}

/// The judgement over one stop of one child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// Start it again, and count it.
    Restart,
    /// Start it again, and do not count it: it was not its fault.
    RestartUncounted,
    /// It has done what it was for.
    Done,
    /// Do not start it again. The tree goes on.
    GiveUp,
}

/// How long to wait before another start: `first`, doubled with every further one, up to `cap`. A child that has run for the
/// policy's `within` begins with `first` again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    /// Before the first restart.
    pub(crate) first: Duration,
    /// The most, before any restart.
    pub(crate) cap: Duration,
    /// Shortens each wait by up to a fifth, by an amount that follows from this number. Nodes that have different ones do
    /// not all come back at once. `None` waits exactly.
    pub(crate) spread: Option<u64>,
}

/// How a child is started again. The default is 5 restarts in 60 s, 100 ms to 5 s apart, and then the tree stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Which ends call for a restart, unless the child has a judgement of its own.
    pub(crate) restart: Restart,
    /// So many counted restarts are allowed `within`; one more gives the child up.
    pub(crate) restarts_max: u32,
    /// The window in which restarts are counted.
    pub(crate) within: Duration,
    /// The wait before a restart.
    pub(crate) backoff: Backoff,
    /// What giving up means.
    pub(crate) on_give_up: OnGiveUp,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            restart: Restart::Permanent,
            restarts_max: 5,
            within: Duration::from_secs(60),
            backoff: Backoff { first: Duration::from_millis(100), cap: Duration::from_secs(5), spread: None },
            on_give_up: OnGiveUp::StopTree,
        }
    }
}

impl Restart {
    /// The judgement of a child that brings none of its own. What waits for a dependency is not counted.
    pub(crate) fn ruling(self, why: &Stopped) -> Ruling {
        let waits = why.failure().is_some_and(|failure| failure.kind == FailureKind::Unavailable);
        match (self, why) {
            (Self::Temporary, _) | (Self::Transient, Stopped::Finished(_)) => Ruling::Done,
            _ if waits => Ruling::RestartUncounted,
            _ => Ruling::Restart,
        }
    }
}

/// What the supervisor does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Next {
    /// Start it again after this long.
    Restart(Duration),
    /// Nothing.
    Leave,
    /// Go on without it.
    GiveUpChild,
    /// End the tree.
    StopTree,
}

/// What is remembered of one child: its recent restarts. Times are counted from any fixed moment and never go backwards.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// When restarts were counted, the oldest first; at most `restarts_max`.
    counted: VecDeque<Duration>,
    /// Restarts since it last ran for long.
    streak: u32,
    /// Since when it runs.
    up_since: Option<Duration>,
}

impl Ledger {
    /// It runs.
    pub(super) fn started(&mut self, now: Duration) {
        self.up_since = Some(now);
    }

    /// It stopped, or did not start.
    pub(super) fn stopped(&mut self, policy: &Policy, ruling: Ruling, now: Duration) -> Next {
        let ran = self.up_since.take().map_or(Duration::ZERO, |since| now.saturating_sub(since));
        if ran >= policy.within {
            self.streak = 0;
        }
        match ruling {
            Ruling::Done => Next::Leave,
            Ruling::GiveUp => Next::GiveUpChild,
            Ruling::Restart if !self.count(policy, now) => match policy.on_give_up {
                OnGiveUp::StopTree => Next::StopTree,
                OnGiveUp::GiveUpChild => Next::GiveUpChild,
            },
            Ruling::Restart | Ruling::RestartUncounted => {
                let wait = policy.backoff.wait(self.streak);
                self.streak = self.streak.saturating_add(1);
                Next::Restart(wait)
            }
        }
    }

    /// Counts a restart, or says that it would be one too many.
    fn count(&mut self, policy: &Policy, now: Duration) -> bool {
        while self.counted.front().is_some_and(|then| now.saturating_sub(*then) >= policy.within) {
            self.counted.pop_front();
        }
        let allowed = self.counted.len() < policy.restarts_max as usize;
        if allowed {
            self.counted.push_back(now);
        }
        allowed
    }
}

impl Backoff {
    /// The wait after `before` restarts in a row.
    fn wait(&self, before: u32) -> Duration {
        let doubled = 2u32.checked_pow(before).and_then(|factor| self.first.checked_mul(factor));
        let whole = doubled.map_or(self.cap, |wait| wait.min(self.cap));
        match self.spread {
            None => whole,
            Some(seed) => whole - whole.mul_f64(0.2 * fraction(seed.wrapping_add(u64::from(before)))),
        }
    }
}

/// A number from 0 to 1 that follows from `seed`: the output of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
fn fraction(seed: u64) -> f64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let bits = (z ^ (z >> 31)) >> 32;
    bits as f64 / f64::from(u32::MAX)
}
