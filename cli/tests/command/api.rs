//! The HTTP API, byte by byte: what a program in another language meets.

use super::node::Node;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn connect(node: &Node) -> TcpStream {
    let stream = TcpStream::connect(&node.address).expect("it listens");
    // Whoever waits for what never comes has found a fault.
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket has one");
    stream
}

/// Sends a request with these further lines in its head, and reads the whole answer.
fn ask(node: &Node, line: &str, head: &[&str], body: &str) -> Answer {
    let host = format!("host: {}", node.address);
    let host = if head.iter().any(|line| line.starts_with("host: ")) { "x-none: 1" } else { &host };
    let (more, length) = (head.join("\r\n"), body.len());
    let more = if more.is_empty() { String::new() } else { more + "\r\n" };
    let mut stream = connect(node);
    let request =
        format!("{line} HTTP/1.1\r\n{host}\r\nconnection: close\r\n{more}content-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

const JSON: &str = "content-type: application/json";
const ECHO: &str = r#"{"name":"w","tasks":{"a":{"capability":"echo","input":7}}}"#;

#[test]
fn a_run_is_submitted_shown_and_followed() {
    let node = Node::dev(["--ephemeral"]);
    let keyed = || ask(&node, "POST /v1/runs", &[JSON, "idempotency-key: k"], ECHO);
    let (first, again) = (keyed(), keyed());
    assert_eq!((first.status, again.status), (201, 201), "{first:?}");
    let run = first.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(again.json()["id"], run.as_str(), "one key, one run");
    assert!(first.head.contains(&format!("location: /v1/runs/{run}")), "{first:?}");

    // The stream ends with the run.
    let path = format!("GET /v1/runs/{run}/events");
    let stream = ask(&node, &path, &["accept: text/event-stream"], "");
    assert!(stream.head.contains("content-type: text/event-stream"), "{stream:?}");
    let of = |name: &str, text: &str| -> Vec<String> {
        text.lines().filter_map(|line| Some(line.strip_prefix(name)?.to_owned())).collect()
    };
    assert_eq!(of("event: ", &stream.body), ["submitted", "started", "completed", "ended"]);
    let positions = of("id: ", &stream.body);
    let taken_up = [format!("last-event-id: {}", positions[1]), "accept: text/event-stream".to_owned()];
    let rest = ask(&node, &path, &taken_up.each_ref().map(String::as_str), "");
    assert_eq!(of("id: ", &rest.body), positions[2..]);

    // The same in pages.
    let page = ask(&node, &format!("{path}?limit=3"), &[], "").json();
    assert_eq!((page["items"].as_array().map(Vec::len), &page["next"]), (Some(3), &positions[2].as_str().into()));
    let last = ask(&node, &format!("{path}?after={}", positions[2]), &[], "").json();
    assert_eq!((&last["items"][0]["type"], &last["next"]), (&"ended".into(), &Value::Null));

    let task = ask(&node, &format!("GET /v1/runs/{run}/tasks/0"), &[], "").json();
    assert_eq!((&task["name"], &task["output"]), (&"a".into(), &7.into()));
    assert_eq!(ask(&node, "GET /v1/runs?status=completed,failed", &[], "").json()["items"][0]["id"], run.as_str());
    assert_eq!(ask(&node, "GET /v1/agents", &[], "").json()["items"].as_array().map(Vec::len), Some(3));
    assert_eq!((ask(&node, "GET /healthz", &[], "").status, ask(&node, "GET /readyz", &[], "").status), (200, 200));
}

/// The members of that name of a stream, one after the other.
fn of(name: &str, text: &str) -> Vec<String> {
    text.lines().filter_map(|line| Some(line.strip_prefix(name)?.to_owned())).collect()
}

/// Follows the events of all runs from `after` on until one says this, and hangs up; gives what was told, and where to go on.
fn follow_all(node: &Node, after: Option<&str>, until: &str) -> (Vec<String>, String) {
    let mut stream = BufReader::new(connect(node));
    let last = after.map_or_else(String::new, |after| format!("last-event-id: {after}\r\n"));
    let host = &node.address;
    let head = format!("GET /v1/events HTTP/1.1\r\nhost: {host}\r\naccept: text/event-stream\r\n{last}\r\n");
    stream.get_mut().write_all(head.as_bytes()).expect("it reads");
    let (mut told, mut position) = (Vec::new(), String::new());
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).expect("it goes on") > 0, "it ended before {until:?}: {told:?}");
        told.extend(of("data: ", &line).into_iter().map(|data| {
            let event: Value = serde_json::from_str(&data).expect("JSON");
            format!("{} {}", event["run"], event["text"])
        }));
        // An event is there when the line behind it is.
        if let Some(id) = of("id: ", &line).pop() {
            position = id;
        }
        if (line == "\r\n" || line == "\n") && told.last().is_some_and(|last| last.contains(until)) {
            return (told, position);
        }
    }
}

