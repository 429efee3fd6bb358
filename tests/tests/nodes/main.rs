//! Nodes as processes of their own on real servers: RabbitMQ, Redis and radosgw.
//!
//! One set of servers for all tests, which run one after the other: each breaks the servers as it likes, and leaves them whole.
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
