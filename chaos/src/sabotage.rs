//! Promises that nodes break on purpose, and the plans that must find it out: a suite that finds nothing proves something
//! only if it finds these.

use crate::check::Verdict;
use crate::plan::{self, Plan};

#[cfg(test)]
mod tests;

/// A promise, and how it is found out that it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The word for it in the core (`Sabotage::name`).
    pub promise: &'static str,
    /// The checks of which one at least must be breached; others may be, too.
    pub checks: &'static [&'static str],
    /// The plan, as text.
    text: &'static str,
}

/// All that can be seen from outside, with real servers and in less than a minute.
pub const ALL: [Broken; 9] = [
    Broken {
        promise: "recorded_steps_ignored",
        checks: &["steps"],
        text: include_str!("../../config/chaos/sabotage/recorded-steps-ignored.toml"),
    },
    Broken {
        promise: "ack_before_append",
        checks: &["ends"],
        text: include_str!("../../config/chaos/sabotage/ack-before-append.toml"),
    },
    Broken {
        promise: "effects_before_durable",
        checks: &["one-result"],
        text: include_str!("../../config/chaos/sabotage/effects-before-durable.toml"),
    },
    Broken {
        promise: "budget_not_reserved",
        checks: &["budgets"],
        text: include_str!("../../config/chaos/sabotage/budget-not-reserved.toml"),
    },
    Broken {
        promise: "no_fence",
        checks: &["ends", "one-result", "cancelled-stops", "signals", "steps"],
        text: include_str!("../../config/chaos/sabotage/no-fence.toml"),
    },
    Broken {
        promise: "no_holder_check",
        checks: &["holder", "invariants"],
        text: include_str!("../../config/chaos/sabotage/no-holder-check.toml"),
    },
    Broken {
        promise: "dispatch_forgotten_at_takeover",
        checks: &["ends"],
        text: include_str!("../../config/chaos/sabotage/dispatch-forgotten-at-takeover.toml"),
    },
    Broken {
        promise: "no_fence_version",
        checks: &["lock"],
        text: include_str!("../../config/chaos/sabotage/no-fence-version.toml"),
    },
    Broken {
        promise: "deaf_consumer",
        checks: &["recovery", "ends"],
        text: include_str!("../../config/chaos/sabotage/deaf-consumer.toml"),
    },
];

impl Broken {
    /// The one of this word.
    #[must_use]
    pub fn of(promise: &str) -> Option<Self> {
        ALL.into_iter().find(|broken| broken.promise == promise)
    }

    /// What is run to find it out.
    ///
    /// # Errors
    ///
    /// Those of [`Plan::parse`].
    pub fn plan(&self) -> Result<Plan, plan::Error> {
        Plan::parse(self.promise, self.text)
    }

    /// The checks that have found it out, of those that are to.
    #[must_use]
    pub fn found<'a>(&self, verdicts: &'a [Verdict]) -> Vec<&'a Verdict> {
        let breached = verdicts.iter().filter(|verdict| verdict.breached > 0);
        breached.filter(|verdict| self.checks.contains(&&*verdict.check)).collect()
    }
}
