//! The log of the process: which lines it writes.

use super::App;
use super::asked::Told;
use super::problem::Problem;
use crate::board::Callboard;
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the log is written.
#[derive(Serialize, JsonSchema)]
pub(super) struct LogView {
    filter: String,
    format: &'static str,
}

/// Which lines are to be written from now on.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wish {
    filter: Option<String>,
}

pub(super) async fn show(State(app): State<App>) -> Result<Json<LogView>, Problem> {
    view(&app.board()?).map(Json)
}

pub(super) async fn put(State(app): State<App>, Told(wish): Told<Wish>) -> Result<Json<LogView>, Problem> {
    let board = app.board()?;
    set(&board, wish.filter.as_deref().unwrap_or_default())?;
    view(&board).map(Json)
}

#[cfg(feature = "log")]
fn view(board: &Callboard) -> Result<LogView, Problem> {
    let telemetry = board.0.telemetry().ok_or_else(not_ours)?;
    Ok(LogView { filter: telemetry.filter(), format: telemetry.format().as_str() })
}

#[cfg(feature = "log")]
fn set(board: &Callboard, filter: &str) -> Result<(), Problem> {
    Ok(board.0.telemetry().ok_or_else(not_ours)?.set_filter(filter)?)
}

#[cfg(not(feature = "log"))]
fn view(_: &Callboard) -> Result<LogView, Problem> {
    Err(not_ours())
}

#[cfg(not(feature = "log"))]
fn set(_: &Callboard, _: &str) -> Result<(), Problem> {
    Err(not_ours())
}

fn not_ours() -> Problem {
    let detail = "the program of this node writes its log itself, and has not told the node of it";
    Problem::new(super::code::Code::Conflict, detail).next("Builder::telemetry in the program")
}
