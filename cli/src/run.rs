//! Runs: listed, shown, steered.

use crate::args::{Reason, Run, RunList};
use crate::client::{Client, escaped, with_query};
use crate::failure::{Failure, Result};
use crate::output::{Column, Format, Output, cell, member, milliseconds, value};
use crate::wait::{Shows, end_of};
use callboard::{Code, Json};
use serde_json::{Value, json};
use std::cmp::Reverse;

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

const PATH: &[Column] = &[
    ("CRITICAL PATH", |leg| member(leg, "task")),
    ("FROM", |leg| member(leg, "from")),
    ("TOOK", |leg| duration(&leg["whole_ms"])),
    ("WITH", |leg| spent(&leg["spent_ms"])),
];

const DIFF: &[Column] = &[
    ("TASK", |diff| member(diff, "task")),
    ("DIFFERS IN", |diff| words(&diff["differs"], " ")),
    ("STATUS", |diff| sides(&diff["status"], cell)),
    ("ATTEMPTS", |diff| sides(&diff["attempts"], cell)),
    ("DURATION", |diff| sides(&diff["duration_ms"], duration)),
];

pub(crate) async fn run(command: &Run, client: &Client, output: Output) -> Result<()> {
    match command {
        Run::List(list) => output.show(&client.get(listed(list)).text().await?, RUNS),
        Run::Show { id, watch: true, .. } => end_of(client, id, Shows::Events, output).await,
        Run::Show { id, watch: false, at } => show(client, id, at.as_ref(), output).await,
        Run::Time { id } => time(client, id, output).await,
        Run::Diff { id, other } => {
            let path = format!("/v1/runs/{}/diff/{}", escaped(id), escaped(other));
            output.show(&client.get(path).text().await?, DIFF)
        }
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

async fn show(client: &Client, id: &str, at: Option<&String>, output: Output) -> Result<()> {
    let (path, at) = (format!("/v1/runs/{}", escaped(id)), [("at", at.cloned())]);
    output.show(&client.get(with_query(&path, &at)).text().await?, &[])?;
    if output.format == Format::Table {
        output.line("")?;
        output.show(&client.get(with_query(&format!("{path}/tasks"), &at)).text().await?, TASKS)?;
    }
    Ok(())
}

/// Shows where the time of a run went: in all, and task by task along its critical path.
async fn time(client: &Client, id: &str, output: Output) -> Result<()> {
    let text = client.get(format!("/v1/runs/{}/time", escaped(id))).text().await?;
    if output.format != Format::Table {
        return output.show(&text, &[]);
    }
    let times = value(&text)?;
    let (whole, so_far) = (duration(&times["whole_ms"]), if times["has_ended"] == true { "" } else { " so far" });
    output.line(&format!("took     {whole}{so_far}: {}", spent(&times["spent_ms"])))?;
    output.line(&format!("all tasks together: {}\n", spent(&times["of_tasks_ms"])))?;
    output.show(&json!({ "items": times["path"] }).to_string(), PATH)
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

/// Why a task stands where it does; nothing of one that has its output.
pub(crate) fn why(task: &Value) -> String {
    if task["status"] == "completed" {
        return String::new();
    }
    let said = ["why", "reason"].map(|key| member(task, key));
    let failures = task.get("failures").and_then(Value::as_array);
    let failed = failures.and_then(|all| all.last()).map(|last| member(last, "error"));
    said.into_iter().find(|said| !said.is_empty()).or(failed).unwrap_or_default()
}

/// A number of milliseconds as people read it.
fn duration(ms: &Value) -> String {
    ms.as_u64().map_or_else(String::new, milliseconds)
}

/// What time went to, the most first.
fn spent(spent: &Value) -> String {
    let mut all: Vec<(&String, &Value)> = spent.as_object().into_iter().flatten().collect();
    all.sort_by_key(|(_, ms)| Reverse(ms.as_u64()));
    all.into_iter().map(|(phase, ms)| format!("{phase} {}", duration(ms))).collect::<Vec<_>>().join(", ")
}

fn words(all: &Value, between: &str) -> String {
    all.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(between)
}

/// What both runs have, or one for both; "-" for what is not there.
fn sides(both: &Value, cell: fn(&Value) -> String) -> String {
    let side =
        |place: usize| Some(cell(&both[place])).filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned());
    let (ours, theirs) = (side(0), side(1));
    if ours == theirs { ours } else { format!("{ours} -> {theirs}") }
}
