//! Typed requests, and values that are a literal or the output of another task.

#[cfg(test)]
mod tests;

use crate::{Error, ErrorKind, Result};
use callboard_core::Json;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::ops::Deref;

/// A typed, serialisable request: it names a capability and the type of its output.
///
/// Write `#[task(output = Summary)]` above a struct; by hand it is a derive of `Serialize` and `Deserialize` and this
/// trait.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a task",
    label = "a task names a capability and an output",
    note = "write `#[task(output = SomeType)]` above `{Self}`"
)]
pub trait Task: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What it results in.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// What an agent must be able to do: 1 to 128 of `A-Z a-z 0-9 . _ -`.
    const CAPABILITY: &'static str;

    /// The JSON Schema of its input; `None` if it is not known. `#[task]` writes it from the type.
    fn input_schema() -> Option<Json> {
        None
    }

    /// The JSON Schema of its output; `None` if it is not known. `#[task]` writes it, if the output's type has one.
    fn output_schema() -> Option<Json> {
        None
    }
}

/// What can be sent: it has a JSON form, in both directions. Nobody implements it: whatever serde can write and read
/// has it. Generated code asks for it of every field and output, before serde does in words of its own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not be sent",
    label = "has no JSON form",
    note = "write `#[payload]` above `{Self}`, if it is a type of yours",
    note = "if it is not, turn it into one that can be sent, or leave a field out by `#[serde(skip)]`"
)]
pub trait Sendable: Serialize + DeserializeOwned + Send + 'static {}

// What serde says of a missing derive would name crates that a user need not have.
#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Sendable for T {}

/// Compiles for what can be sent.
pub fn can_be_sent<T: Sendable>() {}

/// A value that is a literal, or the output of another task of the same workflow.
///
/// In a handler it is always a value, to which it dereferences.
#[derive(Clone)]
pub struct In<T>(Source<T>);

#[derive(Clone)]
enum Source<T> {
    Value(T),
    From(String),
    All(Vec<String>),
}

impl<T> In<T> {
    pub(crate) fn from_task(name: String) -> Self {
        Self(Source::From(name))
    }

    pub(crate) fn from_tasks(names: Vec<String>) -> Self {
        Self(Source::All(names))
    }

    /// The value, if it is one; in a handler it always is.
    pub fn into_inner(self) -> Option<T> {
        match self.0 {
            Source::Value(value) => Some(value),
            Source::From(_) | Source::All(_) => None,
        }
    }
}

impl<T> From<T> for In<T> {
    fn from(value: T) -> Self {
        Self(Source::Value(value))
    }
}

impl From<&str> for In<String> {
    fn from(value: &str) -> Self {
        Self(Source::Value(value.to_owned()))
    }
}

/// # Panics
///
/// Outside a handler, if it refers to a task: there is no value yet.
impl<T> Deref for In<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Source::Value(value) => value,
            Source::From(name) => panic!("the output of task {name:?} is known in a handler only"),
            Source::All(names) => panic!("the outputs of tasks {names:?} are known in a handler only"),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for In<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Value(value) => value.fmt(f),
            Source::From(name) => write!(f, "output of {name:?}"),
            Source::All(names) => write!(f, "outputs of {names:?}"),
        }
    }
}

thread_local! {
    /// Whether this thread is writing an author's graph, and so references are marked apart from data.
    static AUTHORING: Cell<bool> = const { Cell::new(false) };
}

/// What stands for `$from` and `$all` while data is still to be told from references. No data has such a key by
/// accident, and data that has it on purpose only fools its own author's graph check.
const FROM: &str = "$from\u{1}callboard";
const ALL: &str = "$all\u{1}callboard";
/// A dollar as raw JSON may spell it; a key means what it says, however it is spelt.
const DOLLAR: &str = "\\u0024";

impl<T: Serialize> Serialize for In<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let key = |marked, plain| if AUTHORING.get() { marked } else { plain };
        match &self.0 {
            Source::Value(value) => value.serialize(serializer),
            Source::From(name) => one(serializer, key(FROM, "$from"), name),
            Source::All(names) => one(serializer, key(ALL, "$all"), names),
        }
    }
}

fn one<S: Serializer>(serializer: S, key: &str, value: &impl Serialize) -> std::result::Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(key, value)?;
    map.end()
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for In<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        T::deserialize(deserializer).map(|value| Self(Source::Value(value)))
    }
}

/// The schema of the value: a reference stands in for one, and never reaches a handler.
impl<T: JsonSchema> JsonSchema for In<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// Marks references for as long as it lives, also when a task panics while it is written.
struct Authoring;

impl Authoring {
    fn begin() -> Self {
        AUTHORING.set(true);
        Self
    }
}

impl Drop for Authoring {
    fn drop(&mut self) {
        AUTHORING.set(false);
    }
}

/// The JSON of a task as an author's graph has it: its [`In`]s are references, all other data is literal.
pub(crate) fn author<T: Serialize>(task: &T) -> Result<Json> {
    let authoring = Authoring::begin();
    let text = serde_json::to_string(task);
    drop(authoring);
    let text = text.map_err(|error| Error::new(ErrorKind::Invalid, "the task has no JSON form").because(error))?;
    let json = if text.contains('$') || text.contains(DOLLAR) { escape(&text)? } else { Json::parse(text) };
    json.map_err(|error| Error::new(ErrorKind::Invalid, "the task has no JSON form").because(error))
}

/// JSON as an author's graph has it where all of it is data.
pub(crate) fn literal(json: Json) -> Json {
    if !json.as_str().contains('$') && !json.as_str().contains(DOLLAR) {
        return json;
    }
    Json::parse(format!("{{\"$literal\":{}}}", json.as_str())).unwrap_or(json)
}

type Parsed = std::result::Result<Json, serde_json::Error>;

fn escape(text: &str) -> Result<Parsed> {
    // Only text that has such keys pays for the detour through values, which keeps no more than 64 bits of a number.
    if !["\"$from", "\"$all", "\"$literal", DOLLAR].iter().any(|key| text.contains(key)) {
        return Ok(Json::parse(text));
    }
    let value: serde_json::Value = serde_json::from_str(text)?;
    Ok(Json::of(&mark(value)))
}

/// Turns marked references into references, and wraps data that looks like one into `$literal`.
fn mark(value: serde_json::Value) -> serde_json::Value {
    use serde_json::{Map, Value};
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(mark).collect()),
        Value::Object(members) => {
            let only = |key: &str, value: Value| Value::Object(Map::from_iter([(key.to_owned(), value)]));
            let mut members = members;
            if let Some(name) = members.remove(FROM) {
                return only("$from", name);
            }
            if let Some(names) = members.remove(ALL) {
                return only("$all", names);
            }
            if ["$from", "$all", "$literal"].iter().any(|key| members.contains_key(*key)) {
                return only("$literal", Value::Object(members));
            }
            Value::Object(members.into_iter().map(|(key, value)| (key, mark(value))).collect())
        }
        other => other,
    }
}
