//! What can be seen of a node from outside: traces at a receiver of OTLP, and the log.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that fails here may panic, and joins what it spawns"
)]

mod logs;
mod receiver;
mod traces;
