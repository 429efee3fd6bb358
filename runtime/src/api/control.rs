//! What is done to a run.

use super::App;
use super::asked::{Told, read};
use super::problem::Problem;
use super::view::RunView;
use crate::Json as Payload;
use crate::answer::Answering;
use crate::run::Run;
use axum::Json;
use axum::extract::{Path, State};
use callboard_core::RunId;
use schemars::JsonSchema;
use serde::Deserialize;

/// Why somebody does it.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Reason {
    reason: Option<String>,
}

impl Reason {
    pub(super) fn said(self) -> String {
        self.reason.unwrap_or_else(|| "asked for by HTTP".to_owned())
    }

    /// Who does it, or why, where that comes behind "by".
    pub(super) fn whose(self) -> String {
        self.reason.unwrap_or_else(|| "somebody".to_owned())
    }
}

/// A signal.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Signal {
    name: String,
    #[serde(default)]
    value: Option<Payload>,
}

/// Which approval is meant, if several may be, and who answers.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Answered {
    task: Option<String>,
    approval: Option<String>,
    by: Option<String>,
}

type Answer = Result<Json<RunView>, Problem>;

fn run(app: &App, run: &str) -> Result<Run, Problem> {
    Ok(app.board()?.run(read::<RunId>(run)?))
}

/// How the run stands behind a change.
async fn shown(run: &Run) -> Answer {
    let info = run.info().await.map_err(|error| Problem::from(error).behind())?;
    Ok(Json(info.into()))
}

pub(super) async fn cancel(State(app): State<App>, Path(id): Path<String>, Told(reason): Told<Reason>) -> Answer {
    let run = run(&app, &id)?;
    run.cancel(reason.said()).await?;
    shown(&run).await
}

pub(super) async fn pause(State(app): State<App>, Path(id): Path<String>, Told(reason): Told<Reason>) -> Answer {
    let run = run(&app, &id)?;
    run.pause(reason.said()).await?;
    shown(&run).await
}

pub(super) async fn resume(State(app): State<App>, Path(id): Path<String>) -> Answer {
    let run = run(&app, &id)?;
    run.resume().await?;
    shown(&run).await
}

pub(super) async fn signal(State(app): State<App>, Path(id): Path<String>, Told(signal): Told<Signal>) -> Answer {
    let run = run(&app, &id)?;
    run.signal(&signal.name, &signal.value.unwrap_or_else(Payload::null)).await?;
    shown(&run).await
}

pub(super) async fn approve(State(app): State<App>, Path(id): Path<String>, Told(said): Told<Answered>) -> Answer {
    let run = run(&app, &id)?;
    answered(run.approve(), said)?.await?;
    shown(&run).await
}

pub(super) async fn reject(State(app): State<App>, Path(id): Path<String>, Told(said): Told<Answered>) -> Answer {
    let run = run(&app, &id)?;
    answered(run.reject(), said)?.await?;
    shown(&run).await
}

fn answered(mut answering: Answering, said: Answered) -> Result<Answering, Problem> {
    if let Some(task) = said.task {
        answering = answering.task(task);
    }
    if let Some(approval) = said.approval {
        answering = answering.approval(read(&approval)?);
    }
    if let Some(by) = said.by {
        answering = answering.by(by);
    }
    Ok(answering)
}
