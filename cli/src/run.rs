//! Runs: listed, shown, steered.

use crate::args::{Reason, Run, RunList};
use crate::client::{Client, escaped, with_query};
use crate::failure::{Failure, Result};
use crate::output::{Column, Format, Output, member};
use crate::wait::{Shows, end_of};
use callboard::{Code, Json};
use serde_json::{Value, json};

const RUNS: &[Column] = &[
    ("ID", |run| member(run, "id")),
    ("WORKFLOW", |run| member(run, "workflow")),
    ("STATUS", |run| member(run, "status")),
    ("DONE", |run| done(run)),
    ("SUBMITTED", |run| member(run, "submitted_at")),
];

const TASKS: &[Column] = &[
    ("TASK", |task| member(task, "name")),
    ("CAPABILITY", |task| member(task, "capability")),
    ("STATUS", |task| member(task, "status")),
    ("ATTEMPT", |task| member(task, "attempt")),
    ("WHY", |task| why(task)),
];

pub(crate) async fn run(command: &Run, client: &Client, output: Output) -> Result<()> {
    match command {
        Run::List(list) => output.show(&client.get(listed(list)).text().await?, RUNS),
        Run::Show { id, watch: true } => end_of(client, id, Shows::Events, output).await,
        Run::Show { id, watch: false } => show(client, id, output).await,
        Run::Cancel(reason) => told(client, &reason.id, "cancel", &because(reason), output).await,
        Run::Pause(reason) => told(client, &reason.id, "pause", &because(reason), output).await,
        Run::Resume { id } => told(client, id, "resume", "", output).await,
        Run::Signal { id, name, value } => {
            let value = Json::parse(value.as_deref().unwrap_or("null")).map_err(|error| {
                let failure = Failure::new(Code::Usage, format!("the value of a signal is JSON: {error}"));
                failure.next(format!("callboard run signal {id} {name} '\"text\"'"))
            })?;
            // As it was written: numbers keep every digit.
            let body = format!("{{\"name\":{},\"value\":{value}}}", Value::from(name.as_str()));
            told(client, id, "signal", &body, output).await
        }
        Run::Approve { id, reject, task, by } => {
            let (run, approval) = match id.split_once('/') {
                Some((run, _)) => (run, Some(id)),
                None => (id.as_str(), None),
            };
            let body = json!({ "task": task, "approval": approval, "by": by }).to_string();
            told(client, run, if *reject { "reject" } else { "approve" }, &body, output).await
        }
    }
}

fn listed(list: &RunList) -> String {
    with_query(
        "/v1/runs",
        &[
            ("status", list.status.clone()),
            ("workflow", list.workflow.clone()),
            ("label", list.label.clone()),
            ("limit", list.limit.map(|limit| limit.to_string())),
            ("after", list.after.clone()),
        ],
    )
}

async fn show(client: &Client, id: &str, output: Output) -> Result<()> {
    let path = format!("/v1/runs/{}", escaped(id));
    output.show(&client.get(&path).text().await?, &[])?;
    if output.format == Format::Table {
        output.line("")?;
        output.show(&client.get(format!("{path}/tasks")).text().await?, TASKS)?;
    }
    Ok(())
}

/// Tells the node what to do with a run, and shows how it stands then.
async fn told(client: &Client, id: &str, verb: &str, body: &str, output: Output) -> Result<()> {
    let asking = client.post(format!("/v1/runs/{}/{verb}", escaped(id)));
    let asking = if body.is_empty() { asking } else { asking.body("application/json", body.to_owned()) };
    output.show(&asking.text().await.map_err(|failure| failure.about(id))?, &[])
}

fn because(reason: &Reason) -> String {
    match &reason.reason {
        Some(reason) => json!({ "reason": reason }).to_string(),
        None => String::new(),
    }
}

/// How many of a run's tasks have completed.
fn done(run: &Value) -> String {
    let count = |status: &str| run.pointer(&format!("/tasks/{status}")).and_then(Value::as_u64).unwrap_or(0);
    format!("{}/{}", count("completed"), count("total"))
}

/// Why a task stands where it does.
fn why(task: &Value) -> String {
    let said = ["why", "reason"].map(|key| member(task, key));
    let failures = task.get("failures").and_then(Value::as_array);
    let failed = failures.and_then(|all| all.last()).map(|last| member(last, "error"));
    said.into_iter().find(|said| !said.is_empty()).or(failed).unwrap_or_default()
}
