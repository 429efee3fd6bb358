//! Agents: who they are, and what they can do.

use crate::args::Agent;
use crate::client::{Client, escaped, with_query};
use crate::failure::Result;
use crate::output::{Column, Format, Output, member, value};
use serde_json::Value;

const AGENTS: &[Column] = &[
    ("ID", |agent| member(agent, "id")),
    ("STATUS", |agent| member(agent, "status")),
    ("BREAKER", |agent| member(agent, "breaker")),
    ("RUNNING", |agent| format!("{}/{}", member(agent, "running"), member(agent, "instances"))),
    ("HEALTH", |agent| health(agent)),
    ("CAPABILITIES", |agent| capabilities(agent)),
    ("TROUBLE", |agent| member(agent, "trouble")),
    ("NODE", |agent| member(agent, "node")),
];

pub(crate) async fn agent(command: &Agent, client: &Client, output: Output) -> Result<()> {
    match command {
        Agent::List { capability } => {
            let path = with_query("/v1/agents", &[("capability", capability.clone())]);
            output.show(&client.get(path).text().await?, AGENTS)
        }
        Agent::Info { id, node } => {
            let path = with_query(&format!("/v1/agents/{}", escaped(id)), &[("node", node.clone())]);
            let answer = client.get(path).text().await?;
            if output.format != Format::Table {
                return output.show(&answer, &[]);
            }
            let mut agent = value(&answer)?;
            agent["capabilities"] = what_it_can_do(&agent).into();
            output.show(&agent.to_string(), &[])
        }
    }
}

/// What an agent can do, in words; in each line what is not JSON is for people.
fn what_it_can_do(agent: &Value) -> String {
    let all = agent.get("capabilities").and_then(Value::as_array);
    let mut lines = Vec::new();
    for capability in all.into_iter().flatten() {
        let said = [member(capability, "name"), member(capability, "description")];
        lines.push(said.into_iter().filter(|said| !said.is_empty()).collect::<Vec<_>>().join(": "));
        let schemas = [("takes", "input_schema"), ("gives", "output_schema")].into_iter();
        lines.extend(schemas.filter_map(|(verb, key)| Some(format!("  {verb} {}", capability.get(key)?))));
    }
    lines.join("\n")
}

/// In percent.
fn health(agent: &Value) -> String {
    agent["health"].as_f64().map_or_else(String::new, |health| format!("{:.0}%", health * 100.0))
}

fn capabilities(agent: &Value) -> String {
    let all = agent.get("capabilities").and_then(Value::as_array);
    all.into_iter().flatten().map(|capability| member(capability, "name")).collect::<Vec<_>>().join(", ")
}
