//! Tasks: submitted, and asked for.

use crate::args::{Outcome, Submit, Task, TaskList};
use crate::client::{Client, escaped, with_query};
use crate::failure::{Failure, Result};
use crate::input;
use crate::output::{Column, Output, member, value};
use crate::run::why;
use crate::wait::{Shows, end_of};
use callboard::{Code, TraceParent};
use hyper::header::HeaderName;
use serde_json::json;
use std::path::Path;
use tokio::time::timeout;

/// The columns of tasks of all runs.
pub(crate) const TASKS: &[Column] = &[
    ("TASK", |task| format!("{}/{}", member(task, "run"), member(task, "name"))),
    ("WORKFLOW", |task| member(task, "workflow")),
    ("CAPABILITY", |task| member(task, "capability")),
    ("STATUS", |task| member(task, "status")),
    ("ATTEMPT", |task| member(task, "attempt")),
    ("WHY", |task| why(task)),
];

pub(crate) async fn task(command: &Task, client: &Client, output: Output) -> Result<()> {
    match command {
        Task::Submit(submit) => submitted(submit, client, output).await,
        Task::Status { task } => show(task, client, output).await,
        Task::List(list) => output.show(&client.get(listed(list)).text().await?, TASKS),
        Task::Cancel { task, reason } => {
            let body = json!({ "reason": reason }).to_string();
            let asking = client.post(format!("{}/cancel", path(task)?)).body("application/json", body);
            let run = task.split_once('/').map_or(&**task, |(run, _)| run);
            output.show(&asking.text().await.map_err(|failure| failure.about(run))?, &[])
        }
        Task::Retry { task, input } => retry(task, input.as_deref(), client, output).await,
        Task::Decide { task, outcome, result, by } => {
            // The call is what comes behind the task; it may have slashes of its own.
            let mut parts = task.splitn(3, '/');
            let (run, name, call) = (parts.next(), parts.next(), parts.next());
            let path = path(&[run, name].map(Option::unwrap_or_default).join("/"))?;
            let result = result.as_deref().map(|result| input::json(result, "the result of an effect")).transpose()?;
            let result = result.map_or_else(String::new, |result| format!(",\"result\":{result}"));
            let happened = *outcome == Outcome::Happened;
            let (call, by) = (json!(call), json!(by));
            let body = format!("{{\"happened\":{happened},\"call\":{call},\"by\":{by}{result}}}");
            let asking = client.post(format!("{path}/decide")).body("application/json", body);
            output.show(&asking.text().await.map_err(|failure| failure.of_task(task))?, &[])
        }
    }
}

/// Gives a task another life, and shows how it stands then.
pub(crate) async fn retry(task: &str, input: Option<&str>, client: &Client, output: Output) -> Result<()> {
    let asking = client.post(format!("{}/retry", path(task)?));
    let asking = match input {
        // As it was written: numbers keep every digit.
        Some(input) => {
            let body = format!("{{\"input\":{}}}", input::json(input, "the input of a task")?);
            asking.body("application/json", body)
        }
        None => asking,
    };
    output.show(&asking.text().await.map_err(|failure| failure.of_task(task))?, &[])
}

/// Shows how a task stands.
pub(crate) async fn show(task: &str, client: &Client, output: Output) -> Result<()> {
    output.show(&client.get(path(task)?).text().await.map_err(|failure| failure.of_task(task))?, &[])
}

/// Where a task is that is written RUN/TASK.
pub(crate) fn path(task: &str) -> Result<String> {
    match task.split_once('/') {
        Some((run, name)) if !run.is_empty() && !name.is_empty() => {
            Ok(format!("/v1/runs/{}/tasks/{}", escaped(run), escaped(name)))
        }
        _ => {
            let message = format!("{task:?} is no task: it is written RUN/TASK");
            Err(Failure::new(Code::Usage, message).next("callboard run show RUN"))
        }
    }
}

fn listed(list: &TaskList) -> String {
    with_query(
        "/v1/tasks",
        &[
            ("status", list.status.clone()),
            ("capability", list.capability.clone()),
            ("limit", list.limit.map(|limit| limit.to_string())),
            ("after", list.after.clone()),
        ],
    )
}

/// The trace of whoever calls this command, if it says so.
fn traced() -> Option<TraceParent> {
    let said = std::env::var("TRACEPARENT").ok().filter(|said| !said.is_empty())?;
    let parent = said.parse();
    parent.inspect_err(|error| eprintln!("TRACEPARENT is left out: {error}")).ok()
}

async fn submitted(submit: &Submit, client: &Client, output: Output) -> Result<()> {
    let (kind, document) = read(&submit.file)?;
    let strict = submit.strict.then(|| "true".to_owned());
    let asking = client.post(with_query("/v1/runs", &[("strict", strict)])).body(kind, document);
    let asking = match &submit.key {
        Some(key) => asking.header(HeaderName::from_static("idempotency-key"), key),
        None => asking,
    };
    let asking = match traced() {
        Some(parent) => asking.header(HeaderName::from_static("traceparent"), parent.to_string()),
        None => asking,
    };
    let answer = asking.text().await?;
    if !submit.wait {
        return output.show(&answer, &[]);
    }
    let run = member(&value(&answer)?, "id");
    let end = end_of(client, &run, Shows::End, output);
    let Some(limit) = submit.timeout else { return end.await };
    timeout(limit, end).await.unwrap_or_else(|_| {
        let message = format!("the run has not ended within {}", humantime::format_duration(limit));
        Err(Failure::new(Code::WaitedTooLong, message).seen("it goes on").about(&run))
    })
}

/// The document, and what it is written in.
fn read(file: &Path) -> Result<(&'static str, Vec<u8>)> {
    let shown = file.display();
    let kind = match file.extension().and_then(|ending| ending.to_str()) {
        Some("yaml" | "yml") => "application/yaml",
        Some("json") => "application/json",
        Some("toml") => "application/toml",
        // JSON is YAML, too.
        None if file == Path::new("-") => "application/yaml",
        _ => {
            let message = format!("{shown} is told by its name to be no yaml, yml, json or toml");
            return Err(Failure::new(Code::Usage, message).next("callboard task submit - < FILE"));
        }
    };
    Ok((kind, input::read(file)?))
}
