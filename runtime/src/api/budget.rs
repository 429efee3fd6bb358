//! What a run may cost, and more of it.

use super::App;
use super::asked::{Told, read};
use super::code::Code;
use super::problem::Problem;
use crate::run::Run;
use crate::{Budget, BudgetInfo};
use axum::Json;
use axum::extract::{Path, State};
use callboard_core::RunId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is added.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Added {
    /// As a person writes it: `0.50usd, 60000tokens, 12calls, 10m`.
    amount: Option<String>,
    /// By whom and why.
    by: Option<String>,
    /// Under which it is added once.
    key: Option<String>,
}

/// The budget of a run.
#[derive(Serialize, JsonSchema)]
pub(super) struct BudgetView {
    run: RunId,
    #[serde(flatten)]
    budget: BudgetInfo,
}

type Answer = Result<Json<BudgetView>, Problem>;

async fn shown(run: &Run) -> Answer {
    Ok(Json(BudgetView { run: run.id(), budget: run.budget().await?.unwrap_or_default() }))
}

pub(super) async fn show(State(app): State<App>, Path(id): Path<String>) -> Answer {
    shown(&app.board()?.run(read::<RunId>(&id)?)).await
}

pub(super) async fn top_up(State(app): State<App>, Path(id): Path<String>, Told(added): Told<Added>) -> Answer {
    let run = app.board()?.run(read::<RunId>(&id)?);
    let usage = |message: String| Problem::new(Code::Usage, message);
    let amount = added.amount.ok_or_else(|| usage("say how much: {\"amount\": \"0.50usd\"}".to_owned()))?;
    let amount: Budget = amount.parse().map_err(|error: crate::ParseAmountError| usage(error.to_string()))?;
    let mut top_up = run.top_up(amount);
    if let Some(by) = added.by {
        top_up = top_up.by(by);
    }
    if let Some(key) = added.key {
        top_up = top_up.key(&key);
    }
    top_up.await?;
    shown(&run).await.map_err(Problem::behind)
}
