//! The tasks of a run.

use super::App;
use super::asked::{Asked, read, several};
use super::code::Code;
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
    let board = app.board()?;
    let run = board.run(read::<RunId>(&run)?);
    let absent = || Problem::new(Code::NotFound, format!("there is no task {task:?} in run {}", run.id()));
    let index = match (run.node().partitions.task_named(run.id(), &task).await, task.parse()) {
        (Ok(index), _) => index,
        (Err(error), Ok(index)) if error.kind() == crate::ErrorKind::NotFound => TaskIndex(index),
        (Err(error), _) => return Err(error.into()),
    };
    let mut tasks = run.tasks().limit(1);
    if let Some(before) = index.0.checked_sub(1) {
        tasks = tasks.after(TaskIndex(before));
    }
    let found = tasks.await?.items.into_iter().next().filter(|found| found.index == index).ok_or_else(absent)?;
    let (name, is_completed) = (found.name.clone(), found.status == Status::Completed);
    let view = TaskView::from(found);
    if !is_completed {
        return Ok(Json(view));
    }
    Ok(Json(view.with_output(run.output_of(Target::Task { name, at: index }).await?)))
}
