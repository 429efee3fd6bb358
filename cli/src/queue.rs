//! What waits for an agent, and what has failed for good.

use crate::args::{Dead, DeadList, Queue};
use crate::client::{Client, with_query};
use crate::failure::Result;
use crate::output::{Column, Output, member};
use crate::task::{TASKS, retry, show};
use serde_json::Value;

const LANES: &[Column] = &[
    ("CAPABILITY", |lane| member(lane, "capability")),
    ("REQUIRES", |lane| {
        let requires = lane.get("requires").and_then(Value::as_array);
        requires.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    }),
    ("WAITING", |lane| member(lane, "waiting")),
    ("WHY", |lane| member(lane, "reason")),
];

pub(crate) async fn queue(command: &Queue, client: &Client, output: Output) -> Result<()> {
    match command {
        Queue::Status => output.show(&client.get("/v1/queues").text().await?, LANES),
        Queue::Dead(Dead::List(list)) => output.show(&client.get(listed(list)).text().await?, TASKS),
        Queue::Dead(Dead::Show { task }) => show(task, client, output).await,
        Queue::Dead(Dead::Retry { task }) => retry(task, None, client, output).await,
    }
}

fn listed(list: &DeadList) -> String {
    with_query(
        "/v1/queues/dead",
        &[
            ("capability", list.capability.clone()),
            ("workflow", list.workflow.clone()),
            ("limit", list.limit.map(|limit| limit.to_string())),
            ("after", list.after.clone()),
        ],
    )
}
