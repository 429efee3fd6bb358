//! Whether the process lives, and whether it takes work.

use super::App;
use super::code::Code;
use super::problem::Problem;
use axum::extract::State;

/// That it answers is the answer.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// How many reasons are told.
const REASONS_MAX: usize = 20;

/// Whether every partition has an owner that takes work; if not, every reason.
pub(super) async fn readyz(State(app): State<App>) -> Result<&'static str, Problem> {
    let reasons = app.board()?.0.partitions.hindrances();
    if reasons.is_empty() {
        return Ok("ok\n");
    }
    let more = reasons.len().saturating_sub(REASONS_MAX);
    let problem = Problem::new(Code::Unavailable, "this node takes no work at present");
    let problem = reasons.into_iter().take(REASONS_MAX).fold(problem, Problem::seen);
    Err(if more > 0 { problem.seen(format!("and {more} more")) } else { problem })
}
