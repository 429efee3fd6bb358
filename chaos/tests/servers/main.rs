//! Each server starts, answers, is killed, comes back with its data, and leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "a test that fails here may panic")]

mod kit;
mod rabbitmq;
mod radosgw;
mod redis;
