//! Limits: how much of each is taken, and how many wait.

use crate::args::Limit;
use crate::client::Client;
use crate::failure::Result;
use crate::output::{Output, member};
use serde_json::Value;
use std::time::Duration;

pub(crate) async fn limit(command: &Limit, client: &Client, output: Output) -> Result<()> {
    let Limit::List = command;
    output.show(
        &client.get("/v1/limits").text().await?,
        &[
            ("NAME", |limit| member(limit, "name")),
            ("TENANT", |limit| member(limit, "tenant")),
            ("AT ONCE", |limit| of(&member(limit, "taken"), &member(limit, "at_once"))),
            ("RATES", |limit| rates(limit)),
            ("WAITING", |limit| member(limit, "waiting")),
        ],
    )
}

fn of(taken: &str, most: &str) -> String {
    if most.is_empty() { taken.to_owned() } else { format!("{taken}/{most}") }
}

/// `120/600 units in 1m`.
fn rates(limit: &Value) -> String {
    let all = limit.get("rates").and_then(Value::as_array);
    let rate = |rate: &Value| {
        let per = Duration::from_millis(rate.get("per_ms").and_then(Value::as_u64).unwrap_or_default());
        let went = of(&member(rate, "went"), &member(rate, "most"));
        format!("{went} {} in {}", member(rate, "what"), humantime::format_duration(per))
    };
    all.into_iter().flatten().map(rate).collect::<Vec<_>>().join(", ")
}
