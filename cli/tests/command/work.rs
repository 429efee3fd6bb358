//! What waits and why, what has failed for good, and what a person does about it.

use super::node::{Node, Said, program, scripts};
use callboard::prelude::*;
use callboard::{Settings, Status};
use serde_json::Value;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

#[track_caller]
fn ends(node: &Node, arguments: &[&str], code: i32) -> Said {
    let said = node.ask(arguments);
    assert_eq!(said.code, Some(code), "{said:?}");
    said
}

fn document(folder: &Path, text: &str) -> PathBuf {
    let file = folder.join("w.yaml");
    fs::write(&file, text).expect("a file");
    file
}

#[test]
fn a_task_is_cancelled_and_the_others_go_on() {
    let (node, folder) = (Node::dev(["--ephemeral"]), tempfile::tempdir().expect("a folder"));
    let text = "name: w\ntasks:\n  one: {capability: ecko}\n  two: {capability: echo, input: 7}\n  three: {capability: ecko}\n";
    let run = node.submit(&document(folder.path(), text));
    let one = format!("{run}/one");
    let cancelled = ends(&node, &["task", "cancel", &one, "--reason", "a typo", "-o", "json"], 0).json();
    assert_eq!((&cancelled["status"], &cancelled["reason"]), (&"cancelled".into(), &"a typo".into()), "{cancelled}");
    let queue = ends(&node, &["queue", "status", "-o", "json"], 0).json();
    assert_eq!(queue["items"][0]["waiting"], 1, "it does not wait any more: {queue}");
    assert!(ends(&node, &["task", "cancel", &one], 6).err.contains("is cancelled"));
    ends(&node, &["task", "cancel", "one"], 2);
    ends(&node, &["task", "cancel", &format!("{run}/four")], 3);
    ends(&node, &["task", "cancel", &format!("{run}/three")], 0);
    ends(&node, &["run", "show", &run, "--watch"], 11);
    let two = ends(&node, &["task", "status", &format!("{run}/two"), "-o", "json"], 0).json();
    assert_eq!(two["output"], 7, "{two}");
}

/// A node with an agent that fails until a file is there.
fn failing(folder: &Path) -> Node {
    let script = format!("[ -e {} ] || {{ echo no disk >&2; exit 64; }}; echo 1", folder.join("mended").display());
    scripts(&folder.join("agents"), &[("broken", &script)]);
    Node::dev(["--ephemeral", "--agents", folder.join("agents").to_str().expect("a name")])
}

