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
        ("DELETE /v1/runs", &[], "", 400, "CB1001"),
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
