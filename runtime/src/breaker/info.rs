//! A breaker as others see it.

use super::machine::State;
use crate::query::Cause;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Calls go.
    #[default]
    Closed,
    /// No call goes.
    Open,
    /// One call may go, or is under way: the probe.
    HalfOpen,
    /// The probe went well, and more and more calls go.
    Ramping,
}

impl BreakerState {
    /// The word for it in every surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Ramping => "ramping",
        }
    }

    /// The value of the gauge `callboard_circuit_breaker_state`: 0 closed, 1 open, 2 half-open. On its ramp it counts as
    /// half-open.
    pub const fn as_gauge(self) -> f64 {
        match self {
            Self::Closed => 0.0,
            Self::Open => 1.0,
            Self::HalfOpen | Self::Ramping => 2.0,
        }
    }
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A breaker as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerInfo {
    /// Its name: that of the dependency, or `agent:` and the id of the agent.
    pub name: Arc<str>,
    /// Where it stands.
    pub state: BreakerState,
    /// Why.
    pub reason: Arc<str>,
    /// For how long it has stood there.
    pub since: Duration,
    /// How long until its probe, if it is open and not held open by hand.
    pub open_for: Option<Duration>,
    /// Tasks of this node that wait for it.
    pub waiting: usize,
    /// Counts its changes of state.
    pub generation: u64,
}

/// What the actor has made known of a breaker last, from which a later incarnation goes on.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) state: State,
    pub(super) generation: u64,
    pub(super) reason: Arc<str>,
    pub(super) is_by_hand: bool,
    pub(super) since: Instant,
}

impl State {
    pub(super) fn as_seen(self) -> BreakerState {
        match self {
            Self::Closed => BreakerState::Closed,
            Self::Open { .. } => BreakerState::Open,
            Self::HalfOpen { .. } => BreakerState::HalfOpen,
            Self::Ramping { .. } => BreakerState::Ramping,
        }
    }
}

impl Published {
    pub(super) fn closed(now: Instant) -> Self {
        Self { state: State::Closed, generation: 0, reason: "".into(), is_by_hand: false, since: now }
    }

    /// Whether who is let through in this generation is the probe.
    pub(super) fn is_probed_in(&self, generation: u64) -> bool {
        self.generation == generation && matches!(self.state, State::HalfOpen { .. })
    }

    pub(super) fn info(&self, name: &Arc<str>, waiting: usize, now: Instant) -> BreakerInfo {
        let open_for = match self.state {
            State::Open { until: Some(until) } => Some(until.saturating_duration_since(now)),
            _ => None,
        };
        BreakerInfo {
            name: name.clone(),
            state: self.state.as_seen(),
            reason: self.reason.clone(),
            since: now.saturating_duration_since(self.since),
            open_for,
            waiting,
            generation: self.generation,
        }
    }

    /// Why it lets nothing through, or little; `None` if it is closed.
    pub(super) fn cause(&self, name: &Arc<str>, now: Instant) -> Option<Cause> {
        let BreakerInfo { state, open_for: left, reason, .. } = self.info(name, 0, now);
        (state != BreakerState::Closed).then(|| Cause::Breaker { name: name.clone(), state, left, reason })
    }
}
