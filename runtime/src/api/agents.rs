//! The agents that are known.

use super::App;
use super::asked::Asked;
use super::code::Code;
use super::problem::Problem;
use super::view::PageView;
use crate::registry::AgentInfo;
use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::Deserialize;

/// Which agents.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    capability: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>,
    Asked(which): Asked<Which>,
) -> Result<Json<PageView<AgentInfo>>, Problem> {
    let agents = app.board()?.agents();
    let found = match which.capability {
        Some(capability) => agents.find(capability).await?,
        None => agents.await?,
    };
    Ok(Json(PageView::new(found, None::<String>)))
}

/// On which node, if an id is that of several agents.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Where {
    node: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    Asked(on): Asked<Where>,
) -> Result<Json<AgentInfo>, Problem> {
    let is_it = |agent: &AgentInfo| *agent.id == *id && on.node.as_ref().is_none_or(|node| *agent.node == **node);
    let mut found: Vec<AgentInfo> = app.board()?.agents().await?.into_iter().filter(is_it).collect();
    match (found.pop(), found.is_empty()) {
        (Some(agent), true) => Ok(Json(agent)),
        (Some(last), false) => {
            let nodes: Vec<&str> = found.iter().chain([&last]).map(|agent| &*agent.node).collect();
            let problem = Problem::new(Code::Conflict, format!("{} nodes have an agent {id:?}", nodes.len()));
            Err(problem.seen(nodes.join(", ")).next(format!("callboard agent info {id} --node NODE")))
        }
        (None, _) => {
            Err(Problem::new(Code::NotFound, format!("there is no agent {id:?}")).next("callboard agent list"))
        }
    }
}
