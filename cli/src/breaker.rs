//! Circuit breakers: where they stand, and what a person does about it.

use crate::args::{Breaker, CircuitBreaker};
use crate::client::{Client, escaped};
use crate::failure::{Failure, Result};
use crate::output::{Column, Output, member, milliseconds};
use callboard::Code;
use serde_json::{Value, json};

const COLUMNS: &[Column] = &[
    ("NAME", |breaker| member(breaker, "name")),
    ("STATE", |breaker| member(breaker, "state")),
    ("SINCE", |breaker| time(breaker, "since_ms")),
    ("OPEN FOR", |breaker| time(breaker, "open_for_ms")),
    ("WAITING", |breaker| member(breaker, "waiting")),
    ("REASON", |breaker| member(breaker, "reason")),
];

pub(crate) async fn breaker(command: &CircuitBreaker, client: &Client, output: Output) -> Result<()> {
    let answer = match command {
        CircuitBreaker::Status { name: None } => client.get("/v1/breakers").text().await?,
        CircuitBreaker::Status { name: Some(name) } => {
            client.get(format!("/v1/breakers/{}", escaped(name))).text().await.map_err(with_their_names)?
        }
        CircuitBreaker::Open { which } => put(client, which, "open").await?,
        CircuitBreaker::Close { which } => put(client, which, "close").await?,
        CircuitBreaker::Reset { which } => put(client, which, "reset").await?,
    };
    output.show(&answer, COLUMNS)
}

async fn put(client: &Client, which: &Breaker, verb: &str) -> Result<String> {
    let body = which.reason.as_ref().map_or_else(String::new, |reason| json!({ "reason": reason }).to_string());
    let path = format!("/v1/breakers/{}/{verb}", escaped(&which.name));
    let asking = client.post(path);
    let asking = if body.is_empty() { asking } else { asking.body("application/json", body) };
    asking.text().await.map_err(with_their_names)
}

/// Where there is none of that name, what to do is to look which there are.
fn with_their_names(failure: Failure) -> Failure {
    if failure.is(Code::NotFound) { failure.next("callboard circuit-breaker status") } else { failure }
}

/// A number of milliseconds as people read it; empty, if there is none.
fn time(breaker: &Value, name: &str) -> String {
    let ms = breaker.get(name).and_then(Value::as_u64);
    ms.map_or_else(String::new, milliseconds)
}
