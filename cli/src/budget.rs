//! Budgets: shown, and topped up.

use crate::args::Budget;
use crate::client::{Client, escaped};
use crate::failure::{Failure, Result};
use crate::output::{Column, Format, Output, member};
use callboard::Code;
use serde_json::{Value, json};

const THINGS: &[Column] = &[
    ("", |row| member(row, "what")),
    ("LIMIT", |row| member(row, "limit")),
    ("SPENT", |row| member(row, "spent")),
    ("RESERVED", |row| member(row, "reserved")),
    ("LEFT", |row| member(row, "left")),
];

const WAITING: &[Column] = &[
    ("WAITS", |row| member(row, "task")),
    ("CALL", |row| member(row, "call")),
    ("AT MOST", |row| row.get("cost").map_or_else(String::new, in_words)),
];

pub(crate) async fn run(command: &Budget, client: &Client, output: Output) -> Result<()> {
    let text = match command {
        Budget::Show { run } => client.get(path(run)).text().await?,
        Budget::TopUp { run, amount, by } => {
            // Told before anything is asked, and with the next command to type.
            if let Err(error) = amount.parse::<callboard::Budget>() {
                let next = format!("callboard budget top-up {run} 0.50usd");
                return Err(Failure::new(Code::Usage, error.to_string()).next(next));
            }
            let body = json!({ "amount": amount, "by": by }).to_string();
            let asking = client.post(path(run)).body("application/json", body);
            asking.text().await.map_err(|failure| failure.about(run))?
        }
    };
    show(&text, output)
}

fn path(run: &str) -> String {
    format!("/v1/runs/{}/budget", escaped(run))
}

fn show(text: &str, output: Output) -> Result<()> {
    if output.format != Format::Table {
        return output.show(text, &[]);
    }
    let told: Value = serde_json::from_str(text).unwrap_or_default();
    let things = [("usd", "usd_micros"), ("tokens", "tokens"), ("calls", "calls"), ("time", "wall_ms")];
    let rows: Vec<Value> = things
        .iter()
        .map(|(what, key)| {
            let amount = |of: &str| told.get(of).and_then(|of| of.get(key)).cloned();
            let shown = |of: &str, amount: Option<Value>| match amount {
                Some(amount) => in_words(&json!({ *key: amount })),
                None if of == "limit" || of == "left" || *key == "wall_ms" => "-".to_owned(),
                None => "0".to_owned(),
            };
            let cell = |of: &str| shown(of, amount(of));
            json!({ "what": what, "limit": cell("limit"), "spent": cell("spent"), "reserved": cell("reserved"),
                "left": if *key == "wall_ms" { "-".to_owned() } else { cell("left") } })
        })
        .collect();
    output.show(&json!({ "items": rows }).to_string(), THINGS)?;
    let over = told.get("overshoot").map_or_else(String::new, in_words);
    if !over.is_empty() && over != "nothing" {
        output.line(&format!("calls have cost {over} beyond their own reservations"))?;
    }
    if told.get("wall_spent") == Some(&Value::Bool(true)) {
        output.line("its time is spent: it starts nothing more until that is topped up")?;
    }
    let waiting = told.get("waiting").and_then(Value::as_u64).unwrap_or(0);
    if waiting > 0 {
        output.line(&format!("{waiting} wait for room, the first:"))?;
        output.show(&json!({ "items": told.get("first_waiting") }).to_string(), WAITING)?;
    }
    Ok(())
}

/// Amounts as a person writes them.
fn in_words(amounts: &Value) -> String {
    serde_json::from_value::<callboard::Budget>(amounts.clone()).map_or_else(|_| String::new(), |it| it.to_string())
}
