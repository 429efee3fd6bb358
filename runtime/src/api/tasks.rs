//! The tasks of a run, and of all runs.

use super::App;
use super::asked::{Asked, Told, page_of, read, several};
use super::code::Code;
use super::control::Reason;
use super::problem::Problem;
use super::runs::When;
use super::view::{PageView, RunTaskView, TaskView};
use crate::partition::message::Target;
use crate::query::{EffectId, Tasks};
use crate::{AllTasks, Error, ErrorKind, Json as Payload, Run};
use axum::Json;
use axum::extract::{Path, State};
use callboard_core::{RunId, Status, TaskIndex};
use schemars::JsonSchema;
use serde::Deserialize;
use std::str::FromStr;

/// Which tasks.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// One of several.
    #[schemars(with = "Option<Vec<Status>>")]
    status: Option<String>,
    capability: Option<String>,
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
    /// What `next` of the page before says.
    after: Option<String>,
    /// The position of an event of one run.
    at: Option<String>,
}

impl Which {
    fn statuses(&self) -> Result<Vec<Status>, Problem> {
        let known = Status::ALL.map(|status| (status.as_str(), status));
        several(self.status.as_deref(), "a status", &known)
    }
}

pub(super) async fn list(
    State(app): State<App>,
    Path(run): Path<String>,
    Asked(which): Asked<Which>,
) -> Result<Json<PageView<TaskView>>, Problem> {
    let statuses = which.statuses()?;
    let run = app.board()?.run(read::<RunId>(&run)?);
    let behind = which.after.as_deref().map(read::<Behind>).transpose()?.map(|Behind(index)| index);
    if let Some(at) = &which.at {
        let (limit, past) = (page_of(which.limit)?, run.at(read(at)?).await?);
        let mut found = past.tasks().filter(|task| {
            behind.is_none_or(|behind| task.index > behind)
                && (statuses.is_empty() || statuses.contains(&task.status))
                && which.capability.as_ref().is_none_or(|capability| *task.capability == **capability)
        });
        let items: Vec<_> = found.by_ref().take(limit).collect();
        let next = items.last().map(|task| task.index).filter(|_| found.next().is_some());
        return Ok(Json(PageView::new(items, next)));
    }
    let mut tasks = statuses.into_iter().fold(run.tasks(), Tasks::status);
    if let Some(capability) = which.capability {
        tasks = tasks.capability(capability);
    }
    if let Some(limit) = which.limit {
        tasks = tasks.limit(limit);
    }
    if let Some(after) = behind {
        tasks = tasks.after(after);
    }
    let page = tasks.await?;
    Ok(Json(PageView::new(page.items, page.next)))
}

/// The place of a task in its run.
struct Behind(TaskIndex);

impl FromStr for Behind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let no_place = |_| {
            let seen: String = text.chars().take(80).collect();
            Error::new(ErrorKind::Invalid, format!("not the place of a task: {seen:?}"))
        };
        text.parse().map(|index| Self(TaskIndex(index))).map_err(no_place)
    }
}

/// The tasks of all runs.
pub(super) async fn all(
    State(app): State<App>,
    Asked(which): Asked<Which>,
) -> Result<Json<PageView<RunTaskView>>, Problem> {
    if which.at.is_some() {
        return Err(Problem::new(Code::Usage, "only one run is told as it was at an event"));
    }
    let mut tasks = which.statuses()?.into_iter().fold(app.board()?.tasks(), AllTasks::status);
    if let Some(capability) = which.capability {
        tasks = tasks.capability(capability);
    }
    if let Some(limit) = which.limit {
        tasks = tasks.limit(limit);
    }
    if let Some(after) = which.after {
        tasks = tasks.after(read(&after)?);
    }
    let page = tasks.await?;
    Ok(Json(PageView::new(page.items, page.next)))
}

/// A task by its name, or else by its index.
pub(super) async fn show(
    State(app): State<App>,
    Path((run, task)): Path<(String, String)>,
    Asked(when): Asked<When>,
) -> Result<Json<TaskView>, Problem> {
    let run = app.board()?.run(read::<RunId>(&run)?);
    let Some(at) = when.at else { return shown(&run, &task).await };
    let past = run.at(read(&at)?).await?;
    let absent = || Problem::new(Code::NotFound, format!("there was no task {task:?} in run {}", run.id()));
    let found = past.task(&task).ok_or_else(absent)?;
    let output = past.output_json(found.index).await?;
    let view = TaskView::from(found);
    Ok(Json(match output {
        Some(output) => view.with_output(output),
        None => view,
    }))
}

async fn shown(run: &Run, task: &str) -> Result<Json<TaskView>, Problem> {
    let found = run.task(task).await?;
    let (name, index, is_completed) = (found.name.clone(), found.index, found.status == Status::Completed);
    let view = TaskView::from(found);
    if !is_completed {
        return Ok(Json(view));
    }
    let target = Target::Task { name, at: index };
    Ok(Json(view.with_output(run.output_of(target).await?)))
}

/// With which input a task is tried again; without one with its own.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Again {
    #[serde(deserialize_with = "Payload::present")]
    input: Option<Payload>,
}

pub(super) async fn retry(
    State(app): State<App>,
    Path((run, task)): Path<(String, String)>,
    Told(again): Told<Again>,
) -> Result<Json<TaskView>, Problem> {
    let run = app.board()?.run(read::<RunId>(&run)?);
    let name = run.task(&task).await?.name;
    let retry = run.retry(name);
    match again.input {
        Some(input) => retry.json(input).await?,
        None => retry.await?,
    }
    shown(&run, &task).await.map_err(Problem::behind)
}

pub(super) async fn cancel(
    State(app): State<App>,
    Path((run, task)): Path<(String, String)>,
    Told(reason): Told<Reason>,
) -> Result<Json<TaskView>, Problem> {
    let run = app.board()?.run(read::<RunId>(&run)?);
    run.cancel_task(&task, reason.said()).await?;
    shown(&run, &task).await.map_err(Problem::behind)
}

/// Whether an effect happened, with which result, and who says so.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Decided {
    happened: Option<bool>,
    call: Option<String>,
    #[serde(deserialize_with = "Payload::present")]
    result: Option<Payload>,
    by: Option<String>,
}

pub(super) async fn decide(
    State(app): State<App>,
    Path((run, task)): Path<(String, String)>,
    Told(decided): Told<Decided>,
) -> Result<Json<TaskView>, Problem> {
    let unsaid = || Problem::new(Code::Usage, "it is not said whether the effect happened: {\"happened\": true}");
    let happened = decided.happened.ok_or_else(unsaid)?;
    let board = app.board()?;
    let run = board.run(read::<RunId>(&run)?);
    let index = run.task(&task).await?.index;
    let call = match decided.call {
        Some(call) => call.into(),
        None => run.unknown_effect_of(index).await?,
    };
    let deciding = board.decide(EffectId { run: run.id(), task: index, call });
    let deciding = match decided.by {
        Some(by) => deciding.by(by),
        None => deciding,
    };
    match happened {
        true => deciding.happened(&decided.result.unwrap_or_else(Payload::null)).await?,
        false => deciding.did_not_happen().await?,
    }
    shown(&run, &task).await.map_err(Problem::behind)
}
