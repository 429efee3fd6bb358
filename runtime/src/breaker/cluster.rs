//! What nodes say to one another of the breakers of what they all call.

use super::machine::{Machine, State};
use super::named::Breaker;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Where a breaker stands, as one node tells another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) name: Arc<str>,
    /// The later one counts.
    pub(crate) generation: u64,
    pub(crate) state: ToldState,
    pub(crate) reason: Arc<str>,
    /// Whether a person has put it there.
    #[serde(default)]
    pub(crate) is_by_hand: bool,
    /// Said to one who has said something of this generation, and has missed something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answers: Option<u64>,
}

/// Times are said as what is left or has passed: clocks differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToldState {
    Closed,
    /// For so many milliseconds more; for ever, without a number.
    Open(Option<u64>),
    /// One node has the probe: not this one.
    HalfOpen,
    /// And its call has begun.
    Probing,
    /// For so many milliseconds already.
    Ramping(u64),
}

/// How long a node that has the probe is waited for, which says again and again that it has, before another takes it.
pub(super) const PROBE_OF_OTHERS: Duration = Duration::from_secs(20);
/// The longest that one is open because another node says so, unless it is for ever.
const TOLD_MAX: Duration = Duration::from_secs(86_400);

impl Told {
    /// What is said of a breaker that is here.
    pub(super) fn of(breaker: &Breaker, machine: &Machine, now: Instant) -> Self {
        let Machine { generation, is_by_hand, .. } = *machine;
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let state = match machine.state {
            State::Closed => ToldState::Closed,
            State::Open { until } => ToldState::Open(until.map(|until| ms(until.saturating_duration_since(now)))),
            State::HalfOpen { .. } if breaker.gate.probed_in() == Some(generation) => ToldState::Probing,
            State::HalfOpen { .. } => ToldState::HalfOpen,
            State::Ramping { since } => ToldState::Ramping(ms(now.saturating_duration_since(since))),
        };
        let (name, reason) = (breaker.name.clone(), machine.reason.clone());
        Self { name, generation, state, reason, is_by_hand, answers: None }
    }

    /// The state here.
    pub(super) fn state(&self, now: Instant) -> State {
        let of_ms = |ms: u64| Duration::from_millis(ms).min(TOLD_MAX);
        match self.state {
            ToldState::Closed => State::Closed,
            ToldState::Open(left) => State::Open { until: left.map(|left| now + of_ms(left)) },
            ToldState::HalfOpen | ToldState::Probing => State::Open { until: Some(now + PROBE_OF_OTHERS) },
            ToldState::Ramping(passed) => State::Ramping { since: now.checked_sub(of_ms(passed)).unwrap_or(now) },
        }
    }
}
