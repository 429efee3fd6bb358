//! Documents: read, written, and what they said before.

use crate::args::{Rests, State, Writer};
use crate::client::{Asking, Client, escaped, with_query};
use crate::failure::{Failure, Result};
use crate::input;
use crate::output::{Column, Format, Output, member, value};
use callboard::{Code, DOCUMENT_BYTES_MAX};
use hyper::header;
use serde_json::{Value, json};

const JSON: &str = "application/json";

const KEYS: &[Column] = &[("KEY", |row| member(row, "key")), ("VERSION", |row| member(row, "version"))];

const VERSIONS: &[Column] = &[
    ("VERSION", |row| member(row, "version")),
    ("AT", |row| member(row, "at")),
    ("NODE", |row| member(row, "node")),
    ("BY", |row| authors(row)),
    ("BYTES", |row| if row.get("is_deleted").is_some() { "deleted".to_owned() } else { member(row, "bytes") }),
];

pub(crate) async fn state(command: &State, client: &Client, output: Output) -> Result<()> {
    let answer = match command {
        State::List { prefix, limit, after } => {
            let parameters =
                [("prefix", prefix.clone()), ("limit", limit.map(|limit| limit.to_string())), ("after", after.clone())];
            return output.show(&client.get(with_query("/v1/state", &parameters)).text().await?, KEYS);
        }
        State::Show { key, version } => {
            let asking = client.get(with_query(&path(key), &[("version", version.map(|version| version.to_string()))]));
            return show(&asking.text().await?, output);
        }
        State::History { key, limit, after } => {
            let parameters =
                [("limit", limit.map(|limit| limit.to_string())), ("after", after.map(|after| after.to_string()))];
            let path = with_query(&format!("{}/history", path(key)), &parameters);
            return output.show(&client.get(path).text().await?, VERSIONS);
        }
        State::Set { key, value, rests, writer } => {
            let value = told(key, value)?;
            let overwrite = rests.overwrite.then(|| "true".to_owned());
            let asking = client.put(written(key, ("overwrite", overwrite), writer)).body(JSON, value);
            resting(asking, rests)
        }
        State::Rollback { key, version, expect, writer } => {
            let body = json!({ "version": version, "by": writer.by, "label": writer.label }).to_string();
            expecting(client.post(format!("{}/rollback", path(key))).body(JSON, body), *expect)
        }
        State::Delete { key, expect, writer } => {
            expecting(client.delete(written(key, ("erase", None), writer)), Some(*expect))
        }
        State::Erase { key, yes: false, .. } => {
            let failure = Failure::new(Code::Usage, format!("all versions of document {key:?} are to be gone"));
            return Err(failure.seen("nothing brings them back").next(format!("callboard state erase {key:?} --yes")));
        }
        State::Erase { key, yes: true, writer } => {
            client.delete(written(key, ("erase", Some("true".to_owned())), writer))
        }
    };
    output.show(&answer.text().await?, &[])
}

fn path(key: &str) -> String {
    format!("/v1/state/{}", escaped(key))
}

/// Where a document is written, in this way, by whoever is said.
fn written(key: &str, way: (&str, Option<String>), writer: &Writer) -> String {
    with_query(&path(key), &[way, ("by", writer.by.clone()), ("label", writer.label.clone())])
}

fn resting<'a>(asking: Asking<'a>, rests: &Rests) -> Asking<'a> {
    if rests.new { asking.header(header::IF_NONE_MATCH, "*") } else { expecting(asking, rests.expect) }
}

fn expecting(asking: Asking<'_>, version: Option<u64>) -> Asking<'_> {
    match version {
        Some(version) => asking.header(header::IF_MATCH, format!("\"{version}\"")),
        None => asking,
    }
}

/// What a document is to say, as it was written: numbers keep every digit.
fn told(key: &str, said: &str) -> Result<String> {
    let value = input::json(said, "the value of a document").map_err(|failure| match failure.is(Code::Usage) {
        true => failure.next(format!("callboard state set {key:?} '\"text\"' --new")),
        false => failure,
    })?;
    let bytes = value.as_str().len();
    if bytes > DOCUMENT_BYTES_MAX {
        // A node would hang up on so much in the middle.
        let message = format!("the value of document {key:?} has {bytes} bytes, {DOCUMENT_BYTES_MAX} are allowed");
        return Err(Failure::new(Code::TooLarge, message).next("write it in parts"));
    }
    Ok(value.to_string())
}

/// Shows a version; for people with its authors in words.
fn show(text: &str, output: Output) -> Result<()> {
    if output.format != Format::Table {
        return output.show(text, &[]);
    }
    let mut version = value(text)?;
    let authors = authors(&version);
    if let Some(by) = version.get_mut("by") {
        *by = authors.into();
    }
    output.show(&version.to_string(), &[])
}

/// Who has written a version, in words.
fn authors(version: &Value) -> String {
    let all = version.get("by").and_then(Value::as_array);
    all.into_iter().flatten().map(who).filter(|who| !who.is_empty()).collect::<Vec<_>>().join(", ")
}

/// An author in words, with the labels.
pub(crate) fn who(author: &Value) -> String {
    let [name, task, run] = ["name", "task", "run"].map(|key| member(author, key));
    let who = match (name.as_str(), task.as_str(), run.as_str()) {
        ("", "", "") => String::new(),
        ("", "", run) => format!("run {run}"),
        ("", task, run) => format!("task {task:?} of run {run}"),
        (name, ..) => name.to_owned(),
    };
    let labels = author.get("labels").and_then(Value::as_object).into_iter().flatten();
    let labels: Vec<String> = labels.map(|(name, value)| format!("{name}: {}", value.as_str().unwrap_or(""))).collect();
    if labels.is_empty() { who } else { format!("{who} ({})", labels.join(", ")).trim_start().to_owned() }
}
