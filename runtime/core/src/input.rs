//! A task's input: the author's JSON with references to the outputs of other tasks.
//!
//! `{"$from": "name"}` stands for the output of a task, `{"$all": ["a", "b"]}` for an array of outputs, and
//! `{"$literal": ...}` for JSON that is not looked into. References are found once, in the author's graph, and
//! become places in a text; outputs and literals are never scanned, so data can not pose as a reference.

use crate::{Json, Payload, TaskIndex};
use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;

/// An input with its references resolved to tasks; cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Input(Arc<[Segment]>);

#[derive(Clone, Debug, PartialEq)]
enum Segment {
    Text(Json),
    /// Text between references; on its own it need not be JSON.
    Piece(Arc<str>),
    From(TaskIndex),
    All(Arc<[TaskIndex]>),
}

/// A part of an input in which every reference has been replaced; the parts in their order are its JSON text.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// JSON text, perhaps a piece of a larger value.
    Text(Arc<str>),
    /// A whole JSON value.
    Value(Payload),
}

/// Why a `$` object of an author is no reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadReference {
    /// The name is that of no task.
    Unknown(String),
    /// The form is wrong; says what was seen.
    Form(String),
}

impl Input {
    /// Finds the references in `json`; `lookup` turns a name into a task.
    pub(crate) fn compile(json: &Json, lookup: &dyn Fn(&str) -> Option<TaskIndex>) -> Result<Self, Vec<BadReference>> {
        // Whatever becomes a key `$...` is spelt with a dollar sign or with an escape.
        if !json.as_str().contains('$') && !json.as_str().contains("\\u0024") {
            return Ok(Self(Arc::new([Segment::Text(json.clone())])));
        }
        let mut compiler = Compiler { lookup, text: String::new(), segments: Vec::new(), faults: Vec::new() };
        compiler.value(json.raw());
        compiler.flush();
        if compiler.faults.is_empty() { Ok(Self(compiler.segments.into())) } else { Err(compiler.faults) }
    }

    /// The tasks whose outputs it needs, with repetitions.
    pub(crate) fn references(&self) -> impl Iterator<Item = TaskIndex> {
        self.0.iter().flat_map(|segment| match segment {
            Segment::From(task) => std::slice::from_ref(task).iter().copied(),
            Segment::All(tasks) => tasks.iter().copied(),
            Segment::Text(_) | Segment::Piece(_) => [].iter().copied(),
        })
    }

    /// Replaces every reference by what `output` says of it; `None` if one has no output.
    pub(crate) fn resolve<'a>(&self, output: impl Fn(TaskIndex) -> Option<&'a Payload>) -> Option<Vec<Part>> {
        let mut parts = Vec::with_capacity(self.0.len());
        for segment in self.0.iter() {
            match segment {
                Segment::Text(json) => parts.push(Part::Value(Payload::Json(json.clone()))),
                Segment::Piece(text) => parts.push(Part::Text(text.clone())),
                Segment::From(task) => parts.push(Part::Value(output(*task)?.clone())),
                Segment::All(tasks) => {
                    for (n, task) in tasks.iter().enumerate() {
                        parts.push(Part::Text(if n == 0 { "[" } else { "," }.into()));
                        parts.push(Part::Value(output(*task)?.clone()));
                    }
                    parts.push(Part::Text(if tasks.is_empty() { "[]" } else { "]" }.into()));
                }
            }
        }
        Some(parts)
    }
}

struct Compiler<'a> {
    lookup: &'a dyn Fn(&str) -> Option<TaskIndex>,
    text: String,
    segments: Vec<Segment>,
    faults: Vec<BadReference>,
}

impl Compiler<'_> {
    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.segments.push(Segment::Piece(std::mem::take(&mut self.text).into()));
        }
    }

    fn push(&mut self, segment: Segment) {
        self.flush();
        self.segments.push(segment);
    }

    fn value(&mut self, raw: &RawValue) {
        let text = raw.get();
        // serde_json has checked the text and its depth, so the first byte tells the kind.
        match text.as_bytes().first() {
            Some(b'{') => match serde_json::from_str::<Object<'_>>(text) {
                Ok(object) => self.object(&object.0),
                Err(error) => self.faults.push(BadReference::Form(error.to_string())),
            },
            Some(b'[') => match serde_json::from_str::<Vec<&RawValue>>(text) {
                Ok(items) => self.list(&items),
                Err(error) => self.faults.push(BadReference::Form(error.to_string())),
            },
            _ => self.text.push_str(text),
        }
    }

    fn list(&mut self, items: &[&RawValue]) {
        self.text.push('[');
        for (n, item) in items.iter().enumerate() {
            if n > 0 {
                self.text.push(',');
            }
            self.value(item);
        }
        self.text.push(']');
    }

    fn object(&mut self, members: &[(String, &RawValue)]) {
        if let Some((key, _)) = members.iter().find(|(key, _)| matches!(&**key, "$from" | "$all" | "$literal")) {
            match members {
                [(key, value)] => self.reference(key, value),
                _ => self.faults.push(BadReference::Form(format!(
                    "{key:?} stands beside other keys; write {{\"$literal\": ...}} around data with such a key"
                ))),
            }
            return;
        }
        self.text.push('{');
        for (n, (key, value)) in members.iter().enumerate() {
            if n > 0 {
                self.text.push(',');
            }
            self.text.push_str(&serde_json::Value::from(key.as_str()).to_string());
            self.text.push(':');
            self.value(value);
        }
        self.text.push('}');
    }

    fn reference(&mut self, key: &str, value: &RawValue) {
        match key {
            "$literal" => self.text.push_str(value.get()),
            "$from" => match serde_json::from_str::<String>(value.get()) {
                Ok(name) => {
                    if let Some(task) = self.find(name) {
                        self.push(Segment::From(task));
                    }
                }
                Err(_) => self.form(key, "the name of a task", value),
            },
            _ => match serde_json::from_str::<Vec<String>>(value.get()) {
                Ok(names) => {
                    let tasks = names.into_iter().filter_map(|name| self.find(name)).collect();
                    self.push(Segment::All(tasks));
                }
                Err(_) => self.form(key, "a list of names of tasks", value),
            },
        }
    }

    fn find(&mut self, name: String) -> Option<TaskIndex> {
        let found = (self.lookup)(&name);
        if found.is_none() {
            self.faults.push(BadReference::Unknown(name));
        }
        found
    }

    fn form(&mut self, key: &str, wanted: &str, seen: &RawValue) {
        let seen: String = seen.get().chars().take(60).collect();
        self.faults.push(BadReference::Form(format!("{key:?} wants {wanted}, not {seen}")));
    }
}

/// The members of an object in their order, values unread.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}
