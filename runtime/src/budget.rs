//! What a run may cost, as a program says and sees it.

use crate::node::Node;
use crate::partition::message::Wish;
use crate::run::{Run, checked};
use crate::{Error, Result};
use callboard_core::{AMOUNT_MAX, Millis, ParseAmountError, RunId};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::future::IntoFuture;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// What something costs at most, or has cost: calls, tokens and money; nothing of what is not said.
///
/// `Cost::calls(1).tokens(4_000).usd(0.02)`, or `"1call, 4000tokens, 0.02usd".parse()`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "callboard_core::Cost", into = "callboard_core::Cost")]
pub struct Cost(Said<callboard_core::Cost>);

/// What a run may cost with all that it starts; without a limit in what is not said.
///
/// `Budget::usd(0.50).tokens(60_000).calls(100)`, `Budget::new().wall(Duration::from_secs(600))`, or
/// `"0.50usd, 60000tokens, 100calls, 10m".parse()`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "callboard_core::Budget", into = "callboard_core::Budget")]
pub struct Budget(Said<callboard_core::Budget>);

/// Amounts, or what is wrong with them: that is told when they are used.
type Said<T> = Result<T, Arc<str>>;

impl Cost {
    /// So many calls.
    pub fn calls(calls: u64) -> Self {
        Self(whole(calls, "calls").map(|calls| callboard_core::Cost { calls, ..callboard_core::Cost::NONE }))
    }

    /// And so many tokens.
    #[must_use]
    pub fn tokens(self, tokens: u64) -> Self {
        Self(both(self.0, whole(tokens, "tokens"), |cost, tokens| cost.tokens = tokens))
    }

    /// And so much money, in US dollars; counted in millionths, rounded to the nearest.
    #[must_use]
    pub fn usd(self, usd: f64) -> Self {
        Self(both(self.0, micros(usd), |cost, micros| cost.usd_micros = micros))
    }

    /// # Errors
    ///
    /// `Invalid` for what can not be counted.
    pub(crate) fn said(&self) -> Result<callboard_core::Cost> {
        self.0.clone().map_err(|fault| Error::invalid(format!("the cost can not be counted: {fault}")))
    }
}

impl Budget {
    /// A budget without a limit so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// So much money, in US dollars; counted in millionths, rounded to the nearest.
    pub fn usd(usd: f64) -> Self {
        Self(micros(usd).map(|micros| callboard_core::Budget { usd_micros: Some(micros), ..Default::default() }))
    }

    /// And so many tokens.
    #[must_use]
    pub fn tokens(self, tokens: u64) -> Self {
        Self(both(self.0, whole(tokens, "tokens"), |budget, tokens| budget.tokens = Some(tokens)))
    }

    /// And so many calls.
    #[must_use]
    pub fn calls(self, calls: u64) -> Self {
        Self(both(self.0, whole(calls, "calls"), |budget, calls| budget.calls = Some(calls)))
    }

    /// And so much time, from the submission on, whatever the run does meanwhile.
    #[must_use]
    pub fn wall(self, limit: Duration) -> Self {
        let ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        Self(both(self.0, whole(ms, "milliseconds"), |budget, ms| budget.wall_ms = Some(ms)))
    }

    /// # Errors
    ///
    /// `Invalid` for what can not be counted.
    pub(crate) fn said(&self) -> Result<callboard_core::Budget> {
        self.0.clone().map_err(|fault| Error::invalid(format!("the budget can not be counted: {fault}")))
    }
}

impl Default for Cost {
    fn default() -> Self {
        Self(Ok(callboard_core::Cost::NONE))
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self(Ok(callboard_core::Budget::default()))
    }
}

/// Changes what was said, unless there is something wrong with one of both.
fn both<T>(said: Said<T>, amount: Said<u64>, change: impl FnOnce(&mut T, u64)) -> Said<T> {
    let mut said = said?;
    change(&mut said, amount?);
    Ok(said)
}

fn whole(amount: u64, what: &str) -> Said<u64> {
    if amount <= AMOUNT_MAX { Ok(amount) } else { Err(format!("{amount} {what} are more than {AMOUNT_MAX}").into()) }
}

fn micros(usd: f64) -> Said<u64> {
    let micros = (usd * 1e6).round();
    // Up to 10^15 a float is exact.
    if (0.0..=AMOUNT_MAX as f64).contains(&micros) {
        Ok(micros as u64)
    } else {
        Err(format!("{usd} US dollars are no amount between 0 and {}", AMOUNT_MAX / 1_000_000).into())
    }
}

impl From<callboard_core::Cost> for Cost {
    fn from(cost: callboard_core::Cost) -> Self {
        Self(Ok(cost))
    }
}

impl From<Cost> for callboard_core::Cost {
    fn from(cost: Cost) -> Self {
        cost.0.unwrap_or_default()
    }
}

impl From<callboard_core::Budget> for Budget {
    fn from(budget: callboard_core::Budget) -> Self {
        Self(Ok(budget))
    }
}

impl From<Budget> for callboard_core::Budget {
    fn from(budget: Budget) -> Self {
        budget.0.unwrap_or_default()
    }
}

impl FromStr for Cost {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(|cost: callboard_core::Cost| Self(Ok(cost)))
    }
}

impl FromStr for Budget {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(|budget: callboard_core::Budget| Self(Ok(budget)))
    }
}

/// As it is read: `0.02usd, 4000tokens, 1call`.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(cost) => cost.fmt(f),
            Err(fault) => f.write_str(fault),
        }
    }
}

