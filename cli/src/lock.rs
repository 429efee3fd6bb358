//! Locks: who holds them, and who waits.

use crate::args::Lock;
use crate::client::Client;
use crate::failure::Result;
use crate::output::{Column, Output, member};
use crate::state::who;
use serde_json::Value;
use std::time::Duration;

const COLUMNS: &[Column] = &[
    ("KEY", |lock| member(lock, "key")),
    ("TOKEN", |lock| member(lock, "token")),
    ("HOLDER", |lock| lock.get("holder").map_or_else(String::new, ticket)),
    ("SINCE", |lock| lock.get("holder").map_or_else(String::new, |holder| member(holder, "since"))),
    ("LIVES", |lock| lives(lock)),
    ("WAITING", |lock| waiting(lock)),
];

pub(crate) async fn lock(command: &Lock, client: &Client, output: Output) -> Result<()> {
    let Lock::List = command;
    output.show(&client.get("/v1/locks").text().await?, COLUMNS)
}

/// Who has a ticket, and on which node.
fn ticket(ticket: &Value) -> String {
    let (who, node) = (ticket.get("by").map_or_else(String::new, who), member(ticket, "node"));
    if who.is_empty() { format!("node {node}") } else { format!("{who}, on node {node}") }
}

fn lives(lock: &Value) -> String {
    let ms = lock.get("ttl_ms").and_then(Value::as_u64).unwrap_or_default();
    humantime::format_duration(Duration::from_millis(ms)).to_string()
}

/// How many wait, and who has it next.
fn waiting(lock: &Value) -> String {
    let waiting = lock.get("waiting").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    match waiting {
        [] => "0".to_owned(),
        [first, ..] => format!("{}: {}", waiting.len(), ticket(first)),
    }
}
