//! Graph faults: each, and all of them together.

use crate::{Graph, GraphFault, GraphLimits, Json, TaskSpec};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `<name> [after,..] [input]` for each task.
fn graph(tasks: &[(&str, &str, &str)]) -> Graph {
    let tasks = tasks.iter().map(|(name, after, input)| {
        let mut spec = TaskSpec::new(*name, "work", Json::parse(*input).unwrap());
        spec.after = after.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Arc::new(spec)
    });
    Graph {
        name: "g".into(),
        tasks: tasks.collect(),
        timeout_ms: None,
        budget: None,
        tenant: None,
        labels: BTreeMap::new(),
        trace: None,
    }
}

fn from(name: &str) -> String {
    format!("{{\"$from\":\"{name}\"}}")
}

/// Checks the faults of a graph, and that nothing is stored of one that has any.
#[track_caller]
fn check(graph: &Graph, expected: &[&str]) {
    check_within(GraphLimits::default(), graph, expected);
}

#[track_caller]
fn check_within(limits: GraphLimits, graph: &Graph, expected: &[&str]) {
    let faults: Vec<String> = graph.faults(&limits).iter().map(ToString::to_string).collect();
    assert_eq!(faults, expected);
    match graph.clone().check(&limits) {
        Ok(checked) => assert!(expected.is_empty() && checked.graph() == graph),
        Err(refused) => assert_eq!(refused, graph.faults(&limits)),
    }
}

#[test]
fn a_graph_without_faults() {
    check(&graph(&[("a", "", "null"), ("b", "a", &from("a"))]), &[]);
    check(&graph(&[("Ein Name mit Ümlauten / und mehr", "", "null")]), &[]);
}

#[test]
fn an_empty_graph() {
    check(&graph(&[]), &["the workflow has no tasks"]);
}