/// As it is read: `0.5usd, 60000tokens, 12calls, 10m`.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(budget) => budget.fmt(f),
            Err(fault) => f.write_str(fault),
        }
    }
}

/// What a run may cost, has cost and may still come to cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[non_exhaustive]
pub struct BudgetInfo {
    /// Its limits, with all top-ups.
    #[schemars(with = "callboard_core::Budget")]
    pub limit: Budget,
    /// What was spent: what calls have cost, and what those that were cut short had reserved.
    #[schemars(with = "callboard_core::Cost")]
    pub spent: Cost,
    /// What calls that are under way may cost at most.
    #[schemars(with = "callboard_core::Cost")]
    pub reserved: Cost,
    /// What is left of each limit: neither spent nor reserved. Of time it is the whole limit, from the submission on.
    #[schemars(with = "callboard_core::Budget")]
    pub left: Budget,
    /// What calls have cost beyond what they had reserved, of all that was spent: that alone may pass a limit.
    #[schemars(with = "callboard_core::Cost")]
    pub overshoot: Cost,
    /// Whether its time is spent, so that it starts nothing more.
    pub wall_spent: bool,
    /// How many calls wait for room.
    pub waiting: usize,
    /// The first of them, in their order; ten at most.
    pub first_waiting: Vec<BudgetWait>,
    /// The last that was added, oldest first; ten at most.
    pub top_ups: Vec<TopUpInfo>,
}

/// A call that waits for room in the budget of its run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[non_exhaustive]
pub struct BudgetWait {
    /// The name of the task.
    pub task: String,
    /// The call.
    pub call: Arc<str>,
    /// What it costs at most.
    #[schemars(with = "callboard_core::Cost")]
    pub cost: Cost,
}

/// What was added to a budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[non_exhaustive]
pub struct TopUpInfo {
    /// When, in milliseconds since 1970.
    pub at: Millis,
    /// How much of each thing.
    #[schemars(with = "callboard_core::Budget")]
    pub amount: Budget,
    /// By whom and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Arc<str>>,
}

/// How many calls that wait, and top-ups, are told.
const TOLD_MAX: usize = 10;

impl BudgetInfo {
    /// What there is to tell of a run; `None` for one without a budget that has counted nothing.
    pub(crate) fn of(run: &callboard_core::Run) -> Option<Self> {
        let ledger = run.ledger()?;
        let first = ledger.waiting().take(TOLD_MAX).filter_map(|(task, call)| {
            let cost = run.budget_wait(task, call)?.into();
            Some(BudgetWait { task: run.task(task)?.spec.name.clone(), call: call.clone(), cost })
        });
        let told = ledger.top_ups.iter().skip(ledger.top_ups.len().saturating_sub(TOLD_MAX));
        let told = told.map(|it| TopUpInfo { at: it.at, amount: it.amount.into(), by: it.by.clone() });
        Some(Self {
            limit: ledger.limit.into(),
            spent: ledger.spent.into(),
            reserved: ledger.reserved.into(),
            left: ledger.left().into(),
            overshoot: ledger.overshoot.into(),
            wall_spent: ledger.wall_spent,
            waiting: ledger.waiting().count(),
            first_waiting: first.collect(),
            top_ups: told.collect(),
        })
    }
}

impl Run {
    /// What it may cost, has cost and may still come to cost; `None` for a run without a budget that has
    /// [spent](crate::Ctx::spend) nothing.
    ///
    /// # Errors
    ///
    /// As [`info`](Self::info).
    pub async fn budget(&self) -> Result<Option<BudgetInfo>> {
        Ok(self.info().await?.budget)
    }

    /// Adds to the limits of its budget; await the result. Durable when it answers, and added once.
    ///
    /// What waits for room goes on, the first that came first; a run whose time was spent starts tasks again.
    pub fn top_up(&self, amount: Budget) -> TopUp {
        TopUp { node: self.node().clone(), run: self.id(), id: crate::chance::timed_id(), amount, by: None }
    }
}

/// A top-up in the making; await it. See [`Run::top_up`].
#[must_use = "nothing is added before it is awaited"]
pub struct TopUp {
    node: Arc<Node>,
    run: RunId,
    id: Uuid,
    amount: Budget,
    by: Option<Arc<str>>,
}

impl TopUp {
    /// Says who adds it and why, in 4 KiB at most.
    pub fn by(mut self, by: impl Into<Arc<str>>) -> Self {
        self.by = Some(by.into());
        self
    }

    /// Makes it idempotent: what is added to a run under one key is added once. Without it each is another.
    pub fn key(mut self, key: &str) -> Self {
        let mut bytes = [0; 16];
        let derived = blake3::derive_key("callboard 2026 top-up id from an idempotency key", key.as_bytes());
        bytes.copy_from_slice(&derived[..16]);
        self.id = uuid::Builder::from_custom_bytes(bytes).into_uuid();
        self
    }
}

impl IntoFuture for TopUp {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'static, Result<()>>;

    /// # Errors
    ///
    /// `Invalid` for an amount that can not be counted, that is nothing, or that adds to what the run has no limit of;
    /// `Conflict` if the run has ended; `NotFound` if it is not there; `Unavailable` if nothing was added; `Unknown` if
    /// that is not known: repeat it under the same [key](Self::key).
    fn into_future(self) -> Self::IntoFuture {
        async move {
            let amount = self.amount.said()?;
            let by = self.by.map(checked).transpose()?;
            self.node.partitions.control(self.run, Wish::TopUp { id: self.id, amount, by }).await
        }
        .boxed()
    }
}

impl fmt::Debug for TopUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopUp").field("run", &self.run).field("amount", &self.amount).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
