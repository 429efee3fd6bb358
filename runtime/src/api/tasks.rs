//! The tasks of a run.

use super::App;
use super::asked::{Asked, read, several};
use super::problem::Problem;
use super::view::{PageView, TaskView};
use crate::partition::message::Target;
use crate::query::Tasks;
use axum::Json;
use axum::extract::{Path, State};
use callboard_core::{RunId, Status, TaskIndex};
use serde::Deserialize;

/// Which tasks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    status: Option<String>,
    capability: Option<String>,
    limit: Option<usize>,
    after: Option<u32>,
}

pub(super) async fn list(
    State(app): State<App>,
    Path(run): Path<String>,
    Asked(which): Asked<Which>,
) -> Result<Json<PageView<TaskView>>, Problem> {
    let known = Status::ALL.map(|status| (status.as_str(), status));
    let statuses = several(which.status.as_deref(), "a status", &known)?;
    let tasks = app.board()?.run(read::<RunId>(&run)?).tasks();
    let mut tasks = statuses.into_iter().fold(tasks, Tasks::status);
    if let Some(capability) = which.capability {
        tasks = tasks.capability(capability);
    }
    if let Some(limit) = which.limit {
        tasks = tasks.limit(limit);
    }
    if let Some(after) = which.after {
        tasks = tasks.after(TaskIndex(after));
    }
    let page = tasks.await?;
    Ok(Json(PageView::new(page.items, page.next)))
}

/// A task by its name, or else by its index.
pub(super) async fn show(
    State(app): State<App>,
    Path((run, task)): Path<(String, String)>,
) -> Result<Json<TaskView>, Problem> {
    let run = app.board()?.run(read::<RunId>(&run)?);
    let found = run.task(&task).await?;
    let index = found.index;
    let (name, is_completed) = (found.name.clone(), found.status == Status::Completed);
    let view = TaskView::from(found);
    if !is_completed {
        return Ok(Json(view));
    }
    Ok(Json(view.with_output(run.output_of(Target::Task { name, at: index }).await?)))
}
