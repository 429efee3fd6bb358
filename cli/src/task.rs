//! Tasks: submitted, and asked for.

use crate::args::{Submit, Task};
use crate::client::{Client, escaped, with_query};
use crate::failure::{Failure, Result};
use crate::input;
use crate::output::{Output, member, value};
use crate::wait::{Shows, end_of};
use callboard::Code;
use hyper::header::HeaderName;
use std::path::Path;
use tokio::time::timeout;

pub(crate) async fn task(command: &Task, client: &Client, output: Output) -> Result<()> {
    match command {
        Task::Submit(submit) => submitted(submit, client, output).await,
        Task::Status { task } => {
            let Some((run, task)) = task.split_once('/') else {
                let message = format!("{task:?} is no task: it is written RUN/TASK");
                return Err(Failure::new(Code::Usage, message).next("callboard run show RUN"));
            };
            let path = format!("/v1/runs/{}/tasks/{}", escaped(run), escaped(task));
            output.show(&client.get(path).text().await?, &[])
        }
    }
}

async fn submitted(submit: &Submit, client: &Client, output: Output) -> Result<()> {
    let (kind, document) = read(&submit.file)?;
    let strict = submit.strict.then(|| "true".to_owned());
    let asking = client.post(with_query("/v1/runs", &[("strict", strict)])).body(kind, document);
    let asking = match &submit.key {
        Some(key) => asking.header(HeaderName::from_static("idempotency-key"), key),
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
