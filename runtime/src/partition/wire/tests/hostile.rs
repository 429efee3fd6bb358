//! What no node of ours would send, and ways that are cut off.

use super::super::{Answered, Back, Request};
use super::passage::Passed;
use super::samples::Bits;
use super::{block_on, joined, read, room};
use crate::partition::message::{Message, Refusal};
use callboard_core::{Graph, Json, Rejected, RunId, ScheduleRejected, TaskSpec};
use futures::FutureExt;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use tokio::sync::{Semaphore, oneshot};

const RUN: &str = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5";

/// What nodes of ours send: each request with an answer to it.
static BODIES: LazyLock<Vec<(Vec<u8>, Vec<u8>)>> = LazyLock::new(|| Passed::everything(&Bits::plain()).bodies);

/// Gives an answer to whoever waits for one to such a request; says whether he has one.
async fn answered(request: &[u8], body: &[u8]) -> bool {
    let (arrived, answering) = joined(read(request)).await.unwrap();
    let (_, back) = arrived.split().unwrap();
    let told = back.answer(body).is_ok();
    assert_eq!(answering.await.is_some(), told, "whoever waits is told what came of it, once");
    told
}

fn mutated(bytes: &[u8], at: usize, change: &Change) -> Vec<u8> {
    let (mut bytes, at) = (bytes.to_vec(), at % bytes.len());
    match change {
        Change::Cut => bytes.truncate(at),
        Change::Put(byte) => bytes[at] = *byte,
        Change::Insert(text) => drop(bytes.splice(at..at, text.bytes()).collect::<Vec<_>>()),
        Change::Drop(many) => drop(bytes.drain(at..bytes.len().min(at + many))),
        Change::Swap(by) => {
            let other = (at + by) % bytes.len();
            bytes.swap(at, other);
        }
    }
    bytes
}

