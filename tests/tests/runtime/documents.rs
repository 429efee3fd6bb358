//! Workflows that no types have written: documents, the untyped door, and what schemas say before anything starts.

use super::kit::*;
use callboard::prelude::*;
use callboard::{Json, Workflow};

/// Finds what has changed.
#[task(output = String)]
struct FetchLog {
    repo: String,
}

#[task(output = Vec<String>)]
struct FetchIssues {
    repo: String,
}

#[task(output = String)]
struct Draft {
    log: In<String>,
    issues: In<Vec<String>>,
    tone: Tone,
}

#[payload]
#[serde(rename_all = "lowercase")]
enum Tone {
    Dry,
    Warm,
}

#[task(output = u64)]
struct Announce {
    text: In<String>,
}

async fn board() -> Callboard {
    let (_, store) = store();
    echoing(on(&store))
        .task_fn(|_, task: FetchLog| async move { Ok(format!("{}: 3 commits", task.repo)) })
        .task_fn(|_, task: FetchIssues| async move { Ok(vec![format!("{}#1", task.repo)]) })
        .task_fn(|_, task: Draft| async move {
            let greeting = match task.tone {
                Tone::Dry => "",
                Tone::Warm => "dear all, ",
            };
            Ok(format!("{greeting}{}; closes {}", *task.log, task.issues.join(", ")))
        })
        .task_fn(|_, task: Announce| async move { Ok(task.text.len() as u64) })
        .start()
        .await
        .unwrap()
}

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/workflows/release-notes.yaml");

#[tokio::test(start_paused = true)]
async fn the_sample_document_runs_and_comes_back_as_a_document() {
    let board = board().await;
    let written = Workflow::from_file(SAMPLE).unwrap().to_json().unwrap();
    let run = board.start(Workflow::from_file(SAMPLE).unwrap()).key("notes").await.unwrap();
    let draft = run.output_json("draft").await.unwrap();
    assert_eq!(draft.as_str(), r#""acme/api: 3 commits; closes acme/api#1""#);
    assert_eq!(run.output_json("send").await.unwrap().as_str(), "38");
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    assert_eq!(run.output_json("sent").await.unwrap_err().kind(), ErrorKind::NotFound);
    // What was submitted can be had again, and started again.
    let graph = run.graph().await.unwrap();
    assert_eq!(graph.to_json().unwrap(), written);
    assert!(graph.to_mermaid().unwrap().contains("t1 -.-> t3"));
    assert_eq!(board.start(graph).key("notes").await.unwrap().id(), run.id());
    let nobody = board.run(board.run_id_of_key("nobody"));
    assert_eq!(nobody.graph().await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn the_untyped_door_gives_and_takes_json() {
    let board = board().await;
    let call = board.call_json("echo", json(r#"{"text": "hi"}"#)).key("once").priority(Priority::High);
    assert_eq!(call.await.unwrap().as_str(), r#""hi""#);
    // What looks like a reference is data here.
    let data = board.call_json("echo", json(r#"{"text": "{\"$from\": \"x\"}"}"#)).await.unwrap();
    assert_eq!(data.as_str(), r#""{\"$from\": \"x\"}""#);
    let error = board.call_json("echo", json(r#"{"text": {"$from": "x"}}"#)).await.unwrap_err();
    assert_eq!(full(&error), r#"the workflow has 1 fault: task "echo": input.text: value is not of type "string""#);
    assert_eq!(error.kind(), ErrorKind::Invalid);

    let workflow = Workflow::new("mixed");
    let first = workflow.task("first", echo("a"));
    let second = workflow.task_json("second", "use", json(r#"{"text": {"$from": "first"}}"#)).after(&first);
    let third = workflow.task_json("third", "echo", json(r#"{"text": "b"}"#));
    let run = board.start(workflow).await.unwrap();
    assert_eq!(run.output(&second).await.unwrap().as_str(), r#""used a""#);
    assert_eq!(run.output(&third).await.unwrap().as_str(), r#""b""#);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_fit_is_refused_before_anything_is_stored() {
    let board = board().await;
    let text = r#"
name: notes
tasks:
  log:    {capability: fetch-log}
  issues: {capability: fetch-issues, input: {repo: [acme]}}
  draft:  {capability: draft, input: {log: {$from: issues}, issues: {$from: issues}, tone: rude}}
  send:   {capability: announce, input: {text: {$from: draft}}}
  again:  {capability: announce, input: {text: {$from: send}}}
  later:  {capability: nobody.knows, input: {text: {$from: send}}}
"#;
    let error = board.start(Workflow::from_yaml(text).unwrap()).key("k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.message(), "the workflow has 5 faults");
    let faults: Vec<&str> = error.causes().collect();
    assert_eq!(
        faults,
        [
            r#"task "log": input: "repo" is a required property"#,
            r#"task "issues": input.repo: value is not of type "string""#,
            r#"task "draft": input.tone: value is not one of "dry" or "warm""#,
            r#"task "draft": input.log: the output of "issues" is array, and only string fits"#,
            r#"task "again": input.text: the output of "send" is integer, and only string fits"#,
        ]
    );
    let run = board.run(board.run_id_of_key("k"));
    assert_eq!(run.outcome().await.unwrap_err().kind(), ErrorKind::NotFound);

    // The graph's own faults stand beside them.
    let workflow = Workflow::new("w");
    let _empty = workflow.task_json("a", "echo", json("{}")).after(&workflow.task("b", echo("b")));
    workflow.task_json("c", "use", json(r#"{"text": {"$from": "gone"}}"#));
    let error = board.start(workflow).await.unwrap_err();
    assert_eq!(error.causes().count(), 2, "{error:?}");
    assert!(full(&error).contains("\"gone\", which is no task") && full(&error).contains("\"text\" is a required"));
}

/// What was accepted under a key is found again, also by agents who have become stricter.
#[tokio::test(start_paused = true)]
async fn a_key_finds_its_run_whatever_the_schemas_say_by_now() {
    let (_, store) = store();
    let start = |board: &Callboard| {
        board.start(Workflow::from_yaml("{name: w, tasks: {t: {capability: echo}}}").unwrap()).key("k")
    };
    let empty = on(&store).start().await.unwrap();
    let id = start(&empty).await.unwrap().id();
    empty.shutdown().await.unwrap();
    let board = echoing(on(&store)).start().await.unwrap();
    assert_eq!(start(&board).await.unwrap().id(), id);
    assert_eq!(start(&board).key("other").await.unwrap_err().kind(), ErrorKind::Invalid);
}
