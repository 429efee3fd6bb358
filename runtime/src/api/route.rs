//! A route: where it is, who may take it, and, read off the types of its handler, what goes in and comes out. So what is
//! served and what is told of it can not differ.

use super::App;
use super::asked::{Asked, Given, Told};
use super::audit::Audit;
use super::document::Document;
use super::problem::Problem;
use super::state::Key;
use super::stop::Peer;
use super::visitor::{Door, Visitor, let_in};
use crate::settings::{Role, Tokens};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::marker::PhantomData;

/// What is known of an operation from the types of its handler.
pub(super) struct Operation<'a> {
    /// The schemas of what comes out, by reference.
    pub(super) answers: &'a mut SchemaGenerator,
    /// The schemas of what goes in.
    pub(super) asks: &'a mut SchemaGenerator,
    /// An object schema whose properties are the parameters behind the question mark.
    pub(super) query: Option<Value>,
    pub(super) body: Option<Value>,
    /// The answer, by media type.
    pub(super) content: Map<String, Value>,
    pub(super) status: StatusCode,
}

/// A header that a request may have.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
}

/// A route.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// What it is called in the document and in the audit.
    pub(super) verb: &'static str,
    pub(super) about: &'static str,
    /// Which role it needs; none for what everybody may know.
    pub(super) needs: Option<Role>,
    /// The statuses of good answers, if not the one that the types tell.
    pub(super) statuses: &'static [u16],
    pub(super) headers: &'static [Header],
    pub(super) describe: fn(&mut Operation<'_>),
    handler: MethodRouter<App>,
}

impl Route {
    fn new<H: Handled<T>, T: 'static>(
        (method, filter): (Method, MethodFilter),
        (path, verb, about): (&'static str, &'static str, &'static str),
        handler: H,
    ) -> Self {
        let handler = on(filter, handler);
        let (statuses, headers) = (&[][..], &[][..]);
        Self { method, path, verb, about, needs: Some(Role::Viewer), statuses, headers, describe: H::describe, handler }
    }

    /// Something to be looked at, by every viewer.
    pub(super) fn get<H: Handled<T>, T: 'static>(
        path: &'static str,
        verb: &'static str,
        about: &'static str,
        handler: H,
    ) -> Self {
        Self::new((Method::GET, MethodFilter::GET), (path, verb, about), handler)
    }

    /// Something to be done, by who has the role.
    pub(super) fn post<H: Handled<T>, T: 'static>(
        needs: Role,
        path: &'static str,
        verb: &'static str,
        about: &'static str,
        handler: H,
    ) -> Self {
        Self::new((Method::POST, MethodFilter::POST), (path, verb, about), handler).needs(Some(needs))
    }

    pub(super) fn put<H: Handled<T>, T: 'static>(
        needs: Role,
        path: &'static str,
        verb: &'static str,
        about: &'static str,
        handler: H,
    ) -> Self {
        Self::new((Method::PUT, MethodFilter::PUT), (path, verb, about), handler).needs(Some(needs))
    }

    pub(super) fn delete<H: Handled<T>, T: 'static>(
        needs: Role,
        path: &'static str,
        verb: &'static str,
        about: &'static str,
        handler: H,
    ) -> Self {
        Self::new((Method::DELETE, MethodFilter::DELETE), (path, verb, about), handler).needs(Some(needs))
    }

    fn needs(self, needs: Option<Role>) -> Self {
        Self { needs, ..self }
    }

    /// The same for everybody.
    pub(super) fn open(self) -> Self {
        self.needs(None)
    }

    /// The same with these statuses of good answers.
    pub(super) fn statuses(self, statuses: &'static [u16]) -> Self {
        Self { statuses, ..self }
    }

    /// The same with these headers of a request.
    pub(super) fn headers(self, headers: &'static [Header]) -> Self {
        Self { headers, ..self }
    }

    /// Its path, and its handler behind its door.
    pub(super) fn behind(self, tokens: &Tokens, audit: &Audit) -> (&'static str, MethodRouter<App>) {
        let door = Door {
            tokens: tokens.clone(),
            audit: audit.clone(),
            verb: self.verb,
            needs: self.needs,
            is_change: self.method != Method::GET,
        };
        (self.path, self.handler.route_layer(middleware::from_fn_with_state(door, let_in)))
    }
}

/// A part of a request that a handler takes.
pub(super) trait Part {
    /// What there is to tell of it; nothing, of what the path or the table tells.
    fn describe(_: &mut Operation<'_>) {}
}

impl Part for State<App> {}
impl Part for HeaderMap {}
impl<T> Part for Path<T> {}
impl Part for Key {}
impl Part for Visitor {}
impl Part for Option<Extension<Peer>> {}

impl<T: JsonSchema> Part for Asked<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.query = Some(T::json_schema(operation.asks).to_value());
    }
}

