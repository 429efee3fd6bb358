//! Whole requests, for `crate::fuzz`: through the router to a board without a folder.

use super::{App, router};
use crate::{Callboard, Settings, Workflow};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

/// After so many requests there is another board, so that what was submitted does not pile up.
const REQUESTS_MAX: u32 = 500;
/// Longer than any request may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// The longest answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A board, a run that waits on it for an agent, and the way in.
struct Served {
    runtime: Runtime,
    router: TowerToHyperService<Router>,
    run: String,
    requests: u32,
    _board: Callboard,
    _closing: watch::Sender<bool>,
}

impl Served {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime of one thread");
        let (board, run) = runtime.block_on(async {
            let board = Callboard::builder(Settings::default()).ephemeral().start().await.expect("a board");
            let yaml = "{name: w, labels: {env: test}, tasks: {a: {capability: x, input: {n: 1}}, b: {capability: x, after: [a]}}}";
            let workflow = Workflow::from_yaml(yaml).expect("a workflow");
            let run = board.start(workflow).await.expect("a run").id().to_string();
            (board, run)
        });
        let (close, closing) = watch::channel(false);
        let app = App {
            node: Arc::downgrade(&board.0),
            http: board.0.settings().http.clone(),
            audit: super::Audit::to_log(),
            address: ([127, 0, 0, 1], 7420).into(),
            streams: Arc::new(Semaphore::new(8)),
            closing,
        };
        let router = TowerToHyperService::new(router::router(app));
        Self { runtime, router, run, requests: 0, _board: board, _closing: close }
    }
}

/// What is kept to the end of its thread: by then nothing is left of what a runtime needs to end.
struct Kept(Option<Served>);

impl Drop for Kept {
    fn drop(&mut self) {
        std::mem::forget(self.0.take());
    }
}

/// A request: the method and the target on the first line, then headers, an empty line, the body. `RUN` stands for the id of
/// a run that is there.
pub(crate) fn request(bytes: &[u8]) {
    thread_local! {
        static SERVED: RefCell<Kept> = const { RefCell::new(Kept(None)) };
    }
    SERVED.with_borrow_mut(|Kept(slot)| {
        let served = slot.get_or_insert_with(Served::new);
        served.requests += 1;
        if let Some(request) = read(bytes, &served.run) {
            let router = &served.router;
            served.runtime.block_on(answered(router, request));
        }
        if served.requests >= REQUESTS_MAX {
            *slot = None;
        }
    });
}

fn read(bytes: &[u8], run: &str) -> Option<Request<Body>> {
    let split = bytes.windows(2).position(|two| two == b"\n\n").unwrap_or(bytes.len());
    let head = std::str::from_utf8(&bytes[..split]).ok()?.replace("RUN", run);
    let body = bytes.get(split + 2..).unwrap_or_default().to_vec();
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target).header(header::HOST, "localhost");
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    request.body(Body::from(body)).ok()
}

async fn answered(router: &TowerToHyperService<Router>, request: Request<Body>) {
    let is_head = request.method() == Method::HEAD;
    let asked = format!("{} {}", request.method(), request.uri());
    let Ok(Ok(answer)) = timeout(ANSWER_MAX, router.call(request)).await else { panic!("{asked}: no answer") };
    let (head, body) = answer.into_parts();
    let refused = [StatusCode::CONFLICT, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND, StatusCode::PRECONDITION_FAILED];
    if head.status.is_success() || refused.contains(&head.status) {
        crate::fuzz::understood();
    }
    if head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream") {
        return; // as long as the run
    }
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    let body = body.unwrap_or_else(|error| panic!("{asked}: {error}")).to_bytes();
    let said = String::from_utf8_lossy(&body[..body.len().min(2_000)]);
    let is_full = said.contains("live_tasks_max");
    assert!(!head.status.is_server_error() || is_full, "{asked}: {} {said}", head.status);
    let is_json = head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().ends_with(b"json"));
    assert!(is_head || !is_json || serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok(), "{asked}: {said}");
}

