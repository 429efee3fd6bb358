//! Whether the process lives, and whether it takes submissions.

use super::App;
use super::problem::Problem;
use axum::extract::State;
use std::time::Duration;

/// That it answers is the answer.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether every partition of the node has its owner, and the node does not stop.
pub(super) async fn readyz(State(app): State<App>) -> Result<&'static str, Problem> {
    app.board()?.0.partitions.up(Duration::ZERO).await?;
    Ok("ok\n")
}
