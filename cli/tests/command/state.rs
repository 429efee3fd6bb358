//! Documents and locks: shown, written and undone.

use super::node::{Node, Said, program};
use callboard::{Callboard, Settings};
use serde_json::Value;
use std::fs;
use std::future::IntoFuture;
use std::net::Ipv4Addr;
use std::time::Duration;

/// A key with all that has a meaning in a path.
const KEY: &str = "visits/2026: é?%2F";

#[track_caller]
fn ends(node: &Node, arguments: &[&str], code: i32) -> Said {
    let said = node.ask(arguments);
    assert_eq!(said.code, Some(code), "{arguments:?}: {said:?}");
    said
}

#[test]
fn a_document_is_written_shown_and_brought_back() {
    let node = Node::dev(["--ephemeral"]);
    let absent = ends(&node, &["state", "show", KEY], 3);
    assert!(absent.err.contains("error[CB2001]: there is no document \"visits/2026: é?%2F\""), "{absent:?}");
    assert!(absent.err.contains("try:  callboard state list"), "{absent:?}");

    let set =
        ends(&node, &["state", "set", KEY, "{\"count\": 1.50}", "--new", "--by", "ann", "--label", "ticket:7"], 0);
    assert_eq!(set.out.split_whitespace().collect::<Vec<_>>(), ["key", "visits/2026:", "é?%2F", "version", "1"]);
    let set = ends(&node, &["state", "set", KEY, "-7", "--expect", "1", "-o", "json"], 0).json();
    assert_eq!((&set["key"], &set["version"]), (&KEY.into(), &2.into()));
    let conflict = ends(&node, &["state", "set", KEY, "{}", "--expect", "1"], 6);
    for words in ["error[CB2003]", "is at version 2, by api, on node", "and not at 1", "try:  callboard state show"] {
        assert!(conflict.err.contains(words), "{words}: {conflict:?}");
    }
    assert!(ends(&node, &["state", "set", KEY, "{}", "--new"], 6).err.contains("was not to be there yet"));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("value.json");
    fs::write(&file, "[1,\n2]").expect("a file");
    ends(&node, &["state", "set", KEY, &format!("@{}", file.display()), "--overwrite"], 0);
    let mut piped = node.command(["states", "set", KEY, "-", "--expect", "3"]);
    let said = Said::of(piped.stdin(fs::File::open(&file).expect("a file")));
    assert_eq!(said.code, Some(0), "{said:?}");

    let shown = ends(&node, &["state", "show", KEY, "--version", "1"], 0).out;
    let row = |name: &str| shown.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    assert_eq!((row("key "), row("version "), row("by ")), (Some(KEY), Some("1"), Some("ann (ticket: 7)")), "{shown}");
    assert_eq!(row("value "), Some(r#"{"count":1.5}"#), "{shown}");
    let json = ends(&node, &["state", "show", KEY, "--version", "1", "-o", "json"], 0).out;
    assert!(json.trim().ends_with(r#""value":{"count": 1.50}}"#), "every digit is kept: {json}");
    let yaml = ends(&node, &["state", "show", KEY, "-o", "yaml"], 0).out;
    assert!(yaml.contains("value:\n  - 1\n  - 2"), "{yaml}");
    assert!(ends(&node, &["state", "show", KEY, "--version", "9"], 3).err.contains("try:  callboard state history"));

    ends(&node, &["state", "rollback", KEY, "2", "--expect", "3"], 6);
    assert_eq!(ends(&node, &["state", "rollback", KEY, "2", "-o", "json"], 0).json()["version"], 5);
    ends(&node, &["state", "delete", KEY, "--expect", "4"], 6);
    ends(&node, &["state", "delete", KEY, "--expect", "5", "--by", "ben"], 0);
    let deleted = ends(&node, &["state", "show", KEY], 3);
    assert!(deleted.err.contains("was deleted in version 6, by ben, on node"), "{deleted:?}");
    assert_eq!(ends(&node, &["state", "show", KEY, "--version", "5", "-o", "json"], 0).json()["value"], -7);

    let table = ends(&node, &["state", "history", KEY], 0).out;
    let cells = |line: &str| {
        let cells: Vec<String> = line.split("  ").map(|cell| cell.trim().to_owned()).collect();
        cells.into_iter().filter(|cell| !cell.is_empty()).collect::<Vec<_>>()
    };
    let rows: Vec<_> = table.lines().map(cells).collect();
    assert_eq!(rows[0], ["VERSION", "AT", "NODE", "BY", "BYTES"], "{table}");
    let ends_of = |n: usize| [&rows[n][0], &rows[n][3], &rows[n][4]].map(String::as_str);
    assert_eq!((ends_of(1), ends_of(2)), (["6", "ben", "deleted"], ["5", "api", "2"]), "{table}");
    assert_eq!((rows.len(), ends_of(6)), (7, ["1", "ann (ticket: 7)", "15"]), "{table}");
    let page = ends(&node, &["state", "history", KEY, "--limit", "1", "--after", "6", "-o", "jsonl"], 0).out;
    assert_eq!(serde_json::from_str::<Value>(&page).expect("one line")["version"], 5);
}

#[test]
fn a_document_is_erased_when_it_is_meant_so() {
    let node = Node::dev(["--ephemeral"]);
    for key in ["secret", "secrets/1", "other"] {
        ends(&node, &["state", "set", key, "\"geheim\"", "--new"], 0);
    }
    let list = ends(&node, &["sta", "li", "secret"], 0).out;
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows, [["KEY", "VERSION"], ["secret", "1"], ["secrets/1", "1"]]);
    let page = ends(&node, &["state", "list", "--limit", "1"], 0);
    assert!(page.out.contains("other") && page.err.contains("there is more: --after other"), "{page:?}");
    let asked = ends(&node, &["state", "erase", "secret"], 2);
    assert!(asked.err.contains("try:  callboard state erase \"secret\" --yes"), "{asked:?}");
    assert_eq!(ends(&node, &["state", "show", "secret", "-o", "json"], 0).json()["value"], "geheim");
    ends(&node, &["state", "erase", "secret", "--yes"], 0);
    ends(&node, &["state", "show", "secret"], 3);
    ends(&node, &["state", "show", "secret", "--version", "1"], 3);
    let history = ends(&node, &["state", "history", "secret", "-o", "jsonl"], 0).out;
    assert!(history.lines().all(|line| line.contains("\"is_deleted\":true")), "{history}");
    ends(&node, &["state", "erase", "nothing", "--yes"], 3);
}

#[test]
fn what_can_not_be_written_is_told() {
    let node = Node::dev(["--ephemeral"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("long.json");
    fs::write(&file, format!("\"{}\"", "x".repeat(16 << 20))).expect("a file");
    let long = format!("@{}", file.display());
    let refused = ends(&node, &["state", "set", "long", &long, "--new"], 7);
    let words = "error[CB1004]: the value of document \"long\" has 16777218 bytes, 16777216 are allowed";
    assert!(refused.err.contains(words), "{refused:?}");
    let text = fs::read_to_string(&file).expect("a file").replacen("xx", "", 1);
    fs::write(&file, text).expect("a file");
    ends(&node, &["state", "set", "long", &long, "--new"], 0);

    let no_json = ends(&node, &["state", "set", "a", "text", "--new"], 2);
    assert!(no_json.err.contains("the value of a document is JSON: "), "{no_json:?}");
    assert!(no_json.err.contains("try:  callboard state set \"a\" '\"text\"' --new"), "{no_json:?}");
    let unsaid = ends(&node, &["state", "set", "a", "1"], 2);
    assert!(unsaid.err.contains("--expect <N>|--new|--overwrite"), "{unsaid:?}");
    ends(&node, &["state", "set", "a", "1", "--new", "--overwrite"], 2);
    ends(&node, &["state", "set", "a", "1", "--expect", "0"], 2);
    ends(&node, &["state", "set", "a", "@absent.json", "--new"], 3);
    ends(&node, &["state", "delete", "a"], 2);
    assert!(ends(&node, &["state", "show", &"x".repeat(129)], 2).err.contains("has 1 to 128 bytes, not 129"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_shown_with_who_holds_it_and_who_waits() {
    let mut settings = Settings::default();
    settings.http.listen = (Ipv4Addr::LOCALHOST, 0).into();
    let board = Callboard::builder(settings).ephemeral().start().await.expect("a board");
    let address = board.serve().await.expect("an address").to_string();
    let list = |more: &[&str]| {
        let mut command = program(["lock", "list"]);
        let said = Said::of(command.env("CALLBOARD_ADDR", &address).args(more));
        assert_eq!(said.code, Some(0), "{said:?}");
        said
    };
    assert_eq!(list(&["-o", "json"]).out, "{\"items\":[],\"next\":null}\n");
    let wanted = |who: &str| board.lock("branch/main", Duration::from_secs(30)).by(who);
    let held = wanted("the release").await.expect("nobody has it");
    let mut waits = tokio::task::JoinSet::new();
    waits.spawn(wanted("a fix").into_future());
    while board.locks().await.expect("a list").iter().all(|lock| lock.waiting.is_empty()) {
        tokio::task::yield_now().await;
    }
    let locks = list(&["-o", "json"]).json();
    let lock = &locks["items"][0];
    assert_eq!((&lock["key"], &lock["token"]), (&"branch/main".into(), &held.token().into()), "{locks}");
    let who = |ticket: &Value| [ticket["by"]["name"].clone(), ticket["node"].clone()];
    let node = board.nodes().await.expect("itself")[0].id.to_string();
    assert_eq!(who(&lock["holder"]), ["the release", &node], "{locks}");
    assert_eq!(who(&lock["waiting"][0]), ["a fix", &node], "{locks}");
    assert_eq!(lock["ttl_ms"], 30_000);
    assert!(lock["holder"]["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{locks}");
    let table = list(&[]).out;
    for words in ["KEY", &format!("the release, on node {node}"), "30s", &format!("1: a fix, on node {node}")] {
        assert!(table.contains(words), "{words}: {table}");
    }
    held.release().await;
    let waited = waits.join_next().await.expect("it is there");
    drop(waited.expect("it has not panicked").expect("it has it next"));
    board.shutdown().await.expect("a clean end");
}
