//! Nodes as processes of their own on real servers: RabbitMQ, Redis and radosgw.
//!
//! One set of servers for all tests, which run one after the other: each breaks the servers as it likes, and leaves them whole.

mod kit;
mod kills;
