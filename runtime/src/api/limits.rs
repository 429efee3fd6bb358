//! The limits of this node.

use super::App;
use super::problem::Problem;
use super::view::PageView;
use crate::{LimitInfo, RateInfo};
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// A limit as it is shown; times in milliseconds.
#[derive(Serialize, JsonSchema)]
pub(super) struct LimitView {
    name: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capability: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_once: Option<u64>,
    taken: u64,
    rates: Vec<RateView>,
    waiting: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct RateView {
    what: &'static str,
    most: u64,
    per_ms: u64,
    went: u64,
}

impl From<LimitInfo> for LimitView {
    fn from(info: LimitInfo) -> Self {
        let LimitInfo { name, tenant, capability, at_once, taken, rates, waiting, nodes } = info;
        let rates = rates.into_iter().map(|RateInfo { what, most, per, went }| RateView {
            what,
            most,
            per_ms: u64::try_from(per.as_millis()).unwrap_or(u64::MAX),
            went,
        });
        Self { rates: rates.collect(), name, tenant, capability, at_once, taken, waiting, nodes }
    }
}

pub(super) async fn list(State(app): State<App>) -> Result<Json<PageView<LimitView>>, Problem> {
    Ok(Json(PageView::new(app.board()?.limits(), None::<String>)))
}
