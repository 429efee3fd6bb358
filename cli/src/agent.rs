//! Agents: who they are, and what they can do.

use crate::args::Agent;
use crate::client::Client;
use crate::failure::Result;
use crate::output::{Output, member};
use serde_json::Value;

pub(crate) async fn agent(command: &Agent, client: &Client, output: Output) -> Result<()> {
    let Agent::List = command;
    output.show(
        &client.get("/v1/agents").text().await?,
        &[
            ("ID", |agent| member(agent, "id")),
            ("STATUS", |agent| member(agent, "status")),
            ("RUNNING", |agent| format!("{}/{}", member(agent, "running"), member(agent, "instances"))),
            ("CAPABILITIES", |agent| capabilities(agent)),
        ],
    )
}

fn capabilities(agent: &Value) -> String {
    let all = agent.get("capabilities").and_then(Value::as_array);
    all.into_iter().flatten().map(|capability| member(capability, "name")).collect::<Vec<_>>().join(", ")
}
