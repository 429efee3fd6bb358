//! What the history of a run tells: as it was, where its time went, in what two differ, all of it again.

use super::node::{Node, Said, scripts};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A node, and two runs of one workflow that have ended: an agent says how often it was asked.
fn two_runs(folder: &Path) -> (Node, [String; 2]) {
    let counts = format!("echo once >> {0}; wc -l < {0}", folder.join("counted").display());
    scripts(&folder.join("agents"), &[("count", &counts)]);
    let text = "name: w\ntasks:\n  first: {capability: count}\n  last: {capability: echo, input: 1, after: [first]}\n";
    fs::write(folder.join("w.yaml"), text).expect("a file");
    let node = Node::dev(["--ephemeral", "--agents", folder.join("agents").to_str().expect("a name")]);
    let runs = [(); 2].map(|()| {
        let id = node.submit(&folder.join("w.yaml"));
        assert_eq!(node.ask(["run", "show", &id, "--watch"]).code, Some(0));
        id
    });
    (node, runs)
}

#[track_caller]
fn ends(node: &Node, arguments: &[&str], code: i32) -> Said {
    let said = node.ask(arguments);
    assert_eq!(said.code, Some(code), "{said:?}");
    said
}

fn exported(node: &Node, arguments: &[&str]) -> Vec<Value> {
    let said = node.ask([&["events", "export"], arguments].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    said.out.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_run_is_shown_as_it_was_at_every_event() {
    let folder = tempfile::tempdir().expect("a folder");
    let (node, [run, _]) = two_runs(folder.path());
    let events = exported(&node, &[&run]);
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(kinds, ["submitted", "started", "completed", "started", "completed", "ended"]);
    let expected = [("ready", "blocked"), ("running", "blocked"), ("completed", "ready"), ("completed", "running")];
    let expected = expected.into_iter().chain([("completed", "completed"); 2]);
    for (event, statuses) in events.iter().zip(expected) {
        let at = event["position"].as_str().expect("a position");
        let shown = ends(&node, &["run", "show", &run, "--at", at, "-o", "json"], 0).json();
        assert_eq!(shown["tasks"]["total"], 2);
        let table = ends(&node, &["run", "show", &run, "--at", at], 0).out;
        let row = |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        assert!(row("first ").contains(statuses.0) && row("last ").contains(statuses.1), "at {at}: {table}");
    }
    let first = events[0]["position"].as_str().expect("a position");
    let shown = ends(&node, &["run", "show", &run, "--at", first], 0).out;
    assert!(shown.contains(r#"waits for "first" (ready)"#), "{shown}");
    let refused = ends(&node, &["run", "show", &run, "--at", "0"], 3);
    assert!(refused.err.contains("was not there yet"), "{refused:?}");
    ends(&node, &["run", "show", &run, "--at", "soon"], 2);
    ends(&node, &["run", "show", &run, "--at", "1", "--watch"], 2);
}

#[test]
fn events_are_filtered_exported_followed_and_replayed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (node, [run, _]) = two_runs(folder.path());
    let all = exported(&node, &[&run]);
    let started = exported(&node, &[&run, "--type", "started,ended"]);
    assert_eq!(started, [all[1].clone(), all[3].clone(), all[5].clone()]);
    assert_eq!(exported(&node, &[&run, "--task", "last", "--type", "completed"]), [all[4].clone()]);
    let behind = all[3]["position"].as_str().expect("a position");
    assert_eq!(exported(&node, &[&run, "--after", behind]), all[4..]);
    assert_eq!(exported(&node, &[&run, "--task", "nobody"]), [Value::Null; 0]);
    let tail = ends(&node, &["events", "tail", &run, "-o", "jsonl"], 0).out;
    assert_eq!(tail.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<Value>>(), all);
    assert_eq!(ends(&node, &["events", "tail", &run, "--type", "ended"], 0).out.lines().count(), 1);
    let again = ends(&node, &["events", "replay", &run, "--speed", "1000000", "-o", "jsonl"], 0).out;
    assert_eq!(again, tail);
    ends(&node, &["events", "replay", &run, "--speed", "0"], 2);
    ends(&node, &["events", "export", "01a2227b-68ce-7632-88bc-b4df52f54bce"], 3);
    let wrong = ends(&node, &["events", "exprt", &run], 2);
    assert!(wrong.err.contains("similar subcommand exists: 'export'"), "{wrong:?}");
}

#[test]
fn the_time_of_a_run_adds_up_and_two_are_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let (node, [run, other]) = two_runs(folder.path());
    let times = ends(&node, &["run", "time", &run, "-o", "json"], 0).json();
    let sum = |spent: &Value| spent.as_object().expect("an object").values().filter_map(Value::as_u64).sum::<u64>();
    assert_eq!(
        (sum(&times["spent_ms"]), &times["has_ended"]),
        (times["whole_ms"].as_u64().expect("a time"), &true.into())
    );
    let path = times["path"].as_array().expect("a list");
    assert_eq!(path.iter().map(|leg| leg["task"].as_str()).collect::<Vec<_>>(), [Some("first"), Some("last")]);
    assert_eq!(path.iter().map(|leg| sum(&leg["spent_ms"])).sum::<u64>(), sum(&times["spent_ms"]));
    let table = ends(&node, &["run", "time", &run], 0).out;
    assert!(table.starts_with("took     ") && table.contains("\nCRITICAL PATH  FROM"), "{table}");

    let diff = ends(&node, &["run", "diff", &run, &other, "-o", "json"], 0).json();
    let first = &diff["items"][0];
    assert_eq!((&first["task"], &first["differs"][0]), (&"first".into(), &"output".into()), "{diff}");
    assert_eq!(first["status"], serde_json::json!(["completed", "completed"]));
    let same = ends(&node, &["run", "diff", &run, &run, "-o", "json"], 0).json();
    assert_eq!((&same["items"], &same["same"]), (&serde_json::json!([]), &2.into()));
    let table = ends(&node, &["run", "diff", &run, &other], 0).out;
    assert!(table.contains("first") && table.contains("output"), "{table}");
}
