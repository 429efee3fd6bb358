//! An author's input as a value, and the places in it where outputs will stand.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A place in a value, as a JSON Pointer (RFC 6901).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(pub(super) String);

impl Place {
    fn key(&self, key: &str) -> Self {
        Self(format!("{}/{}", self.0, key.replace('~', "~0").replace('/', "~1")))
    }

    fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    /// Any item of the list that stands here.
    pub(super) fn item(&self) -> Self {
        self.index(0)
    }

    /// Its keys and indices.
    pub(super) fn steps(&self) -> impl Iterator<Item = String> {
        self.0.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"))
    }

    /// As a person reads it: `input.items[0].text`.
    pub(super) fn shown(&self) -> String {
        self.steps().fold("input".to_owned(), |mut shown, step| {
            // Writing to a text does not fail.
            let _written = if !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit()) {
                write!(shown, "[{step}]")
            } else {
                write!(shown, ".{step}")
            };
            shown
        })
    }
}

/// What a place refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    From(String),
    All(Vec<String>),
}

/// An input with its literals unwrapped. Where a reference stands the value is not known.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) value: Value,
    references: BTreeMap<Place, Reference>,
}

impl Input {
    /// Whether nothing is known of the value here: a reference stands here or above.
    pub(super) fn is_open(&self, place: &str) -> bool {
        let ends = place.match_indices('/').map(|(end, _)| end).chain([place.len()]);
        ends.into_iter().any(|end| self.references.contains_key(&Place(place[..end].to_owned())))
    }

    /// Whether something below is not known.
    pub(super) fn has_open(&self, place: &str) -> bool {
        let below = Place(format!("{place}/"));
        self.references.range(below.clone()..).next().is_some_and(|(found, _)| found.0.starts_with(&below.0))
    }
}

/// The references of an input with their places.
pub(super) fn places(input: &Input) -> impl Iterator<Item = (&Place, &Reference)> {
    input.references.iter()
}

/// Reads an author's input. A malformed reference stays what it is: the graph's own check tells of it.
pub(super) fn input(value: Value) -> Input {
    let mut references = BTreeMap::new();
    let value = open(value, &Place::default(), &mut references);
    Input { value, references }
}

fn open(value: Value, place: &Place, references: &mut BTreeMap<Place, Reference>) -> Value {
    match value {
        Value::Object(mut members) if members.len() == 1 => {
            if let Some(literal) = members.remove("$literal") {
                return literal;
            }
            let reference = match (members.get("$from"), members.get("$all")) {
                (Some(Value::String(name)), _) => Some(Reference::From(name.clone())),
                (_, Some(Value::Array(names))) => {
                    let names = names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>();
                    names.map(Reference::All)
                }
                _ => None,
            };
            if let Some(reference) = reference {
                references.insert(place.clone(), reference);
                return Value::Null;
            }
            Value::Object(members.into_iter().map(|(key, value)| member(key, value, place, references)).collect())
        }
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(key, value)| member(key, value, place, references)).collect())
        }
        Value::Array(items) => {
            let items = items.into_iter().enumerate();
            Value::Array(items.map(|(n, item)| open(item, &place.index(n), references)).collect())
        }
        other => other,
    }
}

fn member(key: String, value: Value, place: &Place, references: &mut BTreeMap<Place, Reference>) -> (String, Value) {
    let value = open(value, &place.key(&key), references);
    (key, value)
}
