//! Budgets: shown, and topped up.

use super::node::Node;
use std::fs;

#[test]
fn a_budget_is_shown_and_topped_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("paid.yaml");
    let text = "name: paid\nbudget: 0.50usd, 12calls, 10m\ntasks:\n  a: {capability: nobody}";
    fs::write(&file, text).expect("a file");
    let node = Node::dev(["--ephemeral"]);
    let id = node.submit(&file);
    let said = node.ask(["budget", "show", &id, "-o", "json"]).json();
    assert_eq!(said["limit"].to_string(), r#"{"calls":12,"usd_micros":500000,"wall_ms":600000}"#);
    assert_eq!((said["spent"].to_string().as_str(), &said["waiting"]), ("{}", &0.into()));
    let said =
        node.ask(["budget", "top-up", &id, "0.25usd, 1call", "--by", "Ann: it is worth it", "-o", "json"]).json();
    assert_eq!(said["limit"].to_string(), r#"{"calls":13,"usd_micros":750000,"wall_ms":600000}"#);
    assert_eq!(said["top_ups"][0]["by"], "Ann: it is worth it");
    let table = node.ask(["budget", "show", &id]).out;
    let row = |what: &str| table.lines().find(|line| line.starts_with(what)).unwrap_or_default().to_owned();
    let words = |what: &str| row(what).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words("usd"), ["usd", "0.75usd", "0", "0", "0.75usd"], "{table}");
    assert_eq!(words("tokens"), ["tokens", "-", "0", "0", "-"], "{table}");
    assert_eq!(words("time"), ["time", "10m", "-", "-", "-"], "{table}");

    let refused = node.ask(["budget", "top-up", &id, "5 euros"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("not an amount: \"5 euros\"; write \"0.50usd\""), "{refused:?}");
    assert!(refused.err.contains(&format!("try:  callboard budget top-up {id} 0.50usd")), "{refused:?}");
    let refused = node.ask(["budget", "top-up", &id, "5tokens"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("it has no limit of tokens"), "{refused:?}");
    assert_eq!(node.ask(["run", "cancel", &id]).code, Some(0));
    assert_eq!(node.ask(["budget", "top-up", &id, "1call"]).code, Some(6), "it has ended");
    assert_eq!(node.ask(["budget", "show", "01a2227b-68ce-7632-88bc-b4df52f54bce"]).code, Some(3));
}