/// Nothing is lost and nothing told twice, though the client hangs up and the node is killed.
#[test]
fn what_happens_to_all_runs_is_taken_up_where_it_was_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = || Node::dev([std::ffi::OsStr::new("--data"), folder.path().as_os_str()]);
    let submit = |node: &Node, name: &str| {
        let run = ask(node, "POST /v1/runs", &[JSON], &ECHO.replace("\"w\"", &format!("\"{name}\""))).json();
        run["id"].as_str().expect("an id").to_owned()
    };
    let node = start();
    let mut runs = vec![submit(&node, "one")];
    let (mut told, position) = follow_all(&node, None, "one ended");
    runs.push(submit(&node, "two"));
    let (more, position) = follow_all(&node, Some(&position), "two: a started");
    told.extend(more);
    node.kill();
    let node = start();
    runs.push(submit(&node, "three"));
    let (more, position) = follow_all(&node, Some(&position), "three ended");
    told.extend(more);
    let mut expected = Vec::new();
    for run in &runs {
        let events = ask(&node, &format!("GET /v1/runs/{run}/events"), &[], "").json();
        let events = events["items"].as_array().expect("a list").iter();
        expected.extend(events.map(|event| format!("{:?} {}", run, event["text"])));
    }
    let sorted = |mut told: Vec<String>| {
        told.sort_unstable();
        told
    };
    assert_eq!(sorted(told), sorted(expected));

    // The same in pages; nothing is behind the last.
    let page = ask(&node, "GET /v1/events?type=ended&limit=2", &[], "").json();
    let names = |page: &Value| -> Vec<String> {
        page["items"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|event| Some(event["workflow"].as_str()?.to_owned()))
            .collect()
    };
    assert_eq!(names(&page).len(), 2);
    let rest =
        ask(&node, &format!("GET /v1/events?type=ended&after={}", page["next"].as_str().expect("a place")), &[], "")
            .json();
    assert_eq!(names(&rest).len(), 1);
    let behind = ask(&node, &format!("GET /v1/events?after={position}"), &[], "").json();
    assert_eq!(names(&behind), [""; 0]);
    let now = ask(&node, "GET /v1/events?after=now&limit=1", &[], "").json();
    assert!(names(&now).is_empty() && now["next"].is_string(), "{now}");
    let cases = [
        "/v1/events?type=happened",
        "/v1/events?after=x",
        "/v1/events?run=x",
        "/v1/events?limit=0",
        "/v1/events?typ=ended",
    ];
    for wrong in cases {
        let answer = ask(&node, &format!("GET {wrong}"), &[], "");
        assert_eq!((answer.status, &answer.json()["code"]), (400, &"CB1001".into()), "{wrong}");
    }
}

/// The command follows all runs, and says where to go on when the node goes.
#[test]
fn the_command_follows_all_runs() {
    let node = Node::dev(["--ephemeral"]);
    ask(&node, "POST /v1/runs", &[JSON], ECHO);
    let mut tail =
        node.command(["events", "tail", "--after", "start", "--type", "ended", "--capability", "x", "-o", "jsonl"]);
    let mut all = node.command(["events", "tail", "--after", "start", "--workflow", "w", "-o", "table"]);
    all.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = all.spawn().expect("it starts");
    let mut child = (child, String::new());
    let mut lines = BufReader::new(child.0.stdout.take().expect("it is piped"));
    while !child.1.contains("w ended: completed") {
        assert!(lines.read_line(&mut child.1).expect("it writes") > 0, "{}", child.1);
    }
    assert_eq!(child.1.lines().count(), 4, "{}", child.1);
    // What is not wanted is not shown.
    tail.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let quiet = tail.spawn().expect("it starts");
    let stopping = node.ask(["stop", "--emergency"]);
    assert_eq!(stopping.code, Some(0), "{stopping:?}");
    let ended = child.0.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(4), "{said}");
    assert!(said.contains("  try:  callboard events tail --after 0-"), "{said}");
    let quiet = quiet.wait_with_output().expect("it ends");
    assert_eq!((quiet.status.code(), quiet.stdout.len()), (Some(4), 0), "{quiet:?}");
}

