//! The locks of the name space.

use super::App;
use super::problem::Problem;
use super::view::{LockView, PageView};
use axum::Json;
use axum::extract::State;

pub(super) async fn list(State(app): State<App>) -> Result<Json<PageView<LockView>>, Problem> {
    Ok(Json(PageView::new(app.board()?.locks().await?, None::<String>)))
}
