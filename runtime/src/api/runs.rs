//! Runs: submitted, listed, shown.

use super::App;
use super::asked::{Asked, read, several};
use super::code::Code;
use super::document::Document;
use super::problem::Problem;
use super::view::{PageView, RunView};
use crate::board::{Callboard, Start};
use crate::query::RunStatus;
use crate::workflow::Workflow;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use callboard_core::{RunId, closest};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A run that was submitted, and where it is.
type Created = (StatusCode, [(HeaderName, String); 1], Json<RunView>);

/// The header that makes a submission idempotent.
const KEY: &str = "idempotency-key";

/// The header that makes a run a part of its caller's trace.
const TRACE: &str = "traceparent";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Submission {
    #[serde(default)]
    /// Whether a workflow is refused that asks for what no agent offers at present.
    strict: bool,
}

pub(super) async fn submit(
    State(app): State<App>,
    Asked(submission): Asked<Submission>,
    headers: HeaderMap,
    Document(workflow): Document,
) -> Result<Created, Problem> {
    let board = app.board()?;
    let key = match headers.get(KEY).map(|key| key.to_str()) {
        None => None,
        Some(Ok(key)) => Some(key.to_owned()),
        Some(Err(_)) => return Err(Problem::new(Code::Usage, format!("the header {KEY} is no text"))),
    };
    if submission.strict {
        strict(&board, &workflow, key.as_deref()).await?;
    }
    let start = board.start(workflow);
    let start = match key {
        Some(key) => start.key(key),
        None => start,
    };
    // As W3C has it: one that can not be read is as good as none, and is no reason to refuse what comes with it.
    let parent = headers.get(TRACE).and_then(|parent| parent.to_str().ok()).and_then(|parent| parent.parse().ok());
    let start = parent.into_iter().fold(start, Start::trace);
    let run = start.await.map_err(Problem::of_workflow)?;
    let behind = |error| {
        let problem = Problem::from(error).behind().seen(format!("the run is {}", run.id()));
        problem.next(format!("callboard run show {}", run.id()))
    };
    let view = RunView::from(run.info().await.map_err(behind)?);
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/v1/runs/{}", run.id()))], Json(view)))
}

/// Refuses a workflow that asks for what no agent offers, unless its run is there already.
async fn strict(board: &Callboard, workflow: &Workflow, key: Option<&str>) -> Result<(), Problem> {
    if let Some(key) = key
        && board.run(board.run_id_of_key(key)).info().await.is_ok()
    {
        return Ok(());
    }
    let agents = board.agents().await?;
    let offered: BTreeSet<Arc<str>> =
        agents.iter().flat_map(|agent| &agent.capabilities).map(|capability| capability.name.clone()).collect();
    let (graph, _) = workflow.graph().map_err(Problem::of_workflow)?;
    let asked: BTreeSet<&Arc<str>> = graph.tasks.iter().map(|task| &task.capability).collect();
    let missing: Vec<&str> = asked.into_iter().filter(|name| !offered.contains(*name)).map(|name| &**name).collect();
    let Some(first) = missing.first() else { return Ok(()) };
    let hint = closest(first, offered.iter().map(|name| &**name));
    let hint = hint.map_or_else(String::new, |name| format!("; the closest is {name:?}"));
    let seen = format!("{} capabilities on {} agents{hint}", offered.len(), agents.len());
    let quoted: Vec<String> = missing.iter().map(|name| format!("{name:?}")).collect();
    Err(Problem::new(Code::NoAgent, format!("no agent offers {}", quoted.join(", "))).seen(seen))
}

/// Which runs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// One of several.
    #[schemars(with = "Option<Vec<RunStatus>>")]
    status: Option<String>,
    workflow: Option<String>,
    /// `key:value`.
    label: Option<String>,
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
    /// What `next` of the page before says.
    after: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>,
    Asked(which): Asked<Which>,
) -> Result<Json<PageView<RunView>>, Problem> {
    let known = RunStatus::ALL.map(|status| (status.as_str(), status));
    let statuses = several(which.status.as_deref(), "a status", &known)?;
    let mut runs = statuses.into_iter().fold(app.board()?.runs(), crate::Runs::status);
    if let Some(workflow) = which.workflow {
        runs = runs.workflow(workflow);
    }
    if let Some(label) = which.label {
        let (key, value) = label.split_once(':').unwrap_or((&label, ""));
        runs = runs.label(key, value);
    }
    if let Some(limit) = which.limit {
        runs = runs.limit(limit);
    }
    if let Some(after) = which.after {
        runs = runs.after(read(&after)?);
    }
    let page = runs.await?;
    Ok(Json(PageView::new(page.items, page.next)))
}

pub(super) async fn show(
    State(app): State<App>,
    Path(run): Path<String>,
    Asked(when): Asked<When>,
) -> Result<Json<RunView>, Problem> {
    let run = app.board()?.run(read::<RunId>(&run)?);
    let info = match when.at {
        None => run.info().await?,
        Some(at) => run.at(read(&at)?).await?.info(),
    };
    Ok(Json(info.into()))
}

/// As it stands, or as it stood after an event.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    /// The position of an event.
    pub(super) at: Option<String>,
}