#[test]
fn a_run_is_paused_resumed_signalled_and_answered() {
    let node = Node::dev(["--ephemeral"]);
    let waits = r#"{"name":"w","tasks":{"a":{"capability":"nobody"}}}"#;
    let run = ask(&node, "POST /v1/runs", &[JSON], waits).json();
    let path = format!("/v1/runs/{}", run["id"].as_str().expect("an id"));
    let tell = |verb: &str, body: &str| ask(&node, &format!("POST {path}/{verb}"), &[JSON], body);
    let paused = tell("pause", r#"{"reason":"lunch"}"#).json();
    assert_eq!((&paused["status"], &paused["reason"]), (&"paused".into(), &"lunch".into()));
    assert_eq!(tell("resume", "").json()["status"], "running");
    assert_eq!(tell("signal", r#"{"name":"go","value":1.50}"#).status, 200);
    assert_eq!(tell("signal", r#"{"nmae":"go"}"#).json()["code"], "CB1001");
    assert_eq!(tell("approve", r#"{"by":"ann"}"#).status, 200, "the next that is asked for");
    let events = ask(&node, &format!("GET {path}/events"), &[], "").json();
    let kinds: Vec<&str> =
        events["items"].as_array().expect("a list").iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(kinds, ["submitted", "paused", "resumed", "signalled", "answered"]);
    assert_ne!(events["next"], Value::Null, "it goes on");
    assert_eq!(tell("cancel", "").json()["status"], "cancelled");
    assert_eq!(tell("cancel", "").json()["code"], "CB2002", "it has ended");
}

#[test]
fn what_is_wrong_is_a_problem_with_a_code() {
    let node = Node::dev(["--ephemeral", "--set", "http.body_bytes_max=1KiB"]);
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(1_024));
    let yaml = "content-type: application/yaml; charset=utf-8";
    let absent = "GET /v1/runs/01a2227b-68ce-7632-88bc-b4df52f54bce";
    let cases: &[(&str, &[&str], &str, u16, &str)] = &[
        ("POST /v1/runs", &[JSON], "{", 422, "CB1002"),
        ("POST /v1/runs", &[yaml], "name: w\ntasks: {a: {}}", 422, "CB1002"),
        ("POST /v1/runs", &["content-type: text/plain"], ECHO, 415, "CB1005"),
        ("POST /v1/runs", &[], ECHO, 415, "CB1005"),
        ("POST /v1/runs", &[JSON], &long, 413, "CB1004"),
        ("POST /v1/runs?strict=perhaps", &[JSON], ECHO, 400, "CB1001"),
        ("GET /v1/runs?limit=0", &[], "", 400, "CB1001"),
        ("GET /v1/runs?status=happy", &[], "", 400, "CB1001"),
        ("GET /v1/runs?sttus=failed", &[], "", 400, "CB1001"),
        ("GET /v1/runs?after=x", &[], "", 400, "CB1001"),
        ("GET /v1/runs/x", &[], "", 400, "CB1001"),
        (absent, &[], "", 404, "CB2001"),
        (&format!("{absent}/events"), &[], "", 404, "CB2001"),
        (&format!("{absent}/events"), &["accept: text/event-stream"], "", 404, "CB2001"),
        ("GET /v2", &[], "", 404, "CB2001"),
        ("DELETE /v1/runs", &[], "", 405, "CB1008"),
        ("GET /v1/runs", &["origin: http://evil.example"], "", 403, "CB3005"),
        ("GET /v1/runs", &["host: evil.example"], "", 403, "CB3005"),
    ];
    for (line, head, body, status, code) in cases {
        let answer = ask(&node, line, head, body);
        assert_eq!(answer.status, *status, "{line}: {answer:?}");
        assert!(answer.head.contains("content-type: application/problem+json"), "{line}: {answer:?}");
        let problem = answer.json();
        assert_eq!((&problem["code"], &problem["status"]), (&(*code).into(), &(*status).into()), "{line}");
        assert!(problem["detail"].is_string() && problem["try"].is_string(), "{problem}");
    }
}

#[test]
fn a_document_is_written_read_and_kept_by_its_versions() {
    let node = Node::dev(["--ephemeral", "--set", "http.body_bytes_max=32MiB"]);
    // "visits/2026 é"
    let path = "/v1/state/visits%2F2026%20%C3%A9";
    let get = |more: &str| ask(&node, &format!("GET {path}{more}"), &[], "");
    let put = |more: &str, head: &[&str], body: &str| {
        ask(&node, &format!("PUT {path}{more}"), &[&[JSON], head].concat(), body)
    };
    let problem = |answer: Answer, status: u16, code: &str| {
        let problem = answer.json();
        assert_eq!((answer.status, &problem["code"]), (status, &code.into()), "{answer:?}");
        problem
    };
    let absent = problem(get(""), 404, "CB2001");
    assert_eq!(absent["detail"], "there is no document \"visits/2026 é\"");

    // It is told on what a write rests.
    let refused = problem(put("", &[], "1"), 428, "CB1007");
    assert_eq!(refused["try"], "callboard state show \"visits/2026 é\"");
    let new = put("?by=ann&label=ticket:7", &["if-none-match: *"], "{\"count\": 1.50}");
    assert_eq!((new.status, new.body.as_str()), (201, r#"{"key":"visits/2026 é","version":1}"#));
    assert!(new.head.contains("etag: \"1\""), "{new:?}");
    let second = put("", &["if-match: \"1\""], "{\"count\":2}");
    assert_eq!((second.status, &second.json()["version"]), (200, &2.into()));
    for (head, expected) in [("if-match: \"1\"", 1), ("if-none-match: *", 0), ("if-match: \"7\"", 7)] {
        let conflict = problem(put("", &[head], "{}"), 412, "CB2003");
        assert_eq!((&conflict["expected"], &conflict["found"]), (&expected.into(), &2.into()), "{conflict}");
        let detail = conflict["detail"].as_str().expect("words");
        assert!(detail.contains("is at version 2, by api, on node "), "{detail}");
    }
    let third = put("?overwrite=true", &[], "null");
    assert_eq!((third.status, &third.json()["version"]), (200, &3.into()));
    let faulty: [(&str, &[&str], &str); 7] = [
        ("", &["if-match: *"], "1"),
        ("", &["if-match: \"0\""], "1"),
        ("", &["if-match: 3"], "1"),
        ("", &["if-match: \"3\"", "if-none-match: *"], "1"),
        ("?overwrite=true", &["if-match: \"3\""], "1"),
        ("?over=true", &["if-match: \"3\""], "1"),
        ("", &["if-match: \"3\""], ""),
    ];
    for (more, head, body) in faulty {
        problem(put(more, head, body), 400, "CB1001");
    }
    let long = format!("\"{}\"", "x".repeat(16 << 20));
    let refused = problem(put("", &["if-match: \"3\""], &long), 413, "CB1004");
    assert_eq!(refused["detail"], "the value of document \"visits/2026 é\" has 16777218 bytes, 16777216 are allowed");

    // It is read, also as it was.
    let newest = get("");
    assert!(newest.head.contains("etag: \"3\""), "{newest:?}");
    let newest = newest.json();
    assert_eq!((&newest["version"], &newest["value"]), (&3.into(), &Value::Null), "{newest}");
    assert!(newest.get("value").is_some() && newest["node"].is_string(), "{newest}");
    let first = get("?version=1");
    assert!(first.body.ends_with(r#""value":{"count": 1.50}}"#), "as it was written: {first:?}");
    assert_eq!(first.json()["by"].to_string(), r#"[{"labels":{"ticket":"7"},"name":"ann"}]"#);
    problem(get("?version=4"), 404, "CB2001");
    problem(get("?version=x"), 400, "CB1001");

    // It is rolled back, deleted and erased.
    let roll_back =
        |head: &[&str], body: &str| ask(&node, &format!("POST {path}/rollback"), &[&[JSON], head].concat(), body);
    assert_eq!(roll_back(&[], r#"{"version":1,"by":"ben"}"#).json()["version"], 4);
    problem(roll_back(&["if-match: \"3\""], r#"{"version":2}"#), 412, "CB2003");
    assert_eq!(roll_back(&["if-match: \"4\""], r#"{"version":2}"#).json()["version"], 5);
    problem(roll_back(&[], r#"{"version":9}"#), 404, "CB2001");
    problem(roll_back(&[], ""), 400, "CB1001");
    let delete = |more: &str, head: &[&str]| ask(&node, &format!("DELETE {path}{more}"), head, "");
    problem(delete("", &[]), 428, "CB1007");
    problem(delete("", &["if-match: \"4\""]), 412, "CB2003");
    problem(delete("", &["if-none-match: *"]), 400, "CB1001");
    problem(delete("?erase=true", &["if-match: \"5\""]), 400, "CB1001");
    assert_eq!(delete("?by=ann", &["if-match: \"5\""]).json()["version"], 6);
    let deleted = problem(get(""), 404, "CB2001");
    assert_eq!(deleted["deleted_in"], 6);
    assert!(
        deleted["detail"].as_str().is_some_and(|said| said.contains("was deleted in version 6, by ann")),
        "{deleted}"
    );
    assert_eq!(get("?version=5").json()["value"]["count"], 2);

    // What there was, in pages, the latest first.
    let page = get("/history?limit=2").json();
    assert_eq!((&page["next"], &page["items"][0]["is_deleted"]), (&"5".into(), &true.into()), "{page}");
    assert_eq!((&page["items"][1]["version"], &page["items"][1]["bytes"]), (&5.into(), &11.into()), "{page}");
    let rest = get("/history?after=5").json();
    let versions: Vec<_> =
        rest["items"].as_array().expect("a list").iter().filter_map(|item| item["version"].as_u64()).collect();
    assert_eq!((versions, &rest["next"]), (vec![4, 3, 2, 1], &Value::Null), "{rest}");
    let erased = delete("?erase=true", &[]);
    assert_eq!((erased.status, &erased.json()["version"]), (200, &22.into()), "{erased:?}");
    problem(get("?version=5"), 404, "CB2001");
    assert_eq!(get("/history").json()["items"].as_array().map(Vec::len), Some(16), "each says that it is deleted");
    assert_eq!(put("", &["if-none-match: *"], "1").json()["version"], 23);
}

#[test]
fn keys_are_listed_in_pages_and_are_one_part_of_a_path() {
    let node = Node::dev(["--ephemeral"]);
    for key in ["a", "b%2F1", "b%2F2", "b%2F3", "%25%20%0A%3F%F0%9F%A6%80"] {
        let put = ask(&node, &format!("PUT /v1/state/{key}?overwrite=true"), &[JSON], "1");
        assert_eq!(put.status, 201, "{key}: {put:?}");
    }
    let list = |more: &str| ask(&node, &format!("GET /v1/state{more}"), &[], "");
    let page = list("?prefix=b/&limit=2").body;
    assert_eq!(page, r#"{"items":[{"key":"b/1","version":1},{"key":"b/2","version":1}],"next":"b/2"}"#);
    assert_eq!(list("?prefix=b/&after=b/2").body, r#"{"items":[{"key":"b/3","version":1}],"next":null}"#);
    let all = list("").json();
    assert_eq!((&all["items"][0]["key"], all["items"].as_array().map(Vec::len)), (&"% \n?🦀".into(), Some(5)), "{all}");
    let long = "x".repeat(129);
    let cases = [
        ("GET /v1/state?limit=0".to_owned(), 400, "limit of a page is 1 to 1000"),
        ("GET /v1/state/%FF".to_owned(), 400, "UTF-8"),
        (format!("GET /v1/state/{long}"), 400, "has 1 to 128 bytes, not 129"),
        ("GET /v1/state/b/1".to_owned(), 404, "is written %2F"),
        ("GET /v1/state/none/history".to_owned(), 404, "there is no document"),
        ("DELETE /v1/state/none?erase=true".to_owned(), 404, "there is no document"),
        ("POST /v1/state/a".to_owned(), 405, "is no way to ask"),
    ];
    for (line, status, words) in cases {
        let answer = ask(&node, &line, &[], "");
        let detail = answer.json()["detail"].as_str().map(str::to_owned).expect("words");
        assert!(answer.status == status && detail.contains(words), "{line}: {answer:?}");
    }
}

#[test]
fn silent_and_numerous_clients_have_limits() {
    let node = Node::dev(["--ephemeral", "--set", "http.header_timeout=100ms", "--set", "http.connections_max=2"]);
    // Whoever never ends the head of a request is hung up on, before or after a request.
    let mut silent = connect(&node);
    silent.write_all(b"GET /healthz HTTP/1.1\r\nhost: ").expect("it reads");
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).expect("it hangs up");
    let mut idle = connect(&node);
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("it reads");
    idle.read_to_end(&mut rest).expect("it hangs up");
    assert!(String::from_utf8_lossy(&rest).contains("HTTP/1.1 200 OK"));

    // One of two connections may follow events; the other is for the rest.
    let waits = r#"{"name":"w","tasks":{"a":{"capability":"nobody"}}}"#;
    let run = ask(&node, "POST /v1/runs", &[JSON], waits).json();
    let path = format!("GET /v1/runs/{}/events", run["id"].as_str().expect("an id"));
    let mut follows = connect(&node);
    let request = format!("{path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n");
    follows.write_all(request.as_bytes()).expect("it reads");
    let mut line = String::new();
    BufReader::new(&follows).read_line(&mut line).expect("it answers");
    assert!(line.contains("200 OK"), "{line}");
    let second = ask(&node, &path, &["accept: text/event-stream"], "");
    assert_eq!((second.status, &second.json()["code"]), (503, &"CB3010".into()), "{second:?}");
    assert_eq!(ask(&node, "GET /healthz", &[], "").status, 200);
    node.terminate();
    assert_eq!(node.ended().code(), Some(0), "an open stream keeps nobody");
}

/// Where a child of [`three_processes_count_right`] counts.
const COUNTS_AT: &str = "TEST_COUNTS_AT";

/// How often: `TEST_COUNTS`, 250 by default.
fn counts() -> u64 {
    std::env::var("TEST_COUNTS").map_or(250, |said| said.parse().expect("a number"))
}

/// Three processes update one document of a node on a folder, each as a program in another language would: it reads, and writes
/// with the version that it has read, until nobody was faster.
#[test]
fn three_processes_count_right() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = Node::dev([std::ffi::OsStr::new("--data"), folder.path().as_os_str()]);
    let us = std::env::current_exe().expect("a program");
    let child = || {
        let mut child = std::process::Command::new(&us);
        child.args(["--exact", "api::a_process_counts"]).env(COUNTS_AT, &node.address);
        child.stdout(std::process::Stdio::null()).spawn().expect("it starts")
    };
    let mut children = [child(), child(), child()];
    for child in &mut children {
        assert!(child.wait().expect("it ends").success());
    }
    let answer = ask(&node, "GET /v1/state/count", &[], "").json();
    assert_eq!((&answer["value"], &answer["version"]), (&(3 * counts()).into(), &(3 * counts()).into()));
}

/// What a child does; nothing, unless it is told where.
#[test]
fn a_process_counts() {
    let Ok(address) = std::env::var(COUNTS_AT) else { return };
    let mut stream = BufReader::new(TcpStream::connect(&address).expect("it listens"));
    let mut ask = |line: &str, head: &str, body: &str| {
        let length = body.len();
        let request = format!("{line} HTTP/1.1\r\nhost: {address}\r\n{head}content-length: {length}\r\n\r\n{body}");
        stream.get_mut().write_all(request.as_bytes()).expect("it reads");
        let (mut status, mut length, mut etag) = (0_u16, 0, String::new());
        for n in 0.. {
            let mut line = String::new();
            stream.read_line(&mut line).expect("it answers");
            let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
            match name {
                _ if n == 0 => status = line.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status"),
                "content-length" => length = value.parse().expect("a number"),
                "etag" => value.clone_into(&mut etag),
                _ => {}
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).expect("a body");
        (status, etag, String::from_utf8(body).expect("UTF-8"))
    };
    for _ in 0..counts() {
        loop {
            let (found, etag, body) = ask("GET /v1/state/count", "", "");
            let (head, count) = match found {
                404 => ("if-none-match: *\r\n".to_owned(), 0),
                _ => {
                    let told: Value = serde_json::from_str(&body).expect("JSON");
                    (format!("if-match: {etag}\r\n"), told["value"].as_u64().expect("a count"))
                }
            };
            let head = format!("{head}{JSON}\r\n");
            let (written, ..) = ask("PUT /v1/state/count", &head, &(count + 1).to_string());
            match written {
                200 | 201 => break,
                412 => {} // somebody was faster
                other => panic!("{other}"),
            }
        }
    }
}