impl<T: JsonSchema> Part for Told<T> {
    fn describe(operation: &mut Operation<'_>) {
        let schema = T::json_schema(operation.asks);
        operation.body = Some(json!({ "required": false, "content": { "application/json": { "schema": schema } } }));
    }
}

impl Part for Given {
    fn describe(operation: &mut Operation<'_>) {
        operation.body = Some(json!({ "required": true, "content": { "application/json": { "schema": {} } } }));
    }
}

impl Part for Document {
    fn describe(operation: &mut Operation<'_>) {
        let as_json = json!({ "schema": { "$ref": "#/components/schemas/Workflow" } });
        let as_text = json!({ "schema": { "type": "string", "description": "the same in this notation" } });
        let content = json!({
            "application/json": as_json, "application/yaml": as_text, "application/toml": as_text,
        });
        operation.body = Some(json!({ "required": true, "content": content }));
    }
}

/// What a handler answers.
pub(super) trait Answer {
    fn describe(operation: &mut Operation<'_>);
}

impl<T: JsonSchema> Answer for Json<T> {
    fn describe(operation: &mut Operation<'_>) {
        let schema = operation.answers.subschema_for::<T>();
        operation.content.insert("application/json".to_owned(), json!({ "schema": schema }));
    }
}

impl<T: Answer> Answer for ([(HeaderName, String); 1], T) {
    fn describe(operation: &mut Operation<'_>) {
        T::describe(operation);
    }
}

impl<T: Answer> Answer for (StatusCode, [(HeaderName, String); 1], T) {
    fn describe(operation: &mut Operation<'_>) {
        T::describe(operation);
    }
}

impl Answer for &'static str {
    fn describe(operation: &mut Operation<'_>) {
        operation.content.insert("text/plain".to_owned(), json!({ "schema": { "type": "string" } }));
    }
}

/// That something has begun.
pub(super) struct Accepted;

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        StatusCode::ACCEPTED.into_response()
    }
}

impl Answer for Accepted {
    fn describe(operation: &mut Operation<'_>) {
        operation.status = StatusCode::ACCEPTED;
    }
}

/// A page of something, or, for who accepts that, server-sent events with one of it each.
pub(super) struct PageOrStream<P>(Response, PhantomData<P>);

impl<P> PageOrStream<P> {
    pub(super) fn of(answer: impl IntoResponse) -> Self {
        Self(answer.into_response(), PhantomData)
    }
}

impl<P> IntoResponse for PageOrStream<P> {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<P: JsonSchema> Answer for PageOrStream<P> {
    fn describe(operation: &mut Operation<'_>) {
        <Json<P> as Answer>::describe(operation);
        operation.content.insert("text/event-stream".to_owned(), json!({ "schema": { "type": "string" } }));
    }
}

/// Bytes that are JSON and not looked into, with what is known of them.
pub(super) struct Raw(pub(super) bytes::Bytes);

impl IntoResponse for Raw {
    fn into_response(self) -> Response {
        ([(axum::http::header::CONTENT_TYPE, "application/json")], Body::from(self.0)).into_response()
    }
}

impl Answer for Raw {
    fn describe(operation: &mut Operation<'_>) {
        operation.content.insert("application/json".to_owned(), json!({ "schema": { "type": "object" } }));
    }
}

/// Of a refusal the document says the same everywhere.
impl<T: Answer> Answer for Result<T, Problem> {
    fn describe(operation: &mut Operation<'_>) {
        T::describe(operation);
    }
}

/// A handler that can be described.
pub(super) trait Handled<T>: Handler<T, App> {
    fn describe(operation: &mut Operation<'_>);
}

impl<F, Fut, R> Handled<((),)> for F
where
    F: Handler<((),), App> + Fn() -> Fut,
    Fut: Future<Output = R>,
    R: Answer,
{
    fn describe(operation: &mut Operation<'_>) {
        R::describe(operation);
    }
}

macro_rules! handled {
    ($($part:ident),+) => {
        impl<F, Fut, R, M, $($part),+> Handled<(M, $($part,)+)> for F
        where
            F: Handler<(M, $($part,)+), App> + Fn($($part),+) -> Fut,
            Fut: Future<Output = R>,
            R: Answer,
            $($part: Part,)+
        {
            fn describe(operation: &mut Operation<'_>) {
                $($part::describe(operation);)+
                R::describe(operation);
            }
        }
    };
}

handled!(A);
handled!(A, B);
handled!(A, B, C);
handled!(A, B, C, D);
handled!(A, B, C, D, E);
handled!(A, B, C, D, E, G);
