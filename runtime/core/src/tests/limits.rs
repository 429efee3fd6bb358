//! Every limit, named in its refusal.

use super::board::name_id;
use crate::{
    Command, Failure, FailureClass, Graph, GraphFault, GraphLimits, Json, Limits, Millis, Rejected, Requirement, Retry,
    State, TaskIndex, TaskRef, TaskSpec, TaskState, Token, closest, decide,
};
use std::collections::BTreeMap;
use std::sync::Arc;

fn graph(tasks: Vec<TaskSpec>) -> Graph {
    let tasks = tasks.into_iter().map(Arc::new).collect();
    Graph {
        name: "g".into(),
        tasks,
        timeout_ms: None,
        budget: None,
        tenant: None,
        labels: BTreeMap::new(),
        trace: None,
    }
}

fn task(name: &str) -> TaskSpec {
    TaskSpec::new(name, "work", Json::null())
}

fn said(graph: &Graph, limits: &GraphLimits) -> Vec<String> {
    graph.faults(limits).iter().map(GraphFault::to_string).collect()
}

fn nested(levels: usize) -> Json {
    Json::parse("[".repeat(levels) + &"]".repeat(levels)).unwrap()
}

#[test]
fn the_depth_of_a_text_is_that_of_its_structure() {
    let depth = |text: &str| Json::parse(text).unwrap().depth();
    assert_eq!(["1", "\"[[\"", "[]", "{}", "[[],[[]]]"].map(depth), [0, 0, 1, 1, 3]);
    assert_eq!(depth(r#"{"a[":"\"[{","b\\":[{"c":"]"}]}"#), 3);
    assert_eq!([r#""\"[[""#, r#"["\\",[]]"#].map(depth), [0, 2], "what is escaped ends no string");
    // The innermost of a million levels is found without a million calls.
    assert_eq!(nested(1_000_000).depth(), 1_000_000);
}

#[test]
fn an_input_has_as_many_levels_as_a_type_is_read_with() {
    let mut deep = task("deep");
    deep.input = nested(127);
    let limits = GraphLimits::default();
    assert!(said(&graph(vec![deep.clone()]), &limits).is_empty());
    deep.input = nested(128);
    let expected = "task \"deep\": its input has 128 levels, more than the limit of 127 (input_depth_max)";
    assert_eq!(said(&graph(vec![deep]), &limits), [expected]);
    // The reason of the default: serde_json reads so many levels into a value, and no more.
    assert!(serde_json::from_str::<serde_json::Value>(nested(127).as_str()).is_ok());
    assert!(serde_json::from_str::<serde_json::Value>(nested(128).as_str()).is_err());
}

#[test]
fn a_timeout_leaves_time_and_a_label_has_a_key() {
    let limits = GraphLimits::default();
    let mut hasty = task("hasty");
    hasty.timeouts = crate::Timeouts { start_ms: Some(0), attempt_ms: Some(0), heartbeat_ms: Some(0) };
    let mut bad = graph(vec![hasty]);
    bad.timeout_ms = Some(0);
    bad.labels = BTreeMap::from([(String::new(), "v".to_owned())]);
    let short = |whose: &str, which: &str| {
        format!("{whose}: its {which} of 0 ms leaves no time; the shortest is 1 ms, and none at all is to leave it out")
    };
    let expected = [
        "the label with the value \"v\" has no key: it takes at least 1 byte (label_key_bytes_min)".to_owned(),
        short("the workflow", "timeout"),
        short("task \"hasty\"", "timeout"),
        short("task \"hasty\"", "start_timeout"),
        short("task \"hasty\"", "heartbeat_timeout"),
    ];
    assert_eq!(said(&bad, &limits), expected);
    assert_eq!(said(&bad, &GraphLimits::NONE), [""; 0], "what was accepted once stays valid");
    bad.labels = BTreeMap::from([("v".to_owned(), String::new())]);
    bad.timeout_ms = Some(1);
    let times = crate::Timeouts { start_ms: Some(1), attempt_ms: Some(1), heartbeat_ms: Some(1) };
    Arc::make_mut(&mut bad.tasks[0]).timeouts = times;
    assert!(said(&bad, &limits).is_empty());
}

#[test]
fn lists_labels_and_the_tenant_have_limits() {
    let limits = GraphLimits { after_max: 2, requires_max: 1, labels_max: 2, ..GraphLimits::default() };
    let mut last = task("last");
    last.after = vec!["a".into(), "a".into()];
    let gpu: Requirement = "gpu".parse().unwrap();
    last.requires = vec![gpu.clone()].into();
    let mut good = graph(vec![task("a"), last.clone()]);
    good.tenant = Some("t".repeat(128));
    good.labels = BTreeMap::from([("k".repeat(63), "v".repeat(256)), ("k".to_owned(), String::new())]);
    assert_eq!(said(&good, &limits), [""; 0]);

    last.after.push("a".into());
    last.requires = vec![gpu, "zone=eu".parse().unwrap()].into();
    let mut bad = graph(vec![task("a"), last]);
    bad.tenant = Some("t".repeat(1_000));
    let (key, value) = ("k".repeat(64), "v".repeat(257));
    bad.labels = BTreeMap::from([(key.clone(), value), ("a".into(), String::new()), ("b".into(), String::new())]);
    assert_eq!(
        said(&bad, &limits),
        [
            &format!(
                "the tenant {:?} takes 1000 bytes, more than the limit of 128 (tenant_bytes_max)",
                "t".repeat(160)
            ),
            "the workflow has 3 labels, more than the limit of 2 (labels_max)",
            &format!("label {key:?}: its key takes 64 bytes, more than the limit of 63 (label_key_bytes_max)"),
            &format!("label {key:?}: its value takes 257 bytes, more than the limit of 256 (label_value_bytes_max)"),
            "task \"last\": its list \"after\" has 3 entries, more than the limit of 2 (after_max)",
            "task \"last\": its list \"requires\" has 2 entries, more than the limit of 1 (requires_max)",
        ]
    );
}

/// Limits may be lowered between two lives of a node.
#[test]
fn what_was_accepted_stays_valid_under_lower_limits() {
    let mut deep = task("deep");
    deep.input = nested(100);
    let mut accepted = graph(vec![deep]);
    accepted.labels = BTreeMap::from([("k".into(), "v".into())]);
    let step = decide(&State::new(Limits::default()), Millis(0), submit("r", accepted)).unwrap();
    let strict = GraphLimits { input_depth_max: 1, labels_max: 0, tasks_max: 0, ..GraphLimits::default() };
    let mut state = State::new(Limits { graph: strict, ..Limits::default() });
    step.events.iter().for_each(|event| state.apply(event));
    assert_eq!(state.run(name_id("r")).unwrap().quarantined, None);
}

fn submit(run: &str, graph: Graph) -> Command {
    let graph = graph.check(&GraphLimits::default()).unwrap();
    Command::Submit { run: name_id(run), graph, key: None }
}

fn take(state: &mut State, command: Command) -> Result<(), Rejected> {
    decide(state, Millis(0), command).map(|step| step.events.iter().for_each(|event| state.apply(event)))
}

#[test]
fn a_partition_takes_so_many_tasks_and_says_so() {
    let mut state = State::new(Limits { live_tasks_max: 3, ..Limits::default() });
    take(&mut state, submit("one", graph(vec![task("a"), task("b")]))).unwrap();
    let refused = take(&mut state, submit("two", graph(vec![task("a"), task("b")]))).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "2 tasks of this partition have not ended; with 2 more they pass the limit of 3 (live_tasks_max)"
    );
    // Who asks again for what is there takes no room.
    take(&mut state, submit("one", graph(vec![task("a"), task("b")]))).unwrap();
    take(&mut state, submit("three", graph(vec![task("a")]))).unwrap();
    assert_eq!(state.live_tasks(), 3);
    // What ends makes room.
    take(&mut state, Command::Cancel { run: name_id("one"), reason: "enough".into() }).unwrap();
    assert_eq!(state.live_tasks(), 1);
    take(&mut state, submit("two", graph(vec![task("a"), task("b")]))).unwrap();
    assert_eq!(state.live_tasks(), 3);
}

/// A task that says nothing of retries follows the partition, and its journal does not change for it.
#[test]
fn the_policy_of_a_task_is_its_own_or_the_partitions() {
    let mut own = task("own");
    own.retry = Some(Retry::exponential(1));
    let retry = Retry { retries: 0, ..Retry::default() };
    let mut state = State::new(Limits { retry, ..Limits::default() });
    take(&mut state, submit("r", graph(vec![task("silent"), own]))).unwrap();
    for index in [0, 1] {
        let task = TaskRef { run: name_id("r"), task: TaskIndex(index) };
        let failure = Failure::new(FailureClass::Retryable, "no".to_owned());
        take(&mut state, Command::Refuse(task, Token::FIRST, failure)).unwrap();
    }
    let tasks = &state.run(name_id("r")).unwrap().tasks;
    assert_eq!(tasks[0].state, TaskState::Dead);
    assert!(matches!(tasks[1].state, TaskState::Ready { .. }), "{:?}", tasks[1].state);
    assert_eq!(serde_json::to_string(&task("t")).unwrap(), r#"{"name":"t","capability":"work","input":null}"#);
}

/// Before, an own policy that is the default was left out of the journal.
#[test]
fn a_policy_that_was_left_out_is_the_same_as_the_default_said_aloud() {
    let mut state = State::new(Limits::default());
    take(&mut state, submit("r", graph(vec![task("t")]))).unwrap();
    let with = |retry| graph(vec![TaskSpec { retry: Some(retry), ..task("t") }]);
    take(&mut state, submit("r", with(Retry::default()))).unwrap();
    let other = take(&mut state, submit("r", with(Retry::never()))).unwrap_err();
    assert!(matches!(other, Rejected::Conflict { .. }), "{other}");
}

#[test]
fn one_of_three_letters_may_be_wrong() {
    let known = ["lease", "drain", "retry.base"];
    assert_eq!(closest("laese", known), Some("lease"));
    assert_eq!(closest("leas", known), Some("lease"));
    assert_eq!(closest("deals", known), None, "more letters are a guess");
    assert_eq!(closest("retry.bsae", known), Some("retry.base"));
    assert_eq!(closest("drainage", known), None, "what is missing counts");
    assert_eq!(closest("retry", known), None, "and what is too much");
    assert_eq!(closest("zzzlease", known), None, "wherever it is");
    assert_eq!(closest("badc", ["abcd"]), None, "two exchanges are two");
    assert_eq!(closest("abdc", ["abcd"]), Some("abcd"));
    assert_eq!(closest("x", []), None);
}
