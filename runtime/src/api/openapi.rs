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
    link(&mut paths);
    let mut schemas = answers.take_definitions(true);
    schemas.extend(workflow());
    let words = |key: &str, text: &str| without_links(text).filter(|_| key == "description");
    schemas.values_mut().for_each(|schema| each_text(schema, &words));
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

/// Says where what a run, or a document, was made for is asked for: at every path that has it as a parameter.
fn link(paths: &mut Map<String, Value>) {
    let mut to: [Map<String, Value>; 2] = [Map::new(), Map::new()];
    for route in table() {
        let target = |parameters: Value| json!({ "operationId": route.verb, "parameters": parameters });
        if route.path.starts_with("/v1/runs/{run}") {
            let mut parameters = json!({ "run": "$response.body#/id" });
            for name in ["task", "other"].into_iter().filter(|name| route.path.contains(&format!("{{{name}}}"))) {
                parameters[name] = json!(if name == "task" { "0" } else { "$response.body#/id" });
            }
            to[0].insert(route.verb.to_owned(), target(parameters));
        } else if route.path.starts_with("/v1/state/{key}") && route.verb != "put_state" {
            to[1].insert(route.verb.to_owned(), target(json!({ "key": "$response.body#/key" })));
        }
    }
    let [of_runs, of_keys] = to;
    for (path, method, status, links) in [
        ("/v1/runs", "post", "201", &of_runs),
        ("/v1/state/{key}", "put", "201", &of_keys),
        ("/v1/state/{key}", "put", "200", &of_keys),
    ] {
        if let Some(path) = paths.get_mut(path) {
            path[method]["responses"][status]["links"] = Value::Object(links.clone());
        }
    }
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
            "key" => {
                json!({ "type": "string", "minLength": 1, "maxLength": 128, "description": "a slash in it is %2F" })
            }
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

/// The schemas of a workflow, each by its name.
fn workflow() -> Map<String, Value> {
    let text = crate::Workflow::json_schema();
    let named = |name: &str| format!("Workflow{name}");
    let mut whole: Value = serde_json::from_str(text.as_str()).unwrap_or_default();
    let parts = whole.as_object_mut().and_then(|whole| {
        whole.remove("$schema");
        whole.remove("$defs")
    });
    let parts = parts.as_ref().and_then(Value::as_object).into_iter().flatten();
    let mut schemas: Map<String, Value> = parts.map(|(name, schema)| (named(name), schema.clone())).collect();
    schemas.insert("Workflow".to_owned(), whole);
    let place = |text: &str| Some(format!("#/components/schemas/{}", named(text.strip_prefix("#/$defs/")?)));
    schemas.values_mut().for_each(|schema| each_text(schema, &|key, text| place(text).filter(|_| key == "$ref")));
    schemas
}

/// Changes the texts of a value for which there is another.
fn each_text(value: &mut Value, change: &impl Fn(&str, &str) -> Option<String>) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| each_text(value, change)),
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) => *text = change(key, text).unwrap_or_else(|| std::mem::take(text)),
                    value => each_text(value, change),
                }
            }
        }
        _ => {}
    }
}

/// What is said to who reads the code, in words for others: what a link leads to is not there.
fn without_links(text: &str) -> Option<String> {
    let mut parts = text.split("](");
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        plain.push_str(part.split_once(')').map_or(part, |(_, rest)| rest));
    }
    (plain != text).then(|| plain.replace(['[', ']'], ""))
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
