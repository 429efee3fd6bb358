//! What the history of a run tells: where its time went, and in what it differs from another.

use super::App;
use super::asked::read;
use super::problem::Problem;
use super::view::{DiffView, TimesView};
use axum::Json;
use axum::extract::{Path, State};
use callboard_core::RunId;

pub(super) async fn times(State(app): State<App>, Path(run): Path<String>) -> Result<Json<TimesView>, Problem> {
    Ok(Json(app.board()?.run(read::<RunId>(&run)?).times().await?.into()))
}

pub(super) async fn diff(
    State(app): State<App>,
    Path((run, other)): Path<(String, String)>,
) -> Result<Json<DiffView>, Problem> {
    let board = app.board()?;
    let (run, other) = (board.run(read::<RunId>(&run)?), board.run(read::<RunId>(&other)?));
    Ok(Json(run.diff(&other).await?.into()))
}
