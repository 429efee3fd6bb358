//! The schemas of what may be a part of a task: users' tools and the document checker see them.

use crate::{Json, Millis, Priority, RunId};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

fn schema<T: JsonSchema>() -> (String, bool, Value) {
    (T::schema_name().into_owned(), T::inline_schema(), T::json_schema(&mut SchemaGenerator::default()).into())
}

#[test]
fn each_stands_where_it_is_used_and_says_what_is_read() {
    let inline = |name: &str, schema: Value| (name.to_owned(), true, schema);
    assert_eq!(schema::<Json>(), inline("Json", json!(true)));
    assert_eq!(schema::<RunId>(), inline("RunId", json!({ "type": "string", "format": "uuid" })));
    assert_eq!(schema::<Millis>(), inline("Millis", json!({ "type": "integer", "format": "int64" })));
    assert_eq!(schema::<Priority>(), inline("Priority", json!({ "type": "integer", "minimum": 0, "maximum": 10 })));
}
