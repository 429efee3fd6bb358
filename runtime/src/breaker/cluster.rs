//! What nodes say to one another of the breakers of what they all call.

use super::machine::State;
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
    /// For so many milliseconds already.
    Ramping(u64),
}

/// How long a node that has the probe is waited for before another takes it.
pub(super) const PROBE_OF_OTHERS: Duration = Duration::from_secs(15);
/// The longest that one is open because another node says so, unless it is for ever.
const TOLD_MAX: Duration = Duration::from_secs(86_400);

impl Told {
    pub(super) fn of(name: &Arc<str>, state: State, generation: u64, reason: &Arc<str>, now: Instant) -> Self {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let state = match state {
            State::Closed => ToldState::Closed,
            State::Open { until } => ToldState::Open(until.map(|until| ms(until.saturating_duration_since(now)))),
            State::HalfOpen { .. } => ToldState::HalfOpen,
            State::Ramping { since } => ToldState::Ramping(ms(now.saturating_duration_since(since))),
        };
        Self { name: name.clone(), generation, state, reason: reason.clone() }
    }

    /// The state here.
    pub(super) fn state(&self, now: Instant) -> State {
        let of_ms = |ms: u64| Duration::from_millis(ms).min(TOLD_MAX);
        match self.state {
            ToldState::Closed => State::Closed,
            ToldState::Open(left) => State::Open { until: left.map(|left| now + of_ms(left)) },
            ToldState::HalfOpen => State::Open { until: Some(now + PROBE_OF_OTHERS) },
            ToldState::Ramping(passed) => State::Ramping { since: now.checked_sub(of_ms(passed)).unwrap_or(now) },
        }
    }
}
