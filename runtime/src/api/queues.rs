//! The tasks that wait for an agent of this node, and those that have failed for good.

use super::App;
use super::asked::{Asked, read};
use super::problem::Problem;
use super::view::{PageView, RunTaskView};
use crate::QueueInfo;
use axum::Json;
use axum::extract::State;
use callboard_core::Requirements;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Tasks that ask for one capability and require the same.
#[derive(Serialize, JsonSchema)]
pub(super) struct QueueView {
    capability: Arc<str>,
    #[schemars(with = "Vec<String>")]
    requires: Requirements,
    waiting: usize,
    reason: String,
}

impl From<QueueInfo> for QueueView {
    fn from(QueueInfo { capability, requires, waiting, reason }: QueueInfo) -> Self {
        Self { capability, requires, waiting, reason }
    }
}

pub(super) async fn list(State(app): State<App>) -> Result<Json<PageView<QueueView>>, Problem> {
    Ok(Json(PageView::new(app.board()?.queue(), None::<String>)))
}

/// Which dead letters.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    capability: Option<String>,
    workflow: Option<String>,
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
    /// What `next` of the page before says.
    after: Option<String>,
}

pub(super) async fn dead(
    State(app): State<App>,
    Asked(which): Asked<Which>,
) -> Result<Json<PageView<RunTaskView>>, Problem> {
    let mut letters = app.board()?.dead_letters();
    if let Some(capability) = which.capability {
        letters = letters.capability(capability);
    }
    if let Some(workflow) = which.workflow {
        letters = letters.workflow(workflow);
    }
    if let Some(limit) = which.limit {
        letters = letters.limit(limit);
    }
    if let Some(after) = which.after {
        letters = letters.after(read(&after)?);
    }
    let page = letters.await?;
    Ok(Json(PageView::new(page.items, page.next)))
}
