//! The metrics: their names, what they count, and how they are counted. Their labels are closed sets; what is about one run
//! or one task is in the log, with its ids.
//!
//! What is counted for every task or every operation is counted with a handle that is kept ([`meters`]); what is rare makes
//! one as it goes.

#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "most keys are of traces alone"))]
pub(crate) mod convention;
#[cfg(feature = "api")]
pub(crate) mod exporter;
#[cfg(feature = "log")]
mod log;
mod meters;
#[cfg(feature = "otlp")]
mod otlp;
mod ports;
#[cfg(feature = "log")]
mod process;
pub(crate) mod tracer;

#[cfg(test)]
mod tests;

use crate::breaker::BreakerState;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use std::sync::Arc;

pub(crate) use meters::{Meters, OfCapability, Utilization};
#[cfg(feature = "log")]
pub use process::{Telemetry, TelemetryBuilder};
pub(crate) use tracer::Tracer;

/// See [`METRICS`].
pub(crate) const BREACHES: &str = "callboard_invariant_breaches_total";
/// See [`METRICS`].
pub(crate) const RETRIES: &str = "callboard_retry_attempts_total";
/// See [`METRICS`].
pub(crate) const LOSSES: &str = "callboard_task_losses_total";
/// See [`METRICS`].
pub(crate) const DEAD_LETTERS: &str = "callboard_dead_letters_total";
/// See [`METRICS`].
pub(crate) const FAILURES: &str = "callboard_task_failures_total";
/// See [`METRICS`].
pub(crate) const RESTARTS: &str = "callboard_actor_restarts_total";
/// See [`METRICS`].
pub(crate) const GIVEN_UP: &str = "callboard_actors_given_up_total";
/// See [`METRICS`].
pub(crate) const SENT_AGAIN: &str = "callboard_bus_sends_retried_total";
/// See [`METRICS`].
pub(crate) const DEAF: &str = "callboard_bus_deaf_total";
/// See [`METRICS`].
pub(crate) const UNREADABLE: &str = "callboard_bus_unreadable_total";
/// See [`METRICS`].
pub(crate) const SPOOLED: &str = "callboard_state_spooled_total";
/// See [`METRICS`].
pub(crate) const SPOOL_MERGED: &str = "callboard_state_spool_merged_total";
/// See [`METRICS`].
pub(crate) const SPOOL_ENTRIES: &str = "callboard_state_spool_entries";
/// See [`METRICS`].
pub(crate) const LOCKS_LOST: &str = "callboard_locks_lost_total";
/// See [`METRICS`].
const BREAKER_CHANGES: &str = "callboard_circuit_breaker_changes_total";
/// See [`METRICS`].
const BREAKER_STATE: &str = "callboard_circuit_breaker_state";
/// See [`METRICS`].
const RUNS_SUBMITTED: &str = "callboard_runs_submitted_total";
/// See [`METRICS`].
const RUNS: &str = "callboard_runs_total";
/// See [`METRICS`].
const TASKS: &str = "callboard_tasks_total";
/// See [`METRICS`].
const TASK_DURATION: &str = "callboard_task_duration_seconds";
/// See [`METRICS`].
const QUEUE_WAIT: &str = "callboard_task_queue_wait_seconds";
/// See [`METRICS`].
const QUEUE_SIZE: &str = "callboard_task_queue_size";
/// See [`METRICS`].
const PARKED: &str = "callboard_tasks_parked_total";
/// See [`METRICS`].
const EFFECTS_UNKNOWN: &str = "callboard_effects_unknown_total";
/// See [`METRICS`].
const FENCED: &str = "callboard_fenced_rejections_total";
/// See [`METRICS`].
const UTILIZATION: &str = "callboard_agent_utilization";
/// See [`METRICS`].
const SLOTS: &str = "callboard_agent_slots";
/// See [`METRICS`].
const MESSAGES: &str = "callboard_message_bus_messages_total";
/// See [`METRICS`].
const APPENDS: &str = "callboard_journal_appends_total";
/// See [`METRICS`].
const APPEND_DURATION: &str = "callboard_journal_append_duration_seconds";
/// See [`METRICS`].
const BATCH_EVENTS: &str = "callboard_journal_batch_events";
/// See [`METRICS`].
const SNAPSHOT_AT: &str = "callboard_snapshot_timestamp_seconds";
/// See [`METRICS`].
const PARTITIONS: &str = "callboard_partitions";
/// See [`METRICS`].
const PARTITIONS_OWNED: &str = "callboard_partitions_owned";
/// See [`METRICS`].
const TAKEOVERS: &str = "callboard_partition_takeovers_total";
/// See [`METRICS`].
const START_FAILURES: &str = "callboard_partition_start_failures_total";
/// See [`METRICS`].
const RECOVERY: &str = "callboard_partition_recovery_duration_seconds";
/// See [`METRICS`].
const PORT_DURATION: &str = "callboard_port_operation_duration_seconds";
/// See [`METRICS`].
const PORT_ERRORS: &str = "callboard_port_errors_total";