/// What is answered without a fault.
pub(crate) fn requests() -> Vec<Vec<u8>> {
    let yaml = "name: w\ntasks:\n  a: {capability: x, input: {n: 1}}\n";
    let json = "content-type: application/json";
    let texts = [
        format!("POST /v1/runs?strict=false\ncontent-type: application/yaml\nidempotency-key: order-42\n\n{yaml}"),
        format!("POST /v1/runs\n{json}\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n\n{{\"name\":\"w\",\"tasks\":{{\"a\":{{\"capability\":\"x\"}}}}}}"),
        "POST /v1/runs\ncontent-type: application/toml\n\nname='w'\ntasks.a.capability='x'".into(),
        "GET /v1/runs?status=running,paused&workflow=w&label=env:test&limit=10&after=r_1790000000000_1790000000001_RUN_0".into(),
        "GET /v1/runs?status=completed&after=a_1790000000000_1790000000001_0_1_5_3".into(),
        "GET /v1/runs/RUN".into(),
        "GET /v1/runs/RUN/tasks?status=ready&capability=x&limit=1000&after=0".into(),
        "GET /v1/runs/RUN/tasks/a".into(),
        "GET /v1/runs/RUN/tasks/1".into(),
        "GET /v1/runs/RUN/events?limit=5&after=1.0".into(),
        "GET /v1/runs/RUN/events\naccept: text/event-stream\nlast-event-id: 1\n\n".into(),
        format!("POST /v1/runs/RUN/pause\n{json}\n\n{{\"reason\":\"a person\"}}"),
        format!("POST /v1/runs/RUN/resume\n{json}\n\n"),
        format!("POST /v1/runs/RUN/signal\n{json}\n\n{{\"name\":\"go\",\"value\":[1]}}"),
        format!("POST /v1/runs/RUN/approve\n{json}\n\n{{\"by\":\"me\"}}"),
        "POST /v1/runs/RUN/reject".into(),
        "GET /v1/runs/RUN?at=2".into(),
        "GET /v1/runs/RUN/tasks?at=1.0&status=ready,blocked&limit=1".into(),
        "GET /v1/runs/RUN/tasks/b?at=1".into(),
        format!("POST /v1/runs/RUN/tasks/a/retry\n{json}\n\n{{\"input\":null}}"),
        format!("POST /v1/runs/RUN/tasks/a/cancel\n{json}\n\n{{\"reason\":\"enough\"}}"),
        format!("POST /v1/runs/RUN/tasks/a/decide\n{json}\n\n{{\"happened\":true,\"result\":7,\"by\":\"me\"}}"),
        "GET /v1/runs/RUN/events?type=submitted,ended&task=a".into(),
        "GET /v1/runs/RUN/events?speed=1e9\naccept: text/event-stream\n\n".into(),
        "GET /v1/runs/RUN/time".into(),
        "GET /v1/runs/RUN/diff/RUN".into(),
        "GET /v1/events?limit=5&after=0-1-0&type=ended,submitted&workflow=w&capability=x&run=RUN".into(),
        "GET /v1/events?after=now".into(),
        "GET /v1/events\naccept: text/event-stream\nlast-event-id: start\n\n".into(),
        "GET /v1/openapi.json".into(),
        "GET /v1/tasks?status=ready&capability=x&limit=2".into(),
        "GET /v1/queues".into(),
        "GET /v1/queues/dead?capability=x&workflow=w&limit=2".into(),
        "GET /v1/agents/dev.echo?node=n".into(),
        format!("POST /v1/stop\n{json}\n\n{{\"emergency\":true}}"),
        "GET /v1/agents".into(),
        "GET /v1/agents?capability=echo".into(),
        format!("PUT /v1/state/a%2Fb?by=me&label=ticket:7\n{json}\nif-none-match: *\n\n{{\"n\":1.50}}"),
        format!("PUT /v1/state/a%2Fb\n{json}\nif-match: \"1\"\n\n[]"),
        format!("PUT /v1/state/a%2Fb?overwrite=true\n{json}\n\nnull"),
        "GET /v1/state/a%2Fb?version=1".into(),
        "GET /v1/state/a%2Fb/history?limit=5&after=9".into(),
        format!("POST /v1/state/a%2Fb/rollback\n{json}\n\n{{\"version\":1,\"by\":\"me\"}}"),
        "DELETE /v1/state/a%2Fb\nif-match: \"1\"\n\n".into(),
        "DELETE /v1/state/a%2Fb?erase=true".into(),
        "GET /v1/state?prefix=a&limit=10&after=a".into(),
        "GET /v1/locks".into(),
        "GET /v1/log".into(),
        format!("PUT /v1/log\n{json}\n\n{{\"filter\":\"warn,callboard=debug\"}}"),
        "GET /readyz".into(),
    ];
    crate::fuzz::bytes_of(texts)
}