#[test]
fn a_task_that_does_not_run_says_why() {
    let (node, folder) = (Node::dev(["--ephemeral"]), tempfile::tempdir().expect("a folder"));
    let text = "name: w\ntasks:\n  first: {capability: ecko}\n  last: {capability: echo, after: [first]}\n";
    let run = node.submit(&document(folder.path(), text));
    let status = |task: &str| ends(&node, &["task", "status", &format!("{run}/{task}"), "-o", "json"], 0).json();
    assert_eq!(status("first")["why"], r#"no agent offers "ecko"; the closest is "echo""#);
    assert_eq!(status("last")["why"], r#"waits for "first" (ready)"#);
    ends(&node, &["run", "pause", &run, "--reason", "Ann"], 0);
    assert_eq!(status("first")["why"], "the run is paused: Ann");
    let shown = ends(&node, &["run", "show", &run], 0).out;
    assert!(shown.contains(r#"waits for "first" (ready); the run is paused: Ann"#), "{shown}");
    ends(&node, &["run", "resume", &run], 0);

    let queue = ends(&node, &["queue", "status", "-o", "json"], 0).json();
    assert_eq!(
        (&queue["items"][0]["capability"], &queue["items"][0]["waiting"]),
        (&"ecko".into(), &1.into()),
        "{queue}"
    );
    assert!(ends(&node, &["queues", "status"], 0).out.contains("no agent offers"));

    let listed = ends(&node, &["task", "list", "--status", "ready,blocked", "-o", "json"], 0).json();
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().expect("a list");
        items.iter().map(|task| task["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(
        (names(&listed), &listed["items"][0]["run"]),
        (vec!["first".into(), "last".into()], &run.as_str().into())
    );
    let one = ends(&node, &["task", "list", "--capability", "echo", "-o", "json"], 0).json();
    assert_eq!(names(&one), ["last"]);
    let page = ends(&node, &["task", "list", "--limit", "1", "-o", "json"], 0).json();
    let rest = ends(&node, &["task", "list", "--after", page["next"].as_str().expect("more"), "-o", "json"], 0).json();
    assert_eq!((names(&page), names(&rest)), (vec!["first".into()], vec!["last".into()]));
    assert!(ends(&node, &["task", "list"], 0).out.contains(&format!("{run}/first")));
    let wrong = ends(&node, &["task", "list", "--status", "redy"], 2);
    assert!(wrong.err.contains("a status is one of blocked, ready"), "{wrong:?}");
}

#[test]
fn what_has_failed_for_good_is_listed_shown_and_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = failing(folder.path());
    let file = document(folder.path(), "name: w\ntasks:\n  it: {capability: broken, retry: {retries: 0}}\n");
    let run = node.submit(&file);
    ends(&node, &["run", "show", &run, "--watch"], 10);
    let dead = ends(&node, &["queue", "dead", "list", "-o", "json"], 0).json();
    assert_eq!((&dead["items"][0]["run"], &dead["items"][0]["name"]), (&run.as_str().into(), &"it".into()), "{dead}");
    assert!(ends(&node, &["queue", "dead", "list"], 0).out.contains("no disk"));
    let none = ends(&node, &["queue", "dead", "list", "--workflow", "other", "-o", "json"], 0).json();
    assert_eq!(none["items"], serde_json::json!([]));
    let task = format!("{run}/it");
    let shown = ends(&node, &["queue", "dead", "show", &task, "-o", "json"], 0).json();
    assert!(shown["failures"][0]["error"].as_str().is_some_and(|why| why.contains("no disk")), "{shown}");

    fs::write(folder.path().join("mended"), "").expect("a file");
    ends(&node, &["queue", "dead", "retry", &task], 0);
    ends(&node, &["run", "show", &run, "--watch"], 0);
    ends(&node, &["task", "retry", &task], 6);
    ends(&node, &["task", "retry", &format!("{run}/nobody")], 3);
    let wrong = ends(&node, &["task", "retry", &run], 2);
    assert!(wrong.err.contains("it is written RUN/TASK"), "{wrong:?}");
    let wrong = ends(&node, &["task", "retry", &task, "--input", "{"], 2);
    assert!(wrong.err.contains("the input of a task is JSON: "), "{wrong:?}");
}

#[test]
fn an_agent_is_shown_by_its_id() {
    let node = Node::dev(["--ephemeral"]);
    let agent = ends(&node, &["agent", "info", "dev.echo", "-o", "json"], 0).json();
    assert_eq!((&agent["id"], &agent["capabilities"][0]["name"]), (&"dev.echo".into(), &"echo".into()), "{agent}");
    let on = agent["node"].as_str().expect("a node");
    ends(&node, &["agent", "info", "dev.echo", "--node", on], 0);
    ends(&node, &["agent", "info", "dev.echo", "--node", "elsewhere"], 3);
    let absent = ends(&node, &["agent", "info", "nobody"], 3);
    assert!(absent.err.contains("try:  callboard agent list"), "{absent:?}");
}

/// Pays, and does not know whether that went well.
#[task(output = String)]
struct Pay {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_decides_whether_an_effect_happened() {
    let mut settings = Settings::default();
    settings.http.listen = (Ipv4Addr::LOCALHOST, 0).into();
    let pays = |ctx: callboard::Ctx, _: Pay| async move {
        let pay = ctx.effect("pay").irreversible();
        pay.run(|_| async { Err::<String, _>(Error::retryable("the line is dead")) }).await
    };
    let board = Callboard::builder(settings).ephemeral().task_fn(pays).start().await.expect("a board");
    let address = board.serve().await.expect("an address").to_string();
    let ask = |arguments: &[&str]| Said::of(program(arguments).env("CALLBOARD_ADDR", &address));
    for (outcome, status) in [("happened", Status::Completed), ("did-not-happen", Status::Parked)] {
        let workflow = Workflow::new("w");
        let _ = workflow.task("it", Pay {});
        let run = board.start(workflow).await.expect("a run");
        let is_unknown =
            async || run.why("it").await.expect("a task").is_some_and(|why| why.to_string().contains("decide it"));
        while !is_unknown().await {
            tokio::task::yield_now().await;
        }
        let task = format!("{}/it", run.id());
        let shown = ask(&["task", "status", &task, "-o", "json"]).json();
        assert!(shown["why"].as_str().is_some_and(|why| why.starts_with("nobody knows whether effect:pay")), "{shown}");
        assert_eq!(ask(&["task", "decide", &task, "perhaps"]).code, Some(2));
        assert_eq!(ask(&["task", "decide", &format!("{task}/effect:other"), outcome]).code, Some(6));
        let mut decide = vec!["task", "decide", &task, outcome, "--by", "the bank"];
        if status == Status::Completed {
            decide.extend(["--result", "\"paid\""]);
        }
        let decided = ask(&decide);
        assert_eq!(decided.code, Some(0), "{decided:?}");
        assert!(ask(&["events", "export", &run.id().to_string()]).out.contains("says the bank"));
        if status == Status::Completed {
            assert_eq!(run.output_json("it").await.expect("an output").as_str(), "\"paid\"");
            assert_eq!(ask(&["task", "decide", &task, outcome]).code, Some(6), "nothing is unknown any more");
        } else {
            // It runs again, and nobody knows again.
            while !is_unknown().await {
                tokio::task::yield_now().await;
            }
        }
    }
    board.shutdown().await.expect("a clean end");
}

#[test]
fn an_emergency_stop_ends_the_node_and_it_goes_on_in_its_next_life() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let start = || Node::dev(["--data", data.to_str().expect("a name")]);
    let node = start();
    let run = node.submit(&document(folder.path(), "name: w\ntasks:\n  it: {capability: nobody}\n"));
    ends(&node, &["stop"], 2);
    ends(&node, &["stop", "--emergency", "--reason", "the bill"], 0);
    let (status, said) = node.ended_saying();
    assert!(status.success() && said.contains("stopped: emergency stop: the bill"), "{status:?} {said}");
    let node = start();
    assert_eq!(ends(&node, &["run", "show", &run, "-o", "json"], 0).json()["status"], "running");
}