#[derive(Clone, Debug)]
enum Change {
    Cut,
    Put(u8),
    Insert(String),
    Drop(usize),
    Swap(usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Cut),
        any::<u8>().prop_map(Change::Put),
        r#"[\[\]{}",:0-9nul-]{1,3}"#.prop_map(Change::Insert),
        (1..20_usize).prop_map(Change::Drop),
        any::<usize>().prop_map(|by| Change::Swap(by % 100)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_comes_out_of_the_wire_panics(
        which in any::<prop::sample::Index>(),
        at in any::<usize>(),
        change in change(),
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let (request, answer) = which.get(&BODIES);
        for bad in [&mutated(request, at, &change), &bytes, answer] {
            if let Ok(request) = serde_json::from_slice::<Request>(bad) {
                drop(block_on(joined(request)));
            }
        }
        for bad in [&mutated(answer, at, &change), &bytes, request] {
            block_on(answered(request, bad));
        }
    }
}

/// The answer to any other request is, with few exceptions, none to this one; and never a panic.
#[test]
fn an_answer_to_something_else_is_none() {
    let of = |name: &str| {
        let begins = |(request, _): &&(Vec<u8>, Vec<u8>)| request.starts_with(format!("{{\"{name}\"").as_bytes());
        BODIES.iter().find(begins).unwrap()
    };
    let names = ["submit", "follow", "await", "events"];
    for (name, other) in names.iter().flat_map(|name| names.iter().map(move |other| (name, other))) {
        assert_eq!(block_on(answered(&of(name).0, &of(other).1)), name == other, "{name} answered as {other}");
    }
    for (request, _) in BODIES.iter() {
        for bad in ["", "7", "{}", "tru", r#"{"Ok":null,"Ok":null}"#, r#"{"Err":"never"}"#, r#""nowhere""#] {
            assert!(!block_on(answered(request, bad.as_bytes())), "{bad}");
        }
    }
}

#[test]
fn requests_are_read_strictly() {
    let check = |text: &str, reason: &str| {
        let text = text.replace("RUN", RUN);
        let error = serde_json::from_str::<Request>(&text).expect_err(&text).to_string();
        assert!(error.contains(reason), "{text}: {error}");
    };
    check("", "EOF");
    check("null", "expected");
    check("\"tick\"", "unknown variant `tick`");
    check("{\"hand_out\":{}}", "unknown variant `hand_out`");
    check("{\"progress\":{\"run\":\"7\"}}", "invalid length");
    check("{\"progress\":{}}", "missing field `run`");
    check("{\"progress\":{\"run\":\"RUN\",\"urgent\":true}}", "unknown field `urgent`");
    check("{\"progress\":{\"run\":\"RUN\"},\"progress\":{\"run\":\"RUN\"}}", "expected");
    check("{\"progress\":{\"run\":\"RUN\"}} {}", "trailing");
    check("{\"events\":{\"run\":\"RUN\",\"after\":-1}}", "invalid value");
    check("{\"events\":{\"run\":\"RUN\",\"after\":18446744073709551616}}", "invalid type");
    check("{\"control\":{\"run\":\"RUN\",\"wish\":\"explode\"}}", "unknown variant `explode`");
    check("{\"ask\":\"everything\"}", "unknown variant `everything`");
    check("{\"ask\":{\"runs\":{\"filter\":{\"mood\":1},\"after\":null,\"limit\":1}}}", "unknown field `mood`");
    check("{\"await\":{\"run\":\"RUN\",\"target\":{\"task\":{\"name\":\"a\",\"at\":4294967296}}}}", "invalid value");
    check(&"[".repeat(200_000), "expected");
    check(&format!("{{\"ask\":{}", "{\"a\":".repeat(200_000)), "unknown variant `a`");
    let wait = "\"key\":\"k\",\"wait\":{\"sleep\":{\"until\":0}},\"limit\":{\"secs\":18446744073709551615,\"nanos\":1000000000}";
    let speaker = "\"task\":{\"run\":\"RUN\",\"task\":0},\"token\":{\"attempt\":1,\"activation\":1},\"holder\":\"n/a\"";
    check(
        &format!("{{\"speak\":{{\"speaker\":{{{speaker}}},\"say\":{{\"note\":{{\"wait\":{{{wait}}}}}}}}}}}"),
        "overflow",
    );
    check(&format!("{{\"heartbeat\":{{\"speaker\":{{{speaker}}},\"alive\":\"both\"}}}}"), "unknown variant `both`");
}

/// JSON that is carried may be deeper than any stack: it is not looked into.
#[test]
fn depth_costs_no_stack() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let graph = format!("{{\"name\":\"w\",\"tasks\":[{{\"name\":\"a\",\"capability\":\"b\",\"input\":{deep}}}]}}");
    let submit = format!("{{\"submit\":{{\"run\":\"{RUN}\",\"graph\":{graph},\"checked\":0}}}}");
    let (arrived, _answering) = block_on(joined(read(submit.as_bytes()))).unwrap();
    let Message::Submit { graph, .. } = arrived else { panic!("{arrived:?}") };
    assert_eq!(graph.graph().tasks[0].input.as_str(), deep);
}

fn submit(graph: impl Into<String>) -> Request {
    let run = RUN.parse().unwrap();
    Request::Submit { run, graph: Json::parse(graph).unwrap(), key: None, checked: 0 }
}

fn refusal(Answered(body): Answered) -> Refusal {
    serde_json::from_slice::<Result<(), Refusal>>(&body).unwrap().unwrap_err()
}

fn refused(request: Request) -> Refusal {
    refusal(block_on(joined(request)).err().expect("it is refused"))
}

/// A graph of so many tasks, each of which refers to `reference`, if there is one.
fn graph(tasks: u32, reference: Option<&str>) -> String {
    let input = || reference.map_or_else(Json::null, |name| Json::of(&BTreeMap::from([("$from", name)])).unwrap());
    let task = |n| Arc::new(TaskSpec::new(format!("t{n}"), "echo", input()));
    let tasks = (0..tasks).map(task).collect();
    let graph = Graph {
        name: "w".into(),
        tasks,
        timeout_ms: None,
        budget: None,
        tenant: None,
        labels: BTreeMap::new(),
        trace: None,
    };
    serde_json::to_string(&graph).unwrap()
}

