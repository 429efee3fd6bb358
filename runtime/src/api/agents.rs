//! The agents that are known.

use super::App;
use super::problem::Problem;
use super::view::PageView;
use crate::registry::AgentInfo;
use axum::Json;
use axum::extract::State;

pub(super) async fn list(State(app): State<App>) -> Result<Json<PageView<AgentInfo>>, Problem> {
    Ok(Json(PageView::new(app.board()?.agents().await?, None::<String>)))
}
