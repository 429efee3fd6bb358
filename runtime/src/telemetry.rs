//! The metrics: their names, what they count, and how they are counted. Their labels are closed sets; what is about one run
//! or one task is in the log, with its ids.

use crate::breaker::BreakerState;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use std::sync::Arc;

/// See [`DESCRIBED`].
pub(crate) const BREACHES: &str = "callboard_invariant_breaches_total";
/// See [`DESCRIBED`].
pub(crate) const RETRIES: &str = "callboard_retry_attempts_total";
/// See [`DESCRIBED`].
pub(crate) const LOSSES: &str = "callboard_task_losses_total";
/// See [`DESCRIBED`].
pub(crate) const DEAD_LETTERS: &str = "callboard_dead_letters_total";
/// See [`DESCRIBED`].
pub(crate) const FAILURES: &str = "callboard_task_failures_total";
/// See [`DESCRIBED`].
pub(crate) const RESTARTS: &str = "callboard_actor_restarts_total";
/// See [`DESCRIBED`].
pub(crate) const GIVEN_UP: &str = "callboard_actors_given_up_total";
/// See [`DESCRIBED`].
pub(crate) const SENT_AGAIN: &str = "callboard_bus_sends_retried_total";
/// See [`DESCRIBED`].
pub(crate) const DEAF: &str = "callboard_bus_deaf_total";
/// See [`DESCRIBED`].
pub(crate) const UNREADABLE: &str = "callboard_bus_unreadable_total";
/// See [`DESCRIBED`].
pub(crate) const SPOOLED: &str = "callboard_state_spooled_total";
/// See [`DESCRIBED`].
pub(crate) const SPOOL_MERGED: &str = "callboard_state_spool_merged_total";

/// See [`DESCRIBED`].
pub(crate) const LOCKS_LOST: &str = "callboard_locks_lost_total";

/// What waits in the spool.
pub(crate) const SPOOL_ENTRIES: &str = "callboard_state_spool_entries";
/// See [`DESCRIBED`].
const BREAKER_CHANGES: &str = "callboard_circuit_breaker_changes_total";
/// Where a breaker stands.
const BREAKER_STATE: &str = "callboard_circuit_breaker_state";

/// Every counter of this file, and what it counts.
pub(crate) const DESCRIBED: [(&str, &str); 14] = [
    (BREACHES, "promises that were seen not to hold, by invariant: any but 0 is a bug of Callboard"),
    (RETRIES, "attempts that failed and are followed by another, by capability and by the class of the failure"),
    (LOSSES, "activations that were cut short, which use no retry, by capability and reason: lease, gone, released"),
    (
        DEAD_LETTERS,
        "tasks that went to the dead letters, by capability and reason: the class of the last failure, or losses",
    ),
    (
        FAILURES,
        "tasks that failed in a way that no other attempt would mend, by capability and by the class of the failure",
    ),
    (RESTARTS, "actors that stopped and were started again, by what they are"),
    (GIVEN_UP, "actors that stopped too often and were given up, by what they are"),
    (SENT_AGAIN, "messages that the bus did not take at first and was given again, by operation: publish, broadcast"),
    (BREAKER_CHANGES, "changes of circuit breakers, by breaker and by the state that it came to"),
    (UNREADABLE, "messages that nobody can read, which went to agent.dead"),
    (SPOOLED, "writes of documents that were spooled because the store was away"),
    (LOCKS_LOST, "locks that were lost: held for too long, or not renewed in time"),
    (SPOOL_MERGED, "spooled writes that were merged"),
    (DEAF, "consumers that brought nothing any more and were made anew, by what they hear: queue, broadcasts"),
];

#[cfg(test)]
mod tests;

/// Tells the recorder of the process what the metrics are; to be told again does no harm.
pub(crate) fn describe() {
    for (name, what) in DESCRIBED {
        describe_counter!(name, what);
    }
    describe_gauge!(SPOOL_ENTRIES, "writes of documents that wait in the spool of this node");
    describe_gauge!(BREAKER_STATE, "where a circuit breaker stands: 0 closed, 1 open, 2 half-open or on its ramp");
}

/// Counts one, under one label.
pub(crate) fn count(name: &'static str, label: &'static str, value: impl Into<String>) {
    counter!(name, label => value.into()).increment(1);
}

/// Counts one that is about a capability, for a reason.
pub(crate) fn count_of(name: &'static str, capability: &str, reason: &'static str) {
    counter!(name, "capability" => capability.to_owned(), "reason" => reason).increment(1);
}

/// A breaker has changed.
pub(crate) fn breaker_is(name: &Arc<str>, state: BreakerState) {
    gauge!(BREAKER_STATE, "breaker" => name.clone()).set(state.as_gauge());
    counter!(BREAKER_CHANGES, "breaker" => name.clone(), "to" => state.as_str()).increment(1);
}