#[test]
fn a_graph_with_faults_is_refused_with_all_of_them() {
    let check = |graph: &str, reason: &str| {
        let refusal = refused(submit(graph));
        let Refusal::Unavailable(said) = &refusal else { panic!("{refusal:?}") };
        assert!(said.starts_with(reason), "{said}");
        said.clone()
    };
    check("5", "not a workflow: invalid type");
    check(r#"{"name":"w","tasks":[],"mood":1}"#, "not a workflow: unknown field `mood`");
    check(r#"{"name":"w","tasks":[]}"#, "the workflow has no tasks");
    check(&graph(1, Some("t0")), "tasks wait for one another: t0 -> t0");
    check(&graph(1, Some("t7")), r#"task "t0" refers to "t7""#);
    let said = check(&graph(3_000, Some("nobody")), r#"task "t0" refers to "nobody""#);
    assert_eq!(said.split("; task").count(), 20, "{said}");

    let set = |graph: &str| {
        let timing = r#"{"every_ms":1000},"overlap":"skip","catch_up":"last","replace":"no""#;
        let wish = format!(r#"{{"set":{{"timing":{timing},"graph":{graph}}}}}"#);
        refused(read(format!(r#"{{"schedule":{{"name":"nightly","wish":{wish}}}}}"#).as_bytes()))
    };
    let faulty = set(&graph(1, Some("t0")));
    let Refusal::Rejected(Rejected::Schedule(ScheduleRejected::Faulty { name, reason })) = &faulty else {
        panic!("{faulty:?}");
    };
    assert_eq!((&**name, &**reason), ("nightly", "tasks wait for one another: t0 -> t0"));
}

/// What is large is looked at on another thread, so its message is not there at once.
#[test]
fn a_large_graph_holds_up_no_actor() {
    block_on(async {
        assert!(joined(submit(graph(100, None))).now_or_never().is_some());
        for tasks in [1_001, 20_000] {
            let mut joining = Box::pin(joined(submit(graph(tasks, None))));
            assert!(joining.as_mut().now_or_never().is_none(), "{tasks} tasks");
            let (arrived, _answering) = joining.await.unwrap();
            let Message::Submit { graph, .. } = arrived else { panic!("{arrived:?}") };
            assert_eq!(graph.graph().tasks.len(), tasks as usize);
        }
    });
}

#[test]
fn a_history_that_can_not_be_read_is_refused() {
    let bits = Bits::plain();
    let events = bits.past().restored.events;
    let retry = |run: RunId, events: &str| {
        let task = format!(r#"{{"run":"{run}","task":0}},"token":{{"attempt":1,"activation":1}}"#);
        read(format!(r#"{{"retry":{{"task":{task},"comeback":{{"events":{events},"checked":1}}}}}}"#).as_bytes())
    };
    assert!(block_on(joined(retry(bits.run(), events.as_str()))).is_ok());
    let other = RUN.parse().unwrap();
    for (run, events) in
        [(other, events.as_str()), (bits.run(), "[]"), (bits.run(), "7"), (bits.run(), r#"[{"seq":1}]"#)]
    {
        let refusal = refused(retry(run, events));
        let Refusal::Unavailable(said) = &refusal else { panic!("{refusal:?}") };
        assert!(said.starts_with(&format!("the history of run {run} can not be read: ")), "{said}");
    }
}

#[test]
fn room_is_asked_for_what_takes_some() {
    let bits = Bits::plain();
    let bytes = bits.graph().bytes();
    let mut seen = BTreeMap::<String, Vec<Option<usize>>>::new();
    for (body, _) in BODIES.iter() {
        let request = read(body);
        let name = format!("{request:?}").split([' ', '(']).next().unwrap().to_owned();
        let rooms = seen.entry(name).or_default();
        if !rooms.contains(&request.room()) {
            rooms.push(request.room());
        }
        if request.room().is_some() {
            let said = refusal(block_on(request.join(None, |_| ())).err().expect("there is no room"));
            assert!(matches!(said, Refusal::Unavailable(said) if said == "the partition's inbox has no room for it"));
        }
    }
    let (null, past) = (4, bits.past().restored.events.as_str().len());
    let text = bits.text.len();
    let expected = [
        ("Submit", vec![Some(bytes)]),
        ("Perform", vec![Some(bytes)]),
        ("Retry", vec![Some(null), Some(past)]),
        ("Schedule", vec![Some(256), Some(bytes)]),
        ("Answer", vec![Some(0), Some(text + null), Some(text + 7)]),
    ];
    for (name, rooms) in expected {
        assert_eq!(seen.remove(name), Some(rooms), "{name}");
    }
    assert!(seen.values().flatten().all(Option::is_none), "{seen:?}");
    let greedy = r#"{"name":"s","value":{"stored":{"hash":"h","bytes":18446744073709551615}}"#;
    let greedy = format!(r#"{{"answer":{{"run":"{RUN}","answer":{{"signal":{greedy},"id":"{RUN}"}}}}}}}}"#);
    assert_eq!(read(greedy.as_bytes()).room(), Some(usize::MAX));
}

/// Room here is given back with the answer, and not before.
#[test]
fn room_is_held_until_the_answer() {
    let permits = Arc::new(Semaphore::new(1));
    let take = || {
        let (reply, caller) = oneshot::channel();
        let mut room = room();
        room._bytes = permits.clone().try_acquire_owned().unwrap();
        let (run, graph) = (RUN.parse().unwrap(), Bits::plain().graph());
        (Message::Submit { run, graph, key: None, checked: 0, room, reply }.split().unwrap().1, caller)
    };
    let (back, _caller) = take();
    assert_eq!(permits.available_permits(), 0);
    back.answer(br#"{"Ok":null}"#).unwrap();
    assert_eq!(permits.available_permits(), 1);
    let (back, mut caller) = take();
    drop(back);
    assert_eq!(permits.available_permits(), 1);
    assert!(caller.try_recv().is_err());
}

/// Whoever goes away is seen to be gone from the other side, in both directions, whatever was said.
#[test]
fn a_way_that_is_cut_off_is_seen_to_be() {
    for (body, _) in BODIES.iter() {
        block_on(async {
            let arrive = async || joined(read(body)).await.unwrap();
            let (arrived, answering) = arrive().await;
            let (_, back): (Request, Back) = arrived.split().unwrap();
            assert!(!back.is_closed());
            drop(answering);
            assert!(back.is_closed(), "{back:?}");

            let (arrived, answering) = arrive().await;
            drop(arrived);
            assert_eq!(answering.await, None);
        });
    }
}

/// What `crate::fuzz` changes here and there is what nodes send. `TEST_GOLDEN=write` writes it anew.
#[test]
fn the_samples_for_fuzzing_are_what_nodes_send() {
    let text = |body: &Vec<u8>| format!("{}\n", String::from_utf8(body.clone()).unwrap());
    let requests: BTreeSet<String> = BODIES.iter().map(|(request, _)| text(request)).collect();
    let answers: BTreeSet<String> = BODIES.iter().map(|(_, answer)| text(answer)).collect();
    for (name, bodies) in [("requests", requests), ("answers", answers)] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/fuzz/samples/{name}.jsonl"));
        let written: String = bodies.into_iter().collect();
        if std::env::var("TEST_GOLDEN").is_ok_and(|word| word == "write") {
            std::fs::write(&file, &written).unwrap();
        }
        assert!(std::fs::read_to_string(&file).unwrap() == written, "{} is out of date", file.display());
    }
}
