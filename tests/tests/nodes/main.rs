//! Nodes as processes of their own on real servers: RabbitMQ, Redis and radosgw.
//!
//! One set of servers for all tests: one that breaks them is alone with them and leaves them whole, the others run beside one
//! another.
//! `TEST_NODE_...` make the tests longer than they are by default; with `TEST_KEEP` the logs and the ledger stay in the folder
//! for temporary files.

#![expect(clippy::unwrap_used, reason = "a test that fails here may panic")]

mod backup;
mod cost;
mod documents;
mod kills;
mod kit;
mod long_task;
mod networks;
mod servers_away;
mod sick;
mod store_away;

/// A number of the environment.
fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |count| count.parse().unwrap())
}
