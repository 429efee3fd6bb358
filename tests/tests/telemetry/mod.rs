//! What can be seen of a node from outside: traces at a receiver of OTLP, and the log.
#![expect(clippy::unwrap_used, reason = "a test that fails here may panic")]

mod logs;
mod receiver;
mod traces;

use callboard::Telemetry;
use std::sync::LazyLock;
use tracing::Dispatch;
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing_subscriber::layer::SubscriberExt;

/// Has it hear this thread until the guard is dropped.
fn listening(telemetry: &Telemetry) -> DefaultGuard {
    // Of a single subscriber `tracing` asks only the thread that comes to a line first, which may be another test's.
    static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));
    LazyLock::force(&ANOTHER);
    tracing::subscriber::set_default(tracing_subscriber::registry().with(telemetry.layer()))
}
