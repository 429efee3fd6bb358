//! Waiting for the end of a run.

use crate::client::{Client, Happened, escaped};
use crate::failure::{Failure, Result};
use crate::output::{Format, Output, member, one_line, value};
use crate::watch::watch;
use callboard::Code;
use serde_json::Value;

/// What is shown of a run while it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// Each event.
    Events,
    /// The run when it has ended.
    End,
}

/// Waits until the run has ended, and shows what is wanted of it; on a terminal it is drawn meanwhile, with a bar a task.
///
/// # Errors
///
/// That it did not complete.
pub(crate) async fn end_of(client: &Client, run: &str, shows: Shows, output: Output) -> Result<()> {
    if output.is_screen() {
        watch(client, run, output).await?;
    } else {
        let see = |happened: Happened| match shows {
            Shows::Events => output.event(&happened.json),
            Shows::End => Ok(()),
        };
        client.follow(run, &format!("/v1/runs/{}/events", escaped(run)), see).await?;
    }
    let ended = client.get(format!("/v1/runs/{}", escaped(run))).text().await?;
    if shows == Shows::End {
        output.show(&ended, &[])?;
    }
    let ended = value(&ended)?;
    let (name, status) = (member(&ended, "workflow"), member(&ended, "status"));
    let code = match status.as_str() {
        "completed" => return Ok(()),
        "cancelled" => Code::Cancelled,
        "quarantined" => Code::Corrupt,
        _ => Code::Failed,
    };
    let failure = Failure::new(code, format!("the run of {name:?} is {status}")).about(run);
    Err(causes(client, run).await?.into_iter().fold(failure, Failure::seen))
}

/// How many tasks are told of that are to blame.
const TOLD: usize = 5;

/// What became of the tasks that have no result, in words.
async fn causes(client: &Client, run: &str) -> Result<Vec<String>> {
    let path = format!("/v1/runs/{}/tasks?status=failed,dead,cancelled&limit={TOLD}", escaped(run));
    let tasks = value(&client.get(path).text().await?)?;
    let tasks = tasks.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let one = |task: &Value| {
        let failures = task.get("failures").and_then(Value::as_array);
        let error =
            failures.and_then(|all| all.last()).map_or_else(|| member(task, "reason"), |last| member(last, "error"));
        format!("{} {}: {error}", member(task, "name"), member(task, "status"))
    };
    Ok(tasks.iter().map(one).collect())
}

impl Output {
    /// Writes an event on a line.
    pub(crate) fn event(self, json: &str) -> Result<()> {
        match self.format {
            Format::Table => {
                let event = value(json)?;
                // Of all runs, which.
                let run = event.get("run").map_or_else(String::new, |_| format!("{}  ", member(&event, "run")));
                self.line(&format!("{}  {run}{}", member(&event, "at"), one_line(member(&event, "text"))))
            }
            Format::Json | Format::Jsonl => self.line(json),
            Format::Yaml => self.line("---").and_then(|()| self.show(json, &[])),
        }
    }
}
