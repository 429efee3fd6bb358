//! The runtime through its public API: what it promises, with restarts and failing stores.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that fails here may panic, and joins what it spawns"
)]

mod agents;
mod archive;
mod backup;
mod breakers;
mod budgets;
mod children;
mod control;
mod control_random;
mod crashes;
mod documents;
mod durability;
mod durable;
mod durable_crashes;
mod durable_edges;
mod durable_random;
mod durable_scale;
mod dying_examples;
mod effects;
mod events;
mod faults;
pub(crate) mod feed;
mod fire;
mod keys;
pub(crate) mod kit;
mod large;
mod limits;
mod limits_of_calls;
mod lives;
mod locks;
mod messages;
mod metrics;
mod order;
mod past;
mod results;
mod retention;
mod retries;
mod sagas;
mod samples;
mod schedules;
mod shutdown;
mod state;
mod test_kit;
mod why;
