//! What kinds of values a schema can accept, seen from afar: enough to tell that two can never meet.

use super::place::Place;
use serde_json::Value;
use std::fmt;

/// A set of JSON's kinds of values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Kinds(u8);

const NAMES: [(&str, Kinds); 7] = [
    ("null", Kinds(1)),
    ("boolean", Kinds(2)),
    // A number is whole or it is not.
    ("integer", Kinds(4)),
    ("number", Kinds(4 | 8)),
    ("string", Kinds(16)),
    ("array", Kinds(32)),
    ("object", Kinds(64)),
];

/// References that are followed from one to the next.
const STEPS_MAX: usize = 32;

impl Kinds {
    pub(super) const ANY: Self = Self(127);
    pub(super) const ARRAY: Self = Self(32);
    const NONE: Self = Self(0);

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn has(self, other: Self) -> bool {
        self.and(other) != Self::NONE
    }

    /// Whether some value is of both; a set of none is a schema that is not understood, and no reason to refuse.
    pub(super) fn meets(self, other: Self) -> bool {
        self == Self::NONE || other == Self::NONE || self.has(other)
    }

    fn named(name: &str) -> Self {
        NAMES.iter().find(|(known, _)| *known == name).map_or(Self::ANY, |(_, kinds)| *kinds)
    }

    fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::named("null"),
            Value::Bool(_) => Self::named("boolean"),
            Value::Number(number) if number.is_f64() => Self::named("number"),
            Value::Number(_) => Self::named("integer"),
            Value::String(_) => Self::named("string"),
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::named("object"),
        }
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let within = |(_, kinds): &&(&str, Self)| self.and(*kinds) == *kinds;
        // "number" says "integer", too.
        let all: Vec<&str> = NAMES.iter().filter(within).map(|(name, _)| *name).collect();
        let all: Vec<&str> =
            all.iter().copied().filter(|name| *name != "integer" || !all.contains(&"number")).collect();
        f.write_str(&all.join(" or "))
    }
}

/// What a schema can accept.
pub(super) fn of(schema: &Value) -> Kinds {
    kinds(schema, schema, STEPS_MAX)
}

/// What a schema can accept at a place of its value; anything where that is not told in a plain way.
pub(super) fn at(root: &Value, place: &Place) -> Kinds {
    let mut schema = root;
    for step in place.steps() {
        let Some(next) = resolved(root, schema).and_then(|schema| below(schema, &step)) else { return Kinds::ANY };
        schema = next;
    }
    kinds(root, schema, STEPS_MAX)
}

fn kinds(root: &Value, schema: &Value, steps: usize) -> Kinds {
    let (Value::Object(members), Some(steps)) = (schema, steps.checked_sub(1)) else { return Kinds::ANY };
    let mut found = Kinds::ANY;
    match members.get("type") {
        Some(Value::String(name)) => found = Kinds::named(name),
        Some(Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str).map(Kinds::named);
            found = names.fold(Kinds::NONE, Kinds::or);
        }
        _ => {}
    }
    if let Some(value) = members.get("const") {
        found = found.and(Kinds::of_value(value));
    }
    if let Some(Value::Array(values)) = members.get("enum") {
        found = found.and(values.iter().map(Kinds::of_value).fold(Kinds::NONE, Kinds::or));
    }
    if let Some(next) = members.get("$ref").and_then(|reference| referred(root, reference)) {
        found = found.and(kinds(root, next, steps));
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(Value::Array(branches)) = members.get(key) {
            let branches = branches.iter().map(|branch| kinds(root, branch, steps));
            found = found.and(branches.fold(Kinds::NONE, Kinds::or));
        }
    }
    if let Some(Value::Array(parts)) = members.get("allOf") {
        found = parts.iter().fold(found, |found, part| found.and(kinds(root, part, steps)));
    }
    found
}

/// What a reference within the document leads to.
fn referred<'a>(root: &'a Value, reference: &Value) -> Option<&'a Value> {
    root.pointer(reference.as_str()?.strip_prefix('#')?)
}

/// The schema behind its references; `None` if more than that stands in it which would have to be regarded.
fn resolved<'a>(root: &'a Value, mut schema: &'a Value) -> Option<&'a Value> {
    for _ in 0..STEPS_MAX {
        let members = schema.as_object()?;
        if ["anyOf", "oneOf", "allOf", "not", "if"].iter().any(|key| members.contains_key(*key)) {
            return None;
        }
        match members.get("$ref") {
            Some(reference) if !members.contains_key("properties") => schema = referred(root, reference)?,
            Some(_) => return None,
            None => return Some(schema),
        }
    }
    None
}

/// The schema of a member or an item.
fn below<'a>(schema: &'a Value, step: &str) -> Option<&'a Value> {
    if let Some(property) = schema.get("properties").and_then(|properties| properties.get(step)) {
        return Some(property);
    }
    if let Some(Value::Array(first)) = schema.get("prefixItems")
        && let Ok(index) = step.parse::<usize>()
        && let Some(item) = first.get(index)
    {
        return Some(item);
    }
    let kinds = kinds(schema, schema, 1);
    match (kinds == Kinds::ARRAY, kinds == Kinds::named("object")) {
        (true, _) => schema.get("items"),
        (_, true) if schema.get("patternProperties").is_none() => schema.get("additionalProperties"),
        _ => None,
    }
}
