//! Agents: who they are, and what they can do.

use crate::args::Agent;
use crate::client::{Client, escaped, with_query};
use crate::failure::Result;
use crate::output::{Column, Output, member};
use serde_json::Value;

const AGENTS: &[Column] = &[
    ("ID", |agent| member(agent, "id")),
    ("STATUS", |agent| member(agent, "status")),
    ("RUNNING", |agent| format!("{}/{}", member(agent, "running"), member(agent, "instances"))),
    ("CAPABILITIES", |agent| capabilities(agent)),
];

pub(crate) async fn agent(command: &Agent, client: &Client, output: Output) -> Result<()> {
    match command {
        Agent::List => output.show(&client.get("/v1/agents").text().await?, AGENTS),
        Agent::Info { id, node } => {
            let path = with_query(&format!("/v1/agents/{}", escaped(id)), &[("node", node.clone())]);
            output.show(&client.get(path).text().await?, &[])
        }
    }
}

fn capabilities(agent: &Value) -> String {
    let all = agent.get("capabilities").and_then(Value::as_array);
    all.into_iter().flatten().map(|capability| member(capability, "name")).collect::<Vec<_>>().join(", ")
}
