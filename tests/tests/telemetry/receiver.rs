//! A receiver of OTLP, over gRPC or HTTP, and what it was sent.
#![expect(clippy::unwrap_used, reason = "a test that fails here may panic")]

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// A receiver on a port of its own.
pub(super) struct Receiver {
    pub(super) endpoint: String,
    seen: Seen,
    _server: JoinSet<()>,
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<(Vec<Span>, BTreeSet<String>)>>);

#[tonic::async_trait]
impl TraceService for Seen {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.take(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Seen {
    fn take(&self, request: ExportTraceServiceRequest) {
        let mut seen = self.0.lock().unwrap();
        for of_resource in request.resource_spans {
            let resource = of_resource.resource.unwrap_or_default();
            seen.1.extend(resource.attributes.into_iter().map(|all| format!("{}={}", all.key, text(all.value))));
            seen.0.extend(of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
}

fn text(value: Option<opentelemetry_proto::tonic::common::v1::AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(is)) => is.to_string(),
        other => format!("{other:?}"),
    }
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let endpoint = format!("http://{}", incoming.local_addr().unwrap());
        let seen = Seen::default();
        let served = Server::builder().add_service(TraceServiceServer::new(seen.clone()));
        let mut server = JoinSet::new();
        server.spawn(async move { served.serve_with_incoming(incoming).await.unwrap() });
        Self { endpoint, seen, _server: server }
    }

    /// One that speaks HTTP, at `/v1/traces` of its endpoint.
    pub(super) async fn over_http() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let seen = Seen::default();
        let theirs = seen.clone();
        let take = |body: Bytes| async move { theirs.take(ExportTraceServiceRequest::decode(body).unwrap()) };
        let served = axum::serve(listener, Router::new().route("/v1/traces", post(take)));
        let mut server = JoinSet::new();
        server.spawn(async move { served.await.unwrap() });
        Self { endpoint, seen, _server: server }
    }

    /// What programs have said of themselves.
    pub(super) fn resources(&self) -> BTreeSet<String> {
        self.seen.0.lock().unwrap().1.clone()
    }

    /// All spans, of whatever traces.
    pub(super) fn all(&self) -> Trace {
        Trace(self.seen.0.lock().unwrap().0.clone())
    }

    /// The spans of a run, and of what belongs to its trace.
    pub(super) fn trace_of(&self, run: impl std::fmt::Display) -> Trace {
        let Trace(all) = self.all();
        let run = run.to_string();
        let root = all.iter().find(|span| of(span, "callboard.run.id") == run).map(|span| span.trace_id.clone());
        Trace(all.into_iter().filter(|span| Some(&span.trace_id) == root.as_ref()).collect())
    }
}

/// An attribute of a span, empty if it has none.
pub(super) fn of(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().filter(|attribute| attribute.key == key);
    found.map(|attribute| text(attribute.value.clone())).collect::<Vec<_>>().join("|")
}

/// The spans of a trace.
pub(super) struct Trace(pub(super) Vec<Span>);

impl Trace {
    /// The names of the spans, in order of the letters.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|span| span.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// The span of this name, of which there is one.
    pub(super) fn one(&self, name: &str) -> &Span {
        let found = self.named(name);
        assert_eq!(found.len(), 1, "{name}: {}", self.drawn());
        found[0]
    }

    /// The spans of this name, the earliest first.
    pub(super) fn named(&self, name: &str) -> Vec<&Span> {
        let mut found: Vec<&Span> = self.0.iter().filter(|span| span.name == name).collect();
        found.sort_by_key(|span| span.start_time_unix_nano);
        found
    }

    /// The only span that has no parent here.
    pub(super) fn root(&self) -> &Span {
        let roots: Vec<&Span> = self.0.iter().filter(|span| self.parent(span).is_none()).collect();
        assert_eq!(roots.len(), 1, "one span hangs on nothing: {}", self.drawn());
        let ids: BTreeSet<&[u8]> = self.0.iter().map(|span| &*span.span_id).collect();
        assert_eq!(ids.len(), self.0.len(), "no id is there twice: {}", self.drawn());
        roots[0]
    }

    pub(super) fn parent(&self, of: &Span) -> Option<&Span> {
        self.0.iter().find(|span| span.span_id == of.parent_span_id)
    }

    /// As a tree, for people.
    pub(super) fn drawn(&self) -> String {
        let mut drawn = String::new();
        let mut tops: Vec<&Span> = self.0.iter().filter(|span| self.parent(span).is_none()).collect();
        tops.sort_by_key(|span| span.start_time_unix_nano);
        tops.into_iter().for_each(|top| self.draw(top, 0, &mut drawn));
        drawn
    }

    fn draw(&self, span: &Span, depth: usize, drawn: &mut String) {
        let (attempt, outcome) = (of(span, "callboard.attempt"), of(span, "callboard.outcome"));
        drawn.push_str(&format!("\n{}{} {attempt} {outcome}", "    ".repeat(depth), span.name));
        if depth > 20 {
            return;
        }
        let mut below: Vec<&Span> = self.0.iter().filter(|child| child.parent_span_id == span.span_id).collect();
        below.sort_by_key(|span| span.start_time_unix_nano);
        below.into_iter().for_each(|child| self.draw(child, depth + 1, drawn));
    }
}
