//! The log of a process, as its program installs it.

use super::listening;
use crate::runtime::kit::*;
use callboard::prelude::*;
use callboard::{LogFormat, LogSettings, Telemetry};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tracing::subscriber::DefaultGuard;

/// What is logged on this thread from now on.
pub(super) fn logged(format: LogFormat, filter: &str) -> (Telemetry, Arc<Mutex<String>>, DefaultGuard) {
    let lines = Arc::new(Mutex::new(String::new()));
    let told = lines.clone();
    let mut settings = LogSettings::default();
    (settings.format, settings.filter) = (format, filter.into());
    let telemetry = Telemetry::of(&settings)
        .no_environment()
        .log_to(move |line| told.lock().unwrap().push_str(line))
        .start()
        .unwrap();
    let guard = listening(&telemetry);
    (telemetry, lines, guard)
}

const SECRET: &str = "swordfish-0451";

/// Steps, effects, children, a retry, documents, a message and a large output, all of which carry the secret.
async fn workload(telemetry: &Telemetry) -> callboard::RunId {
    let (_, store) = store();
    let builder = acting(on(&store).telemetry(telemetry), 2, |ctx, what| async move {
        tracing::info!("by the handler");
        let text: String = ctx.step("read", || async { Ok(what.clone()) }).await?;
        if ctx.attempt() == 1 {
            return Err(Error::retryable("busy"));
        }
        ctx.effect("pay").keyed().run(|_| async { Ok(text.clone()) }).await?;
        let large = ctx.call(echo(&text.repeat(10_000))).await?;
        ctx.board()?.state::<String>("notes").overwrite(&large).await?;
        Ok(large)
    });
    let board = echoing(builder).settings(|settings| settings.retry.base = Duration::ZERO).start().await.unwrap();
    let workflow = Workflow::new("w").label("team", "docs");
    workflow.task("it", act(SECRET));
    let run = board.start(workflow).await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), callboard::RunOutcome::Completed);
    board.shutdown().await.unwrap();
    run.id()
}

#[tokio::test]
async fn every_line_within_the_work_on_a_task_says_of_which_run_and_task_it_is() {
    let (telemetry, lines, _logged) = logged(LogFormat::Json, "callboard=info,main=info,error");
    let run = workload(&telemetry).await;
    let lines = lines.lock().unwrap().clone();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let with = |text: &str| -> Vec<&Value> { lines.iter().filter(|line| line["message"] == text).collect() };
    let handler = with("by the handler");
    assert_eq!(handler.len(), 2, "{lines:?}");
    for (line, attempt) in handler.iter().zip([1, 2]) {
        assert_eq!(line["run"], run.to_string());
        assert_eq!(line["task"], format!("{run}/0"));
        assert_eq!(line["attempt"], attempt);
        assert_eq!(line["activation"], 1);
        assert_eq!(line["partition"], 0);
        assert!(line["node"].as_str().unwrap().starts_with("node-"), "{line}");
        assert_eq!(line["level"], "info");
        assert!(line["time"].as_str().unwrap().ends_with('Z') && line["target"].is_string(), "{line}");
    }
    let retried = with("an attempt failed, and the task is tried again");
    assert_eq!(retried.len(), 1, "{lines:?}");
    for key in ["run", "task", "attempt", "activation", "partition", "node", "name", "reason"] {
        assert!(!retried[0][key].is_null(), "{key}: {}", retried[0]);
    }
}

#[tokio::test]
async fn no_payload_is_in_the_log_whatever_is_written() {
    let (telemetry, lines, _logged) = logged(LogFormat::Human, "trace");
    let run = workload(&telemetry).await;
    let lines = lines.lock().unwrap().clone();
    assert!(lines.contains(&run.to_string()) && lines.lines().count() > 50, "{lines}");
    let found: Vec<&str> = lines.lines().filter(|line| line.contains(SECRET)).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn the_filter_is_changed_while_it_filters_and_what_is_none_changes_nothing() {
    let (telemetry, lines, _logged) = logged(LogFormat::Human, "warn");
    let count = || lines.lock().unwrap().lines().count();
    let say = || tracing::info!("a line");
    say();
    assert_eq!(count(), 0);
    telemetry.set_filter("info").unwrap();
    say();
    assert_eq!((count(), telemetry.filter()), (1, "info".to_owned()));
    let error = telemetry.set_filter("inof").unwrap_err();
    assert!(full(&error).contains("\"inof\" is no filter: \"inof\" is no level; write a level (off"), "{error:#}");
    telemetry.set_filter(&format!("info,{}=off", module_path!())).unwrap();
    say();
    assert_eq!(count(), 1);
    let line = lines.lock().unwrap().clone();
    assert!(line.ends_with(&format!(" INFO {}: a line\n", module_path!())), "{line}");
}