/// One metric.
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The names of its labels.
    #[cfg_attr(not(test), expect(dead_code, reason = "what counts names them where it counts; tests compare"))]
    pub(crate) labels: &'static [&'static str],
    /// What it says.
    pub(crate) what: &'static str,
}

/// What a metric is.
pub(crate) enum Kind {
    /// Only grows, and begins at 0 with the process.
    Counter,
    /// Stands somewhere.
    Gauge,
    /// Counts values by the least of these bounds that is not below them.
    #[cfg_attr(not(feature = "api"), expect(dead_code, reason = "a recorder of the program's own has its own bounds"))]
    Histogram(&'static [f64]),
}

/// In seconds: a task is anything from a function to an agent that works for an hour, and whether it takes twice as long or
/// half is what one wants to see. One series for each bound and capability, so there are no more of them.
const OF_TASKS: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0];
/// In seconds: from an operation that stays in memory to twice the time that a server is given to answer (5 s by default);
/// thrice in ten, for an fsync, a put and a store in trouble lie within two of those.
const OF_PORTS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Up to the most events that a batch has (10,000).
const OF_BATCHES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0];
/// In seconds: what recovers by itself should within 10, and has to within 60.
const OF_RECOVERIES: &[f64] = &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0];

const fn metric(name: &'static str, kind: Kind, labels: &'static [&'static str], what: &'static str) -> Metric {
    Metric { name, kind, labels, what }
}

/// Every metric, and what it says.
pub(crate) const METRICS: [Metric; 39] = {
    use Kind::{Counter, Gauge, Histogram};
    [
        metric(RUNS_SUBMITTED, Counter, &[], "runs that were submitted"),
        metric(RUNS, Counter, &["status"], "runs that ended, by how: completed, failed, cancelled"),
        metric(
            TASKS,
            Counter,
            &["capability", "status"],
            "tasks that ended, by capability and by how: completed, failed, dead, cancelled, skipped",
        ),
        metric(
            TASK_DURATION,
            Histogram(OF_TASKS),
            &["capability"],
            "seconds from the acceptance of a task to its result or failure, by capability",
        ),
        metric(
            QUEUE_WAIT,
            Histogram(OF_TASKS),
            &["capability"],
            "seconds for which a task that was ready waited for an instance, by capability",
        ),
        metric(QUEUE_SIZE, Gauge, &["queue"], "tasks by where they stand: ready, blocked, running, parked, dead"),
        metric(
            PARKED,
            Counter,
            &["capability", "reason"],
            "tasks that were parked, by capability and by what they wait for",
        ),
        metric(
            RETRIES,
            Counter,
            &["capability", "reason"],
            "attempts that failed and are followed by another, by capability and by the class of the failure",
        ),
        metric(
            LOSSES,
            Counter,
            &["capability", "reason"],
            "activations that were cut short, which use no retry, by capability and reason: lease, gone, released",
        ),
        metric(
            DEAD_LETTERS,
            Counter,
            &["capability", "reason"],
            "tasks that went to the dead letters, by capability and reason: the class of the last failure, or losses",
        ),
        metric(
            FAILURES,
            Counter,
            &["capability", "reason"],
            "tasks that failed in a way that no other attempt would mend, by capability and by the class of the failure",
        ),
        metric(
            EFFECTS_UNKNOWN,
            Counter,
            &["capability"],
            "effects of which nobody knows whether they happened, by capability: a person has to decide",
        ),
        metric(
            FENCED,
            Counter,
            &["operation"],
            "words of somebody who does not hold the task any more, by what was said: they had no effect",
        ),
        metric(
            UTILIZATION,
            Gauge,
            &["capability"],
            "the share of the slots of this node's agents that is taken, from 0 to 1, by capability",
        ),
        metric(SLOTS, Gauge, &["capability"], "slots of this node's agents, by capability"),
        metric(
            BREAKER_STATE,
            Gauge,
            &["breaker"],
            "where a circuit breaker stands: 0 closed, 1 open, 2 half-open or on its ramp",
        ),
        metric(
            BREAKER_CHANGES,
            Counter,
            &["breaker", "to"],
            "changes of circuit breakers, by breaker and by the state that it came to",
        ),
        metric(
            MESSAGES,
            Counter,
            &["type", "direction"],
            "messages on the bus, by what they are and by direction: sent, received",
        ),
        metric(
            SENT_AGAIN,
            Counter,
            &["operation"],
            "messages that the bus did not take at first and was given again, by operation: publish, broadcast",
        ),
        metric(
            DEAF,
            Counter,
            &["ear"],
            "consumers that brought nothing any more and were made anew, by what they hear: queue, broadcasts",
        ),
        metric(UNREADABLE, Counter, &[], "messages that nobody can read, which went to agent.dead"),
        metric(
            APPENDS,
            Counter,
            &["outcome"],
            "batches of events that were appended, by outcome: committed, failed, unknown, refused",
        ),
        metric(APPEND_DURATION, Histogram(OF_PORTS), &[], "seconds until the outcome of an append was known"),
        metric(BATCH_EVENTS, Histogram(OF_BATCHES), &[], "events of a batch that was appended"),
        metric(
            SNAPSHOT_AT,
            Gauge,
            &["partition"],
            "the moment of the last event in the newest snapshot of a partition, in seconds since 1970",
        ),
        metric(PARTITIONS, Gauge, &[], "partitions of the name space"),
        metric(PARTITIONS_OWNED, Gauge, &[], "partitions that this node owns"),
        metric(
            TAKEOVERS,
            Counter,
            &[],
            "partitions that this node has claimed and replayed, at its start and afterwards",
        ),
        metric(
            START_FAILURES,
            Counter,
            &["reason"],
            "partitions that could not be claimed or replayed, by the kind of the failure",
        ),
        metric(
            RECOVERY,
            Histogram(OF_RECOVERIES),
            &[],
            "seconds from the claim of a partition to the end of its replay",
        ),
        metric(
            PORT_DURATION,
            Histogram(OF_PORTS),
            &["port", "operation"],
            "seconds that store, bus or directory took to answer, by port and operation",
        ),
        metric(
            PORT_ERRORS,
            Counter,
            &["port", "operation", "reason"],
            "operations of store, bus or directory without a plain answer, by port, operation and reason",
        ),
        metric(SPOOLED, Counter, &[], "writes of documents that were spooled because the store was away"),
        metric(SPOOL_MERGED, Counter, &[], "spooled writes that were merged"),
        metric(SPOOL_ENTRIES, Gauge, &[], "writes of documents that wait in the spool of this node"),
        metric(LOCKS_LOST, Counter, &[], "locks that were lost: held for too long, or not renewed in time"),
        metric(RESTARTS, Counter, &["actor"], "actors that stopped and were started again, by what they are"),
        metric(GIVEN_UP, Counter, &["actor"], "actors that stopped too often and were given up, by what they are"),
        metric(
            BREACHES,
            Counter,
            &["invariant"],
            "promises that were seen not to hold, by invariant: any but 0 is a bug of Callboard",
        ),
    ]
};

/// Tells the recorder of the process what the metrics are; to be told again does no harm.
pub(crate) fn describe() {
    for Metric { name, kind, what, .. } in METRICS {
        match kind {
            Kind::Counter => describe_counter!(name, what),
            Kind::Gauge => describe_gauge!(name, what),
            Kind::Histogram(_) => describe_histogram!(name, what),
        }
    }
}

/// Counts one, under one label.
pub(crate) fn count(name: &'static str, label: &'static str, value: impl Into<String>) {
    counter!(name, label => value.into()).increment(1);
}

/// Counts one that is about a capability, for a reason.
pub(crate) fn count_of(name: &'static str, of: &OfCapability, reason: &'static str) {
    counter!(name, "capability" => of.name.clone(), "reason" => reason).increment(1);
}

/// A breaker has changed.
pub(crate) fn breaker_is(name: &Arc<str>, state: BreakerState) {
    gauge!(BREAKER_STATE, "breaker" => name.clone()).set(state.as_gauge());
    counter!(BREAKER_CHANGES, "breaker" => name.clone(), "to" => state.as_str()).increment(1);
}
