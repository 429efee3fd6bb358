//! The document, held against the router and against what is answered.

use super::{ask, serving};
use crate::api::openapi::document;
use crate::api::router::table;
use crate::{Capability, Code, Ctx, Error, Json, JsonAgent, JsonTask, Pool, Result, Workflow};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;

const JSON: &str = "content-type: application/json";

/// Answers what it is asked, and fails at null.
struct Echo;

impl JsonAgent for Echo {
    async fn run(&mut self, _: &Ctx, task: JsonTask) -> Result<Json> {
        let is_null = task.input.as_str() == "null";
        if is_null { Err(Error::terminal("there is nothing to say")) } else { Ok(task.input) }
    }
}

/// Checks answers against the document.
struct Checked {
    address: SocketAddr,
    document: Value,
    seen: BTreeSet<(String, u16)>,
}

impl Checked {
    /// Asks, and holds the answer against what the document says of this operation.
    async fn ask(&mut self, verb: &str, line: &str, head: &[&str], body: &str) -> Value {
        let answer = ask(self.address, line, head, body).await;
        let paths = self.document["paths"].as_object().expect("paths");
        let operation =
            paths.values().flat_map(|path| path.as_object().into_iter().flatten()).map(|(_, operation)| operation);
        let operation = operation.into_iter().find(|operation| operation["operationId"] == verb).expect(verb);
        let exact = answer.status.to_string();
        let range = format!("{}XX", answer.status / 100);
        let responses = &operation["responses"];
        let response = responses.get(&exact).or(responses.get(&range)).unwrap_or_else(|| panic!("{verb}: {answer:?}"));
        let response = match response["$ref"].as_str() {
            Some(place) => self.document.pointer(&place[1..]).expect(place),
            None => response,
        };
        self.seen.insert((verb.to_owned(), answer.status));
        let kind = answer.head.lines().find_map(|line| line.strip_prefix("content-type: "));
        let Some(kind) = kind else {
            assert!(response.get("content").is_none() && answer.body.is_empty(), "{verb}: {answer:?}");
            return Value::Null;
        };
        let media = kind.split(';').next().unwrap_or_default();
        let schema = response["content"].get(media).unwrap_or_else(|| panic!("{verb}: {media} in {response}"));
        if !media.ends_with("json") {
            return Value::Null;
        }
        let answer = answer.json();
        let mut whole = json!({ "allOf": [schema["schema"]], "components": self.document["components"] });
        whole["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        let validator = jsonschema::validator_for(&whole).unwrap_or_else(|error| panic!("{verb}: {error}"));
        let faults: Vec<String> =
            validator.iter_errors(&answer).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(faults.is_empty(), "{verb}: {faults:#?} in {answer:#}");
        answer
    }
}

#[test]
fn every_route_is_in_the_document_and_every_code() {
    let document = document();
    let mut told = 0;
    for route in table() {
        let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
        assert_eq!(operation["operationId"], route.verb, "{}", route.path);
        assert_eq!(operation["x-callboard-role"].as_str(), route.needs.map(|role| role.as_str()), "{}", route.path);
        told += 1;
    }
    let operations = document["paths"].as_object().into_iter().flatten();
    let operations: usize = operations.map(|(_, path)| path.as_object().map_or(0, serde_json::Map::len)).sum();
    assert_eq!(told, operations, "one verb, one operation");
    let verbs: BTreeSet<&str> = table().iter().map(|route| route.verb).collect();
    assert_eq!(verbs.len(), told, "each has a verb of its own");
    let codes = document["components"]["schemas"]["Code"]["oneOf"].as_array().expect("codes");
    let codes: Vec<&str> = codes.iter().filter_map(|code| code["const"].as_str()).collect();
    assert_eq!(codes, Code::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>());
}

/// What the router has beside the table is nothing: whatever is there answers something else than that there is nothing.
#[tokio::test]
async fn what_is_in_the_document_is_served() -> Result<()> {
    let (board, address) = serving().await?;
    let served = ask(address, "GET /v1/openapi.json", &[], "").await.json();
    assert_eq!(served, document());
    for (path, operations) in served["paths"].as_object().expect("paths") {
        let concrete = path.replace(['{', '}'], "");
        let options = ask(address, &format!("OPTIONS {concrete}"), &[], "").await;
        assert_eq!((options.status, &options.json()["code"]), (405, &"CB1008".into()), "{path}: {options:?}");
        let allow = options.head.lines().find_map(|line| line.strip_prefix("allow: ")).expect("who is refused is told");
        let allowed: BTreeSet<String> =
            allow.split(',').map(str::to_lowercase).filter(|method| method != "head").collect();
        let told: BTreeSet<String> = operations.as_object().expect("operations").keys().cloned().collect();
        assert_eq!(allowed, told, "{path}");
    }
    board.shutdown().await
}

#[tokio::test]
async fn what_is_answered_is_as_the_document_says() -> Result<()> {
    let (board, address) = serving().await?;
    board.add(Pool::json(|| Echo).capability(Capability::new("echo").input_schema(Json::of(&json!({}))?))).await?;
    let document = document();
    let mut checked = Checked { address, document, seen: BTreeSet::new() };
    let workflow = r#"{"name":"w","labels":{"a":"b"},"tasks":{
        "a":{"capability":"nobody","requires":["gpu"]},"b":{"capability":"nobody","after":["a"],"input":{"x":1.50}}}}"#;
    let run = checked.ask("submit_run", "POST /v1/runs?strict=false", &[JSON, "idempotency-key: k"], workflow).await;
    let run = run["id"].as_str().expect("an id").to_owned();
    let of = |more: &str| format!("/v1/runs/{run}{more}");
    let absent = "/v1/runs/01a2227b-68ce-7632-88bc-b4df52f54bce";
    let gets = [
        ("list_runs", "/v1/runs?status=running,paused&limit=1&label=a:b".to_owned()),
        ("list_runs", "/v1/runs?limit=0".to_owned()),
        ("show_run", of("")),
        ("show_run", absent.to_owned()),
        ("list_tasks_of_run", of("/tasks?status=ready,blocked")),
        ("show_task", of("/tasks/a")),
        ("show_times", of("/time")),
        ("diff_runs", of(&format!("/diff/{run}"))),
        ("list_events_of_run", of("/events?type=submitted")),
        ("show_budget", of("/budget")),
        ("list_events", "/v1/events?limit=3&type=submitted,ended&workflow=w".to_owned()),
        ("list_events", "/v1/events?type=happened".to_owned()),
        ("list_events", "/v1/events?after=now".to_owned()),
        ("list_tasks", "/v1/tasks?status=ready".to_owned()),
        ("list_queues", "/v1/queues".to_owned()),
        ("list_dead_letters", "/v1/queues/dead".to_owned()),
        ("list_agents", "/v1/agents".to_owned()),
        ("show_agent", "/v1/agents/nobody".to_owned()),
        ("list_breakers", "/v1/breakers".to_owned()),
        ("show_breaker", "/v1/breakers/nobody".to_owned()),
        ("list_limits", "/v1/limits".to_owned()),
        ("list_locks", "/v1/locks".to_owned()),
        ("show_openapi", "/v1/openapi.json".to_owned()),
        ("show_metrics", "/metrics".to_owned()),
        ("show_health", "/healthz".to_owned()),
        ("show_readiness", "/readyz".to_owned()),
    ];
    for (verb, path) in gets {
        checked.ask(verb, &format!("GET {path}"), &[], "").await;
    }
    // One that has ended, well and otherwise.
    let ended = r#"{"name":"e","tasks":{"a":{"capability":"echo","input":7},"b":{"capability":"echo","input":null}}}"#;
    let done = board.start(Workflow::from_json(ended)?).await?;
    assert_eq!(done.outcome().await?, crate::RunOutcome::Failed);
    let of_done = [
        ("show_task", "/tasks/a"),
        ("show_task", "/tasks/b"),
        ("list_tasks_of_run", "/tasks"),
        ("list_events_of_run", "/events"),
        ("show_times", "/time"),
        ("show_run", ""),
    ];
    for (verb, more) in of_done {
        checked.ask(verb, &format!("GET /v1/runs/{}{more}", done.id()), &[], "").await;
    }
    checked.ask("diff_runs", &format!("GET /v1/runs/{run}/diff/{}", done.id()), &[], "").await;
    checked.ask("list_dead_letters", "GET /v1/queues/dead", &[], "").await;
    checked.ask("list_agents", "GET /v1/agents", &[], "").await;
    let stream = ask(address, &format!("GET {}", of("/events?speed=1e9")), &["accept: text/event-stream"], "").await;
    assert_eq!(stream.status, 200, "{stream:?}");
    let posts = [
        ("pause_run", of("/pause"), r#"{"reason":"lunch"}"#),
        ("resume_run", of("/resume"), ""),
        ("signal_run", of("/signal"), r#"{"name":"go","value":[1]}"#),
        ("signal_run", of("/signal"), "{"),
        ("approve_run", of("/approve"), r#"{"by":"ann"}"#),
        ("reject_run", of("/reject"), ""),
        ("top_up_budget", of("/budget"), r#"{"amount":"0.50usd, 10calls","by":"ann","key":"1"}"#),
        ("decide_effect", of("/tasks/a/decide"), r#"{"happened":true}"#),
        ("open_breaker", "/v1/breakers/nobody/open".to_owned(), ""),
        ("close_breaker", "/v1/breakers/nobody/close".to_owned(), ""),
        ("reset_breaker", "/v1/breakers/nobody/reset".to_owned(), ""),
        ("cancel_task", of("/tasks/b/cancel"), r#"{"reason":"enough"}"#),
        ("cancel_run", of("/cancel"), ""),
        ("retry_task", of("/tasks/a/retry"), r#"{"input":null}"#),
        ("cancel_run", of("/cancel"), ""),
        ("stop_node", "/v1/stop".to_owned(), ""),
    ];
    for (verb, path, body) in posts {
        checked.ask(verb, &format!("POST {path}"), &[JSON], body).await;
    }
    checked.ask("show_budget", &format!("GET {}", of("/budget")), &[], "").await;
    let put = "PUT /v1/state/a%2Fb?by=ann&label=ticket:7";
    checked.ask("put_state", put, &[JSON, "if-none-match: *"], "{}").await;
    checked.ask("put_state", put, &[JSON, "if-none-match: *"], "{}").await;
    checked.ask("put_state", put, &[JSON, "if-match: \"1\""], "[1]").await;
    checked.ask("show_state", "GET /v1/state/a%2Fb", &[], "").await;
    checked.ask("roll_back_state", "POST /v1/state/a%2Fb/rollback", &[JSON], r#"{"version":1}"#).await;
    checked.ask("list_state", "GET /v1/state?prefix=a", &[], "").await;
    checked.ask("delete_state", "DELETE /v1/state/a%2Fb", &["if-match: \"3\""], "").await;
    checked.ask("show_state", "GET /v1/state/a%2Fb", &[], "").await;
    checked.ask("list_versions", "GET /v1/state/a%2Fb/history", &[], "").await;
    checked.ask("show_log", "GET /v1/log", &[], "").await;
    checked.ask("set_log", "PUT /v1/log", &[JSON], r#"{"filter":"info"}"#).await;
    checked.ask("stop_node", "POST /v1/stop", &[JSON], r#"{"emergency":true}"#).await;
    let asked: BTreeSet<&str> = checked.seen.iter().map(|(verb, _)| verb.as_str()).collect();
    let left: Vec<&str> = table().iter().map(|route| route.verb).filter(|verb| !asked.contains(verb)).collect();
    assert_eq!(left, [""; 0], "every operation is asked for");
    board.ended().await;
    Ok(())
}
