//! Breakers and limits: shown, opened and closed.

use super::node::Node;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// A folder of agents: one that fails always, and one of which two may be at it, and three in an hour.
fn agents() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let fails =
        "capabilities = [{ name = 'fails' }]\nbreaker = { failures = 2, open = '1h' }\nruns.command.program = 'false'";
    fs::write(folder.path().join("sick.toml"), fails).expect("a file");
    let limited = "[[capabilities]]\nname = 'rare'\nlimit = { at_once = 2, tasks = 3, per = '1h' }\n[runs.echo]";
    fs::write(folder.path().join("rare.toml"), limited).expect("a file");
    let path = folder.path().display().to_string();
    (folder, path)
}

fn document(folder: &TempDir, name: &str, tasks: usize, capability: &str) -> PathBuf {
    let file = folder.path().join(format!("{name}.yaml"));
    let task = |n| format!("  t{n}: {{capability: {capability}, retry: {{retries: 0}}}}\n");
    let tasks: String = (0..tasks).map(task).collect();
    fs::write(&file, format!("name: {name}\ntasks:\n{tasks}")).expect("a file");
    file
}

#[test]
fn a_breaker_is_shown_and_opened_and_closed() {
    let ((_agents, agents), folder) = (agents(), tempfile::tempdir().expect("a folder"));
    let node = Node::dev(["--ephemeral", "--agents", &agents]);
    for n in 0..2 {
        let file = document(&folder, &format!("fails-{n}"), 1, "fails").display().to_string();
        assert_ne!(node.ask(["task", "submit", &file, "--wait"]).code, Some(0));
    }
    let status = |name: &str| node.ask(["circuit-breaker", "status", name, "-o", "json"]).json();
    let sick = status("agent:sick");
    assert_eq!((&sick["state"], &sick["waiting"]), (&"open".into(), &0.into()), "{sick}");
    assert!(sick["reason"].as_str().is_some_and(|why| why.starts_with("2 failures in a row, the last: ")), "{sick}");
    assert!(sick["open_for_ms"].as_u64().is_some_and(|ms| (3_500_000..=3_600_000).contains(&ms)), "{sick}");

    // What waits for it says so, and fails in its own way when a person lets it through.
    let id = node.submit(&document(&folder, "waits", 1, "fails"));
    let shown = node.ask(["run", "show", &id]).out;
    assert!(shown.contains("breaker \"agent:sick\" is open for"), "{shown}");
    let closed = node.ask(["breaker", "close", "agent:sick", "--reason", "it was mended", "-o", "json"]).json();
    assert_eq!(closed["reason"], "closed by it was mended", "{closed}");
    assert_ne!(node.ask(["run", "show", &id, "--watch"]).out, "");
    let opened = node.ask(["circuit-breaker", "open", "agent:sick"]).out;
    assert!(opened.contains("agent:sick") && opened.contains("open"), "{opened}");
    let reset = node.ask(["circuit-breaker", "reset", "agent:sick", "-o", "json"]).json();
    assert_eq!(reset["state"], "closed");

    let nobody = node.ask(["circuit-breaker", "open", "llm:nobody"]);
    assert_eq!(nobody.code, Some(3), "{nobody:?}");
    assert!(nobody.err.contains("llm:nobody"), "{nobody:?}");
    assert!(nobody.err.contains("try:  callboard circuit-breaker status"), "{nobody:?}");
}

#[test]
fn a_limit_is_shown_with_what_went_and_who_waits() {
    let ((_agents, agents), folder) = (agents(), tempfile::tempdir().expect("a folder"));
    let node = Node::dev(["--ephemeral", "--agents", &agents]);
    let file = document(&folder, "three", 3, "rare").display().to_string();
    assert_eq!(node.ask(["task", "submit", &file, "--wait"]).code, Some(0));
    let id = node.submit(&document(&folder, "more", 2, "rare"));
    let shown = node.ask(["run", "show", &id]).out;
    assert!(shown.contains("limit \"capability:rare\" is reached: 3 of 3 units in 3600s"), "{shown}");
    let table = node.ask(["limit", "list"]).out;
    let row = table.lines().find(|line| line.starts_with("capability:rare")).unwrap_or_default().to_owned();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words, ["capability:rare", "0/2", "3/3", "units", "in", "1h", "2"], "{table}");
}
