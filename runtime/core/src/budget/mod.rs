//! Budgets: what a run may cost, and the ledger of what it has cost.
//!
//! A call says before it is made what it costs at most, and that much is *reserved*; what it really cost is recorded
//! together with what it came to, and *settles* the reservation. What is not settled when an activation ends (a crash, a
//! loss, a failed attempt) is *charged* as it was reserved, for the money may be gone. So whatever crashes, the sum that was
//! really paid passes a limit only by what single calls have cost beyond their own reservations.
//!
//! What does not fit waits, first come first served, until others settle below their reservations or somebody tops the
//! budget up. Nobody overtakes, so a large call is not kept waiting for ever by small ones.

mod apply;
mod ledger;
mod text;

pub use ledger::{Ledger, ToppedUp};
pub use text::ParseAmountError;

use serde::{Deserialize, Serialize};

/// The largest amount of anything that a budget or a cost may say: 10^15. In micro-dollars that is a billion dollars, in
/// milliseconds more than thirty thousand years.
pub const AMOUNT_MAX: u64 = 1_000_000_000_000_000;

/// What something costs: an amount of each thing, zero of what it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cost {
    /// Calls.
    #[serde(skip_serializing_if = "is_zero")]
    pub calls: u64,
    /// Tokens.
    #[serde(skip_serializing_if = "is_zero")]
    pub tokens: u64,
    /// Money, in millionths of a US dollar.
    #[serde(skip_serializing_if = "is_zero")]
    pub usd_micros: u64,
}

/// What a run may cost with all that it starts: a limit of each thing, none of what it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Money, in millionths of a US dollar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_micros: Option<u64>,
    /// Time from the submission on, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<u64>,
}

fn is_zero(amount: &u64) -> bool {
    *amount == 0
}

/// What a person calls a thing that is counted in such units.
fn thing(what: &'static str) -> &'static str {
    match what {
        "usd_micros" => "money (usd)",
        "wall_ms" => "time",
        what => what,
    }
}

impl Cost {
    /// Nothing.
    pub const NONE: Self = Self { calls: 0, tokens: 0, usd_micros: 0 };

    /// Whether it is nothing.
    pub const fn is_none(&self) -> bool {
        self.calls == 0 && self.tokens == 0 && self.usd_micros == 0
    }

    /// Both together; what is too large to be counted is as much as can be.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(more.calls),
            tokens: self.tokens.saturating_add(more.tokens),
            usd_micros: self.usd_micros.saturating_add(more.usd_micros),
        }
    }

    /// What it is above another; of what it is below there is nothing.
    #[must_use]
    pub const fn above(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(other.calls),
            tokens: self.tokens.saturating_sub(other.tokens),
            usd_micros: self.usd_micros.saturating_sub(other.usd_micros),
        }
    }

    /// Its amounts, no one of them above the largest that may be said.
    #[must_use]
    pub fn bounded(self) -> Self {
        Self {
            calls: self.calls.min(AMOUNT_MAX),
            tokens: self.tokens.min(AMOUNT_MAX),
            usd_micros: self.usd_micros.min(AMOUNT_MAX),
        }
    }
}

impl Budget {
    /// Whether it limits nothing.
    pub const fn is_none(&self) -> bool {
        self.calls.is_none() && self.tokens.is_none() && self.usd_micros.is_none() && self.wall_ms.is_none()
    }

    /// Whether `more` fits into it beside what is `used`. What costs nothing of a thing needs no room in it.
    pub fn has_room(&self, used: Cost, more: Cost) -> bool {
        let fits = |limit: Option<u64>, used: u64, more: u64| {
            more == 0 || limit.is_none_or(|limit| used.saturating_add(more) <= limit)
        };
        fits(self.calls, used.calls, more.calls)
            && fits(self.tokens, used.tokens, more.tokens)
            && fits(self.usd_micros, used.usd_micros, more.usd_micros)
    }

    /// What is left of it when so much is used: of each thing that it limits.
    #[must_use]
    pub fn left(&self, used: Cost) -> Self {
        let left = |limit: Option<u64>, used: u64| limit.map(|limit| limit.saturating_sub(used));
        Self {
            calls: left(self.calls, used.calls),
            tokens: left(self.tokens, used.tokens),
            usd_micros: left(self.usd_micros, used.usd_micros),
            wall_ms: self.wall_ms,
        }
    }

    /// The name of each thing, and its limit.
    pub fn amounts(&self) -> [(&'static str, Option<u64>); 4] {
        [("calls", self.calls), ("tokens", self.tokens), ("usd_micros", self.usd_micros), ("wall_ms", self.wall_ms)]
    }

    /// This budget with as much more of each thing as `more` says.
    ///
    /// # Errors
    ///
    /// In words: it has no limit of something that is to be topped up, or the limit would become too large.
    pub fn topped_up(&self, more: &Self) -> Result<Self, String> {
        let mut sums = [None; 4];
        for ((sum, (what, limit)), (_, more)) in sums.iter_mut().zip(self.amounts()).zip(more.amounts()) {
            *sum = match (limit, more) {
                (limit, None | Some(0)) => limit,
                (None, Some(_)) => {
                    return Err(format!("it has no limit of {}, so there is nothing to top up", thing(what)));
                }
                (Some(limit), Some(more)) => {
                    let sum = limit.saturating_add(more);
                    if sum > AMOUNT_MAX {
                        return Err(format!("{limit} and {more} {what} together are more than {AMOUNT_MAX}"));
                    }
                    Some(sum)
                }
            };
        }
        let [calls, tokens, usd_micros, wall_ms] = sums;
        Ok(Self { calls, tokens, usd_micros, wall_ms })
    }
}
