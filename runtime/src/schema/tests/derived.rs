//! The schemas of tasks.

use callboard::{In, Json, Task};
use serde::{Deserialize, Serialize};

/// Summarizes a text.
#[callboard::task(output = Summary)]
struct Summarize {
    /// What to summarize.
    text: In<String>,
    notes: In<Vec<Note>>,
    limit: Option<u32>,
}

/// A note in the margin.
#[callboard::payload]
struct Note {
    line: u32,
    anything: Json,
}

#[callboard::payload]
enum Summary {
    Nothing,
    Text(String),
}

#[derive(Serialize, Deserialize)]
struct ByHand;

#[callboard::task(output = ByHand, capability = "by.hand")]
struct ToHand {
    priority: callboard::Priority,
}

fn text(schema: Option<Json>) -> String {
    let value: serde_json::Value = serde_json::from_str(schema.expect("a schema").as_str()).unwrap();
    value.to_string()
}

#[test]
fn a_task_has_the_schema_of_its_type() {
    assert_eq!(
        text(Summarize::input_schema()),
        r##"{"$defs":{"Note":{"description":"A note in the margin.","properties":{"anything":true,"line":{"format":"uint32","minimum":0,"type":"integer"}},"required":["line","anything"],"type":"object"}},"$schema":"https://json-schema.org/draft/2020-12/schema","description":"Summarizes a text.","properties":{"limit":{"format":"uint32","minimum":0,"type":["integer","null"]},"notes":{"items":{"$ref":"#/$defs/Note"},"type":"array"},"text":{"description":"What to summarize.","type":"string"}},"required":["text","notes"],"title":"Summarize","type":"object"}"##
    );
    assert_eq!(
        text(Summarize::output_schema()),
        r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","oneOf":[{"enum":["Nothing"],"type":"string"},{"additionalProperties":false,"properties":{"Text":{"type":"string"}},"required":["Text"],"type":"object"}],"title":"Summary"}"##
    );
}

#[test]
fn an_output_that_is_written_by_hand_has_none() {
    assert_eq!(ToHand::output_schema(), None);
    assert!(text(ToHand::input_schema()).contains(r#""maximum":10"#));
}
