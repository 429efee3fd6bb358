//! The circuit breakers of this node.

use super::App;
use super::asked::Told;
use super::control::Reason;
use super::problem::Problem;
use super::view::PageView;
use crate::{BreakerHandle, BreakerInfo, BreakerState};
use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// A breaker as it is shown; times in milliseconds.
#[derive(Serialize, JsonSchema)]
pub(super) struct BreakerView {
    name: Arc<str>,
    state: BreakerState,
    reason: Arc<str>,
    since_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_for_ms: Option<u64>,
    waiting: usize,
    generation: u64,
}

impl From<BreakerInfo> for BreakerView {
    fn from(info: BreakerInfo) -> Self {
        let BreakerInfo { name, state, reason, since, open_for, waiting, generation } = info;
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self { name, state, reason, since_ms: ms(since), open_for_ms: open_for.map(ms), waiting, generation }
    }
}

type Answer = Result<Json<BreakerView>, Problem>;

fn breaker(app: &App, name: String) -> Result<BreakerHandle, Problem> {
    Ok(app.board()?.breaker(name))
}

pub(super) async fn list(State(app): State<App>) -> Result<Json<PageView<BreakerView>>, Problem> {
    let breakers = app.board()?.breakers();
    Ok(Json(PageView::new(breakers, None::<String>)))
}

pub(super) async fn show(State(app): State<App>, Path(name): Path<String>) -> Answer {
    Ok(Json(breaker(&app, name)?.info()?.into()))
}

pub(super) async fn open(State(app): State<App>, Path(name): Path<String>, Told(reason): Told<Reason>) -> Answer {
    Ok(Json(breaker(&app, name)?.open(&reason.whose()).await?.into()))
}

pub(super) async fn close(State(app): State<App>, Path(name): Path<String>, Told(reason): Told<Reason>) -> Answer {
    Ok(Json(breaker(&app, name)?.close(&reason.whose()).await?.into()))
}

pub(super) async fn reset(State(app): State<App>, Path(name): Path<String>, Told(reason): Told<Reason>) -> Answer {
    Ok(Json(breaker(&app, name)?.reset(&reason.whose()).await?.into()))
}