#[test]
fn a_cycle_is_told_with_its_path() {
    let cycle = |path: &str| format!("tasks wait for one another: {path}");
    check(&graph(&[("a", "a", "null")]), &[&cycle("a -> a")]);
    check(&graph(&[("a", "", &from("a"))]), &[&cycle("a -> a")]);
    check(&graph(&[("a", "b", "null"), ("b", "", &from("a"))]), &[&cycle("a -> b -> a")]);
    check(&graph(&[("a", "", r#"{"$all":["b","a"]}"#), ("b", "", "null")]), &[&cycle("a -> a")]);
    // What leads into the cycle, and what hangs on it, is not on its path.
    let tail = graph(&[("root", "", "1"), ("a", "root,c", "1"), ("b", "a", "1"), ("c", "b", "1"), ("d", "c", "1")]);
    check(&tail, &[&cycle("a -> c -> b -> a")]);
    // The walk begins outside the cycle.
    check(&graph(&[("x", "y", "1"), ("y", "z", "1"), ("z", "y", "1")]), &[&cycle("y -> z -> y")]);
}

#[test]
fn a_long_cycle_is_told_with_its_whole_path() {
    let names: Vec<String> = (0..50).map(|n| format!("t{n}")).collect();
    let tasks: Vec<_> = (0..50).map(|n| (names[n].as_str(), names[(n + 1) % 50].as_str(), "null")).collect();
    let faults = graph(&tasks).faults(&GraphLimits::default());
    let mut path = names.clone();
    path.push("t0".into());
    assert_eq!(faults, [GraphFault::Cycle { path }]);
}

#[test]
fn cycles_that_share_no_task_are_told_together() {
    check(
        &graph(&[("a", "b", "1"), ("b", "a", "1"), ("c", "c", "1"), ("d", "a,e", "1"), ("e", "d", "1")]),
        &["tasks wait for one another: a -> b -> a", "tasks wait for one another: c -> c"],
    );
}

#[test]
fn an_unknown_reference_comes_with_the_closest_name() {
    let tasks = [("summarize", "", "null"), ("review", "", "null")];
    let unknown = |reference: &str, after: bool| {
        let mut tasks = tasks.to_vec();
        let input = from(reference);
        tasks.push(if after { ("last", reference, "null") } else { ("last", "", &input) });
        let text = graph(&tasks).faults(&GraphLimits::default())[0].to_string();
        text.strip_prefix(&format!("task \"last\" refers to {reference:?}, which is no task of this workflow"))
            .unwrap_or(&text)
            .to_owned()
    };
    for after in [false, true] {
        assert_eq!(unknown("summarise", after), "; the closest is \"summarize\"");
        assert_eq!(unknown("reviews", after), "; the closest is \"review\"");
        assert_eq!(unknown("lost", after), "; the closest is \"last\"");
        assert_eq!(unknown("something else", after), "");
    }
    assert_eq!(unknown("", false), "");
}

#[test]
fn names_are_checked() {
    let long = "n".repeat(129);
    let mut bad = graph(&[("", "", "1"), (&long, "", "1"), ("a\nb", "", "1"), (&long[..128], "", "1")]);
    bad.name = "x".repeat(200);
    let mut odd = TaskSpec::new("odd", "spaced out", Json::null());
    odd.priority = crate::Priority::Critical;
    bad.tasks.push(Arc::new(odd));
    bad.tasks.push(Arc::new(TaskSpec::new("none", "", Json::null())));
    check(
        &bad,
        &[
            &format!("workflow \"{}\": a name has at most 128 bytes (name_bytes_max)", "x".repeat(160)),
            "task \"\": a name must not be empty",
            &format!("task \"{long}\": a name has at most 128 bytes (name_bytes_max)"),
            "task \"a\\nb\": a name has no control characters",
            "capability \"spaced out\": a capability is written with A-Z, a-z, 0-9, '.', '_' and '-'",
            "capability \"\": a name must not be empty",
        ],
    );
}

#[test]
fn malformed_references_say_what_was_seen() {
    let bad = |input: &str| {
        let tasks = [("a", "", "null"), ("b", "", input)];
        graph(&tasks).faults(&GraphLimits::default()).iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
    };
    assert_eq!(bad(r#"{"$from":7}"#), r#"task "b": "$from" wants the name of a task, not 7"#);
    assert_eq!(bad(r#"[{"$from":null},{"$from":["a"]}]"#).matches("wants the name of a task").count(), 2);
    assert_eq!(bad(r#"{"$all":"a"}"#), r#"task "b": "$all" wants a list of names of tasks, not "a""#);
    assert_eq!(bad(r#"{"$all":["a",1]}"#), r#"task "b": "$all" wants a list of names of tasks, not ["a",1]"#);
    let beside = |key: &str| {
        format!("task \"b\": {key:?} stands beside other keys; write {{\"$literal\": ...}} around data with such a key")
    };
    assert_eq!(bad(r#"{"x":1,"$from":"a"}"#), beside("$from"));
    assert_eq!(bad(r#"{"$from":"a","x":1}"#), beside("$from"));
    assert_eq!(bad(r#"{"$literal":1,"x":1}"#), beside("$literal"));
    assert_eq!(bad(r#"{"$all":[],"$from":"a"}"#), format!("{} | {}", beside("$all"), beside("$from")));
    assert_eq!(bad(r#"{"$literal":1,"$from":"a"}"#), format!("{} | {}", beside("$literal"), beside("$from")));
    assert_eq!(bad(r#"{"x":{"$from":"a"},"$from":"a"}"#), beside("$from"));
    assert_eq!(bad(r#"{"$from":"a","$from":"a"}"#), format!("{0} | {0}", beside("$from")));
    // What is shown is cut.
    assert!(bad(&format!("{{\"$from\":[{}1]}}", "1,".repeat(1_000_000))).len() < 200);
    let long = format!("{{\"$from\":\"{}\"}}", "x".repeat(1_000_000));
    assert!(bad(&long).len() < 400);
}

#[test]
fn limits_are_named() {
    let limits = GraphLimits { tasks_max: 2, input_bytes_max: 8, graph_bytes_max: 26, ..GraphLimits::default() };
    check_within(limits, &graph(&[("a", "", "12345678"), ("b", "", "12345678")]), &[]);
    check_within(
        limits,
        &graph(&[("a", "", "12345678"), ("b", "", "123456789"), ("c", "", "1234")]),
        &[
            "the workflow has 3 tasks, more than the limit of 2 (graph_tasks_max)",
            "the workflow takes 36 bytes, more than the limit of 26 (graph_bytes_max)",
            "task \"b\": its input takes 9 bytes, more than the limit of 8 (payload_bytes_max)",
        ],
    );
}

#[test]
fn faults_of_all_kinds_are_told_together() {
    let mut bad = graph(&[
        ("a", "b", "null"),
        ("b", "a,nobody", &from("elsewhere")),
        ("c", "", r#"{"$all":"a"}"#),
        ("c", "", "\"far too long an input\""),
        ("", "", "null"),
    ]);
    bad.name = String::new();
    check_within(
        GraphLimits { tasks_max: 4, input_bytes_max: 21, ..GraphLimits::default() },
        &bad,
        &[
            "the workflow has 5 tasks, more than the limit of 4 (graph_tasks_max)",
            "task \"c\": its input takes 23 bytes, more than the limit of 21 (payload_bytes_max)",
            "workflow \"\": a name must not be empty",
            "task \"\": a name must not be empty",
            "two tasks are named \"c\"",
            "task \"b\" refers to \"nobody\", which is no task of this workflow",
            "task \"b\" refers to \"elsewhere\", which is no task of this workflow",
            "task \"c\": \"$all\" wants a list of names of tasks, not \"a\"",
            "tasks wait for one another: a -> b -> a",
        ],
    );
}

/// An error must not cost more than the work it reports on.
#[test]
fn many_faults_and_large_names_cost_no_more_than_their_reading() {
    let long = "x".repeat(2_000_000);
    let mut tasks: Vec<(String, String)> = (0..2_000).map(|n| (format!("task-{n}"), format!("tusk-{n}"))).collect();
    tasks.push((long.clone(), long.clone() + "y"));
    let tasks: Vec<_> = tasks.iter().map(|(name, after)| (name.as_str(), after.as_str(), "null")).collect();
    let faults = graph(&tasks).faults(&GraphLimits::default());
    assert_eq!(faults.len(), 2_002);
    assert!(faults.iter().all(|fault| fault.to_string().len() < 600));
    let hints = faults.iter().filter(|fault| fault.to_string().contains("; the closest is ")).count();
    assert!((1..=20).contains(&hints), "{hints} searches for the closest name");
}

#[test]
fn edges_say_what_they_carry() {
    let graph = graph(&[
        ("a", "", "1"),
        ("b", "a,nobody", "1"),
        ("c", "a,b", r#"[{"$from":"a"},{"$all":["a"]},{"$literal":{"$from":"b"}}]"#),
    ]);
    let edges: Vec<_> = graph.edges().iter().map(|edge| (edge.from.0, edge.to.0, edge.kind)).collect();
    assert_eq!(edges, [(0, 1, crate::EdgeKind::Order), (0, 2, crate::EdgeKind::Data), (1, 2, crate::EdgeKind::Order)]);
}
