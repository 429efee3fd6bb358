//! The schema of documents: it is committed, agrees with the reader on keys, and judges samples as the reader does.

use super::super::Format::Json;
use super::super::read::{DOCUMENT_KEYS, RETRY_KEYS, TASK_KEYS};
use super::{read, sample};
use crate::Workflow;
use serde_json::Value;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/workflow.schema.json");

fn schema() -> Value {
    serde_json::from_str(Workflow::json_schema().as_str()).unwrap()
}

/// `UPDATE=1 cargo test -p callboard --lib the_committed_schema` writes the file anew.
#[test]
fn the_committed_schema_is_that_of_the_model() {
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(FILE, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(FILE).unwrap(), text);
}

#[test]
fn the_reader_knows_the_keys_of_the_schema() {
    let schema = schema();
    let keys = |place: &Value| place["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let sorted = |keys: &[&str]| {
        let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&schema), sorted(DOCUMENT_KEYS));
    assert_eq!(keys(&schema["$defs"]["Task"]), sorted(TASK_KEYS));
    assert_eq!(keys(&schema["$defs"]["Retry"]), sorted(RETRY_KEYS));
}

#[test]
fn the_schema_judges_documents_as_the_reader_does() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let task = |task: &str| format!(r#"{{"name": "w", "tasks": {{"t": {task}}}}}"#);
    let samples = [
        sample().to_json().unwrap(),
        task(r#"{"capability": "c"}"#),
        task(r#"{"capability": "c", "priority": 0, "timeout": "1h 30m", "losses": 0, "requires": ["gpu"]}"#),
        task(r#"{"capability": "c", "retry": {"factor": 1.5, "cap": "2 min"}}"#),
        task(r#"{"capability": "c", "retry": {}}"#),
        // And what is wrong.
        "[]".into(),
        "{}".into(),
        r#"{"name": "w", "tasks": {}}"#.into(),
        r#"{"name": "w", "tasks": []}"#.into(),
        r#"{"name": "", "tasks": {"t": {"capability": "c"}}}"#.into(),
        r#"{"name": "w", "more": 1, "tasks": {"t": {"capability": "c"}}}"#.into(),
        task("{}"),
        task(r#"{"capability": "two words"}"#),
        task(r#"{"capability": "c", "tiemout": "1s"}"#),
        task(r#"{"capability": "c", "timeout": 30}"#),
        task(r#"{"capability": "c", "timeout": "30"}"#),
        task(r#"{"capability": "c", "timeout": null}"#),
        task(r#"{"capability": "c", "priority": "urgent"}"#),
        task(r#"{"capability": "c", "priority": 11}"#),
        task(r#"{"capability": "c", "after": "t"}"#),
        task(r#"{"capability": "c", "retry": {"retries": -1}}"#),
        task(r#"{"capability": "c", "retry": {"factor": "2"}}"#),
        task(r#"{"capability": "c", "losses": 1.5}"#),
    ];
    for (n, text) in samples.iter().enumerate() {
        let value = serde_json::from_str(text).unwrap();
        assert_eq!(read(Json, text).is_ok(), n < 5, "{text}");
        assert_eq!(validator.is_valid(&value), n < 5, "{text}");
    }
}
