//! What a cluster says by HTTP when all is over.

use super::http::escaped;
use super::user::{OfRun, User};
use crate::history::{NOT_TOLD, RunEnd, TaskEnd};
use crate::schedule::Schedule;
use crate::suite::ends::{ASKING, ask, is_asked};
use futures::StreamExt;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often all runs are looked at until they have ended.
const LOOK: Duration = Duration::from_secs(1);
/// How many runs are asked for at the same time: the cluster is somebody's.
const ASKED_AT_ONCE: usize = 8;

#[derive(Deserialize)]
struct OfTask {
    name: String,
    status: String,
    #[serde(default)]
    parent: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Event {
    r#type: String,
    #[serde(default)]
    task: Option<String>,
}

/// What the cluster says of every run of the schedule once it has ended, or at the deadline; of so many of a hundred also what it
/// says of their tasks.
pub(super) async fn of(user: &User, schedule: &Schedule, asked: u32, deadline: Instant) -> Vec<RunEnd> {
    let known = known(user, deadline).await;
    let of_run = async |n: usize, name: &str| {
        let none = |status: Option<&str>| RunEnd {
            run: name.to_owned(),
            status: status.map(str::to_owned),
            tasks: Vec::new(),
        };
        let Some(known) = &known else { return none(Some(NOT_TOLD)) };
        let Some(run) = known.get(&user.key(name)) else { return none(None) };
        let is_asked = is_asked(n, asked) && run.has_ended();
        let tasks =
            if is_asked { ask(Instant::now() + ASKING, async || tasks(user, &run.id).await).await } else { None };
        RunEnd { tasks: tasks.unwrap_or_default(), ..none(Some(&run.status)) }
    };
    let all = schedule.runs.iter().enumerate().map(|(n, run)| of_run(n, &run.work.name));
    futures::stream::iter(all).buffered(ASKED_AT_ONCE).collect().await
}

/// All runs of this time by their keys, when they have ended or at the deadline; nothing if nobody tells.
async fn known(user: &User, deadline: Instant) -> Option<BTreeMap<String, OfRun>> {
    let path = format!("/v1/runs?label={}", escaped(&user.label()));
    loop {
        match user.http().all::<OfRun>(&path).await {
            Ok(runs) if Instant::now() >= deadline || runs.iter().all(OfRun::has_ended) => {
                return Some(runs.into_iter().filter_map(|run| Some((run.key.clone()?, run))).collect());
            }
            Err(_) if Instant::now() >= deadline + ASKING => return None,
            _ => sleep(LOOK).await,
        }
    }
}

/// What the cluster says of the tasks of a run that has ended, and of their places in its history.
async fn tasks(user: &User, run: &str) -> Result<Vec<TaskEnd>, super::http::Failure> {
    let tasks: Vec<OfTask> = user.http().all(&format!("/v1/runs/{run}/tasks")).await?;
    let events: Vec<Event> = user.http().all(&format!("/v1/runs/{run}/events")).await?;
    // Children are their parents' business.
    let tasks = tasks.into_iter().filter(|task| task.parent.is_none());
    Ok(tasks.map(|task| of_task(task, &events)).collect())
}

fn of_task(OfTask { name, status, .. }: OfTask, events: &[Event]) -> TaskEnd {
    let of = |kind: &str| {
        let at = events.iter().enumerate().filter(|(_, event)| event.r#type == kind);
        at.filter(|(_, event)| event.task.as_ref() == Some(&name)).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let (began, done) = (of("started"), of("completed"));
    let (began_at, done_at) = (began.first().copied(), done.first().copied());
    TaskEnd { task: name, status, mark: None, results: done.len(), began_at, done_at }
}
