//! The metrics of a node: their names, and where they are counted.

use crate::breaker::BreakerState;

/// Where a breaker stands: 0 closed, 1 open, 2 half-open or on its ramp.
const BREAKER_STATE: &str = "callboard_circuit_breaker_state";
/// Changes of state.
const BREAKER_CHANGES: &str = "callboard_circuit_breaker_changes_total";

/// A breaker has changed.
pub(crate) fn breaker_is(name: &std::sync::Arc<str>, state: BreakerState) {
    metrics::gauge!(BREAKER_STATE, "breaker" => name.clone()).set(state.as_gauge());
    metrics::counter!(BREAKER_CHANGES, "breaker" => name.clone(), "to" => state.as_str()).increment(1);
}
