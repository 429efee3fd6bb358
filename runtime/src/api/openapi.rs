//! The description of the API, OpenAPI 3.1, written from the table of routes and the types of their handlers.

use super::code::Code;
use super::problem;
use super::route::{Operation, Raw, Route};
use super::router::table;
use axum::http::StatusCode;
use bytes::Bytes;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::sync::OnceLock;

/// What there is to say first.
const ABOUT: &str = "Runs, tasks, agents and documents of a Callboard name space, asked and steered. A list is a page: `items`, \
and `next`, which is given back as `after` until it is null. Errors are problem documents (RFC 9457) with a code.";

/// The document.
pub(super) async fn show() -> Raw {
    static WRITTEN: OnceLock<Bytes> = OnceLock::new();
    let write = || Bytes::from(serde_json::to_vec(&document()).unwrap_or_default());
    Raw(WRITTEN.get_or_init(write).clone())
}

/// The same as a value.
pub(super) fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.definitions_path = "/components/schemas".into();
    });
    let mut answers = settings.clone().for_serialize().into_generator();
    let inline = |settings: &mut SchemaSettings| settings.inline_subschemas = true;
    let mut asks = settings.for_deserialize().with(inline).into_generator();
    let problem = answers.subschema_for::<problem::Document<'static>>();
    let mut paths: Map<String, Value> = Map::new();
    for route in table() {
        let operation = operation(&route, &mut answers, &mut asks);
        // OpenAPI knows no path that is the rest.
        let path = paths.entry(route.path.to_owned()).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation;
    }
    let mut schemas = answers.take_definitions(true);
    schemas.insert("Workflow".to_owned(), workflow());
    let refusal = json!({
        "description": "refused, or failed: a problem document",
        "content": { "application/problem+json": { "schema": problem } },
    });
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Callboard", "version": env!("CARGO_PKG_VERSION"), "summary": "the HTTP API of a node", "description": ABOUT },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": { "Problem": refusal },
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "the secret of a token of `http.tokens`; a node without tokens needs none" },
            },
        },
    })
}

fn operation(route: &Route, answers: &mut SchemaGenerator, asks: &mut SchemaGenerator) -> Value {
    let (query, body, content) = (None, None, Map::new());
    let mut told = Operation { answers, asks, query, body, content, status: StatusCode::OK };
    (route.describe)(&mut told);
    let Operation { query, body, content, status, .. } = told;
    let parameters: Vec<Value> = in_path(route.path).chain(query.iter().flat_map(in_query)).collect();
    let headers = route.headers.iter().map(|header| {
        json!({ "name": header.name, "in": "header", "description": header.about, "schema": { "type": "string" } })
    });
    let parameters: Vec<Value> = parameters.into_iter().chain(headers).collect();
    let typed = [status.as_u16()];
    let statuses = if route.statuses.is_empty() { &typed[..] } else { route.statuses };
    let mut responses: Map<String, Value> = Map::new();
    for status in statuses {
        let reason = StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason());
        let mut response = json!({ "description": reason.unwrap_or("done") });
        if !content.is_empty() {
            response["content"] = Value::Object(content.clone());
        }
        responses.insert(status.to_string(), response);
    }
    for range in ["4XX", "5XX"] {
        responses.insert(range.to_owned(), json!({ "$ref": "#/components/responses/Problem" }));
    }
    let mut operation = json!({
        "operationId": route.verb,
        "summary": route.about,
        "tags": [tag(route.path)],
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = body {
        operation["requestBody"] = body;
    }
    if let Some(role) = route.needs {
        operation["security"] = json!([{}, { "token": [] }]);
        operation["x-callboard-role"] = json!(role.as_str());
    }
    operation
}

/// Of what a path is about: the first noun in it.
fn tag(path: &str) -> &str {
    let noun = path.strip_prefix("/v1/").unwrap_or("node").split('/').next().unwrap_or_default();
    if matches!(noun, "stop" | "openapi.json") { "node" } else { noun }
}

/// The parameters in a path.
fn in_path(path: &str) -> impl Iterator<Item = Value> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(|name| {
        let schema = match name {
            "run" | "other" => json!({ "type": "string", "format": "uuid" }),
            "key" => json!({ "type": "string", "minLength": 1, "maxLength": 128, "description": "a slash in it is %2F" }),
            "task" => json!({ "type": "string", "minLength": 1, "description": "its name, or its index" }),
            _ => json!({ "type": "string", "minLength": 1 }),
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    })
}

/// The parameters that the properties of a schema are.
fn in_query(schema: &Value) -> Vec<Value> {
    let required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|is| is == name));
    let properties = schema["properties"].as_object().into_iter().flatten();
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = schema.clone();
        let about = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        present(&mut schema);
        let is_list = schema["type"] == "array";
        let mut parameter = json!({ "name": name, "in": "query", "required": required(name), "schema": schema });
        if let Some(about) = about {
            parameter["description"] = about;
        }
        if is_list {
            parameter["style"] = json!("form");
            parameter["explode"] = json!(false);
        }
        parameter
    };
    properties.map(parameter).collect()
}

/// What a parameter is when it is there: it is left out, and never null.
fn present(schema: &mut Value) {
    if let Some(types) = schema["type"].as_array_mut() {
        types.retain(|kind| kind != "null");
        if let [only] = &types[..] {
            schema["type"] = only.clone();
        }
    }
    if let Some(schema) = schema.as_object_mut()
        && schema.get("default").is_none_or(Value::is_null)
    {
        schema.remove("default");
        schema.retain(|_, value| !value.is_null());
    }
}

/// The schema of a workflow, with what it refers to beneath itself.
fn workflow() -> Value {
    let text = crate::Workflow::json_schema();
    let mut schema: Value = serde_json::from_str(text.as_str()).unwrap_or_default();
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
        // With an id of its own its references are its own.
        schema.insert("$id".to_owned(), json!("urn:callboard:workflow"));
    }
    schema
}

/// All codes, each with what it means.
impl JsonSchema for Code {
    fn schema_name() -> Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = |code: &Code| {
            json!({
                "const": code.as_str(),
                "title": code.title(),
                "description": code.meaning().trim(),
                "x-callboard-status": code.status(),
            })
        };
        json_schema!({ "type": "string", "oneOf": Code::ALL.iter().map(one).collect::<Vec<_>>() })
    }
}
