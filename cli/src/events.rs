//! What has happened to runs: followed, exported, replayed.

use crate::args::{Events, Tail, Told};
use crate::client::{Client, Happened, escaped, with_query};
use crate::failure::Result;
use crate::output::{Output, member, value};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// How many events are asked for at a time.
const PAGE: usize = 1_000;

pub(crate) async fn events(command: &Events, client: &Client, output: Output) -> Result<()> {
    match command {
        Events::Tail(tail) => self::tail(tail, client, output).await,
        Events::Replay { told, speed } => follow(told, Some(*speed), client, output).await,
        Events::Export(told) => export(told, client, output).await,
    }
}

/// What is shown of one run is over with it; of all runs it never is.
async fn tail(tail: &Tail, client: &Client, output: Output) -> Result<()> {
    let (kinds, after) = (tail.kinds.clone(), tail.after.clone());
    if let Some(run) = tail.run.clone() {
        let told = Told { run, kinds, task: tail.task.clone(), after };
        return follow(&told, None, client, output).await;
    }
    let query = [
        ("after", Some(after.unwrap_or_else(|| "now".to_owned()))),
        ("type", Some(kinds.join(",")).filter(|kinds| !kinds.is_empty())),
        ("workflow", tail.workflow.clone()),
        ("capability", tail.capability.clone()),
    ];
    client.follow_all(&with_query("/v1/events", &query), |happened| output.event(&happened.json)).await
}

/// Shows events as they come. Which are wanted is looked at here: that the last one has come is seen by all of them.
async fn follow(told: &Told, speed: Option<f64>, client: &Client, output: Output) -> Result<()> {
    let see = |happened: Happened| {
        let is_wanted = told.kinds.is_empty() || told.kinds.contains(&happened.kind);
        let is_of_task = match &told.task {
            Some(task) => member(&value(&happened.json)?, "task") == *task,
            None => true,
        };
        if is_wanted && is_of_task { output.event(&happened.json) } else { Ok(()) }
    };
    let query = [("after", told.after.clone()), ("speed", speed.map(|speed| speed.to_string()))];
    let path = with_query(&format!("/v1/runs/{}/events", escaped(&told.run)), &query);
    match speed {
        None => client.follow(&told.run, &path, see).await,
        Some(_) => client.stream(&path, see).await.map(drop),
    }
}

/// Writes the events that there are, each as the node has it.
async fn export(told: &Told, client: &Client, output: Output) -> Result<()> {
    let path = format!("/v1/runs/{}/events", escaped(&told.run));
    let kinds = Some(told.kinds.join(",")).filter(|kinds| !kinds.is_empty());
    let mut after = told.after.clone();
    loop {
        let query = [
            ("limit", Some(PAGE.to_string())),
            ("after", after.clone()),
            ("type", kinds.clone()),
            ("task", told.task.clone()),
        ];
        let text = client.get(with_query(&path, &query)).text().await?;
        let page: BTreeMap<&str, &RawValue> = serde_json::from_str(&text).unwrap_or_default();
        let items = page.get("items").map_or("[]", |items| items.get());
        let items: Vec<&RawValue> = serde_json::from_str(items).unwrap_or_default();
        items.iter().try_for_each(|event| output.for_programs().event(event.get()))?;
        let next = value(page.get("next").map_or("null", |next| next.get()))?;
        // A run that goes on has always a place to go on from; a short page says that there is no more now.
        match next {
            Value::String(next) if items.len() == PAGE => after = Some(next),
            _ => return Ok(()),
        }
    }
}
