//! What of a graph can not fit.

use super::super::{Cache, check, faults};
use crate::registry::Capability;
use callboard_core::{Graph, Json, TaskIndex, TaskSpec};
use std::collections::BTreeMap;
use std::sync::Arc;

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

/// A graph of tasks `name capability input`.
fn graph(tasks: &[(&str, &str, &str)]) -> Graph {
    let tasks = tasks.iter().map(|(name, capability, input)| Arc::new(TaskSpec::new(*name, *capability, json(input))));
    Graph {
        name: "g".into(),
        tasks: tasks.collect(),
        timeout_ms: None,
        budget: None,
        tenant: None,
        labels: BTreeMap::new(),
        trace: None,
    }
}

/// The faults of an input by a schema; `t` gives a text, `n` a whole number, `x` nobody knows what.
fn misfits(schema: &str, input: &str) -> Vec<String> {
    let graph = graph(&[("t", "text", "1"), ("n", "number", "1"), ("x", "unknown", "1"), ("it", "work", input)]);
    let known = |capability: &str| match capability {
        "work" => vec![Capability::new("work").input_schema(json(schema))],
        "text" => vec![Capability::new("text").output_schema(json(r#"{"type": "string"}"#))],
        "number" => vec![
            Capability::new("number")
                .output_schema(json(r##"{"$ref": "#/$defs/N", "$defs": {"N": {"type": "integer"}}}"##)),
        ],
        _ => Vec::new(),
    };
    let told = faults(&graph, &[TaskIndex(3)], &known, &Cache::default());
    told.iter().map(|fault| fault.strip_prefix("task \"it\": ").unwrap().to_owned()).collect()
}

#[track_caller]
fn check_fit(schema: &str, input: &str, expected: &[&str]) {
    assert_eq!(misfits(schema, input), expected, "{input}");
}

const DRAFT: &str = r##"{
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 5},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
        "tone": {"enum": ["dry", "warm"]},
        "either": {"anyOf": [{"$ref": "#/$defs/Part"}, {"type": "null"}]},
        "map": {"type": "object", "additionalProperties": {"type": "boolean"}},
        "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}]}
    },
    "required": ["title"],
    "additionalProperties": false,
    "$defs": {"Part": {"type": "object", "properties": {"text": {"type": "string"}, "line": {"type": "integer"}}, "required": ["text"]}}
}"##;

#[test]
fn what_is_known_of_an_input_is_judged() {
    check_fit(DRAFT, r#"{"title": "a", "parts": [{"text": "b", "line": 1}], "tone": "dry", "either": null}"#, &[]);
    check_fit(DRAFT, "{}", &[r#"input: "title" is a required property"#]);
    check_fit(DRAFT, "7", &[r#"input: value is not of type "object""#]);
    check_fit(
        DRAFT,
        r#"{"title": 7, "parts": [{"line": "x"}], "tone": "rude", "more": 1, "a/b~c": 1}"#,
        &[
            "input.parts[0]: \"text\" is a required property",
            "input.parts[0].line: value is not of type \"integer\"",
            "input.title: value is not of type \"string\"",
            "input.tone: value is not one of \"dry\" or \"warm\"",
            "input: Additional properties are not allowed ('a/b~c', 'more' were unexpected)",
        ],
    );
}

#[test]
fn what_a_reference_will_bring_is_not_judged() {
    for input in [
        r#"{"$from": "x"}"#,
        r#"{"title": {"$from": "x"}, "tone": {"$from": "t"}}"#,
        r#"{"title": "a", "parts": {"$from": "x"}}"#,
        r#"{"title": "a", "parts": {"$all": ["x", "x"]}}"#,
        r#"{"title": "a", "parts": [{"$from": "x"}, {"text": {"$from": "t"}}]}"#,
        r#"{"title": "a", "either": {"text": {"$from": "t"}}}"#,
        r#"{"title": "a", "map": {"a": {"$from": "x"}}}"#,
    ] {
        check_fit(DRAFT, input, &[]);
    }
    // What stands beside one is.
    check_fit(
        DRAFT,
        r#"{"parts": [{"line": {"$from": "n"}}]}"#,
        &["input.parts[0]: \"text\" is a required property", "input: \"title\" is a required property"],
    );
    // No branch takes this, whatever is brought.
    check_fit(
        DRAFT,
        r#"{"title": "a", "either": {"line": {"$from": "n"}}}"#,
        &["input.either: value is not valid under any of the schemas listed in the 'anyOf' keyword"],
    );
    // Data is judged as data.
    check_fit(DRAFT, r#"{"title": {"$literal": {"$from": "x"}}}"#, &["input.title: value is not of type \"string\""]);
    check_fit(DRAFT, r#"{"$literal": {"title": "a"}}"#, &[]);
    // Which branch applies hangs on what is brought.
    let schema = r#"{"if": {"properties": {"a": {"const": null}}, "required": ["a"]}, "then": {"required": ["b"]}}"#;
    check_fit(schema, r#"{"a": {"$from": "x"}}"#, &[]);
    check_fit(schema, r#"{"a": null}"#, &["input: \"b\" is a required property"]);
    let unique = r#"{"type": "array", "uniqueItems": true}"#;
    check_fit(unique, r#"[{"$from": "x"}, {"$from": "x"}]"#, &[]);
}

#[test]
fn an_edge_is_refused_if_it_can_never_fit() {
    check_fit(
        DRAFT,
        r#"{"title": {"$from": "n"}}"#,
        &["input.title: the output of \"n\" is integer, and only string fits"],
    );
    check_fit(
        DRAFT,
        r#"{"title": "a", "tone": {"$from": "n"}}"#,
        &["input.tone: the output of \"n\" is integer, and only string fits"],
    );
    check_fit(
        DRAFT,
        r#"{"title": "a", "either": {"$from": "t"}}"#,
        &["input.either: the output of \"t\" is string, and only null or object fits"],
    );
    check_fit(
        DRAFT,
        r#"{"title": "a", "parts": {"$all": ["x", "t"]}}"#,
        &["input.parts: the output of \"t\" is string, and only object fits"],
    );
    check_fit(DRAFT, r#"{"title": {"$all": ["t"]}}"#, &["input.title: a list of outputs stands where none can"]);
    check_fit(
        DRAFT,
        r#"{"title": "a", "map": {"a": {"$from": "n"}}}"#,
        &["input.map.a: the output of \"n\" is integer, and only boolean fits"],
    );
    check_fit(
        DRAFT,
        r#"{"title": "a", "pair": [{"$from": "n"}, {"$from": "n"}]}"#,
        &["input.pair[0]: the output of \"n\" is integer, and only string fits"],
    );
    check_fit(
        r#"{"type": "string"}"#,
        r#"{"$from": "n"}"#,
        &["input: the output of \"n\" is integer, and only string fits"],
    );
    check_fit(r#"{"type": "number"}"#, r#"{"$from": "n"}"#, &[]);
    check_fit(
        r#"{"allOf": [{"type": ["string", "null"]}, {"minLength": 1}]}"#,
        r#"{"$from": "n"}"#,
        &["input: the output of \"n\" is integer, and only null or string fits"],
    );
    for open in ["true", "{}", r##"{"$ref": "#"}"##, r#"{"not": {"type": "integer"}}"#] {
        check_fit(open, r#"{"$from": "n"}"#, &[]);
    }
}

#[test]
fn an_input_that_one_agent_takes_is_no_fault() {
    let graph = graph(&[("a", "work", "1")]);
    let told = |schemas: &[Option<&str>]| {
        let known = |_: &str| {
            let offer = |schema: &Option<&str>| match schema {
                Some(schema) => Capability::new("work").input_schema(json(schema)),
                None => Capability::new("work"),
            };
            schemas.iter().map(offer).collect()
        };
        faults(&graph, &[TaskIndex(0)], &known, &Cache::default())
    };
    let (text, number) = (Some(r#"{"type": "string"}"#), Some(r#"{"type": "number"}"#));
    assert_eq!(told(&[]), Vec::<String>::new());
    assert_eq!(told(&[text, number]), Vec::<String>::new());
    assert_eq!(told(&[text, None]), Vec::<String>::new());
    assert_eq!(told(&[text, text]), ["task \"a\": input: value is not of type \"string\""]);
}

#[test]
fn a_schema_that_can_not_be_used_says_why() {
    let fault = |schema: &str| check(&json(schema)).unwrap_err();
    assert!(fault(r#"{"type": "strange"}"#).contains("strange"), "{}", fault(r#"{"type": "strange"}"#));
    // Nothing is fetched.
    let outside = fault(r#"{"$ref": "http://127.0.0.1:1/x.json"}"#);
    assert!(outside.starts_with("a schema refers to nothing outside of itself: "), "{outside}");
    assert!(outside.contains("127.0.0.1"));
    assert!(fault(r#"{"$ref": "file:///etc/hostname"}"#).contains("hostname"));
    assert_eq!(
        fault(&format!("{}{}", r#"{"not":"#.repeat(65), "true".to_owned() + &"}".repeat(65))),
        "it is nested deeper than 64 levels (schema_depth_max)"
    );
    assert!(
        fault(&format!(r#"{{"title": "{}"}}"#, "x".repeat(1 << 18)))
            .ends_with("more than the limit of 262144 (schema_bytes_max)")
    );
    assert!(fault(r#"{"pattern": "(a{1000}){1000}"}"#).contains("not a \"regex\""));
    assert!(
        fault(r#"{"pattern": "(?<!a)b"}"#).contains("not a \"regex\""),
        "no look-around: it costs more than linear time"
    );
    assert_eq!(check(&json("true")), Ok(()));
    // In a workflow it is told with the task.
    assert_eq!(misfits("7", "1").len(), 1);
}

#[test]
fn numbers_beyond_a_float_are_refused_in_words() {
    let told = misfits(r#"{"type": "number"}"#, "1e999");
    assert!(
        told[0].starts_with("its input can not be held against the schema of \"work\": number out of range"),
        "{told:?}"
    );
    check_fit(r#"{"type": "integer"}"#, "123456789012345678901234567890", &[]);
}
