//! A task's input: the author's JSON with references to the outputs of other tasks.
//!
//! `{"$from": "name"}` stands for the output of a task, `{"$all": ["a", "b"]}` for an array of outputs, and
//! `{"$literal": ...}` for JSON that is not looked into. References are found once, in the author's graph, and
//! become places in a text; outputs and literals are never scanned, so data can not pose as a reference.

use crate::{Json, Payload, TaskIndex};
use std::ops::Range;
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

impl BadReference {
    /// What is wrong with the input of the task `name`.
    pub(crate) fn in_words(self, name: &str) -> String {
        match self {
            Self::Unknown(reference) => format!("{name:?} refers to {reference:?}, which is no task of this run"),
            Self::Form(reason) => format!("{name:?}: {reason}"),
        }
    }
}

/// What was made of an input: to be used only if there are no faults, but for its references.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) input: Input,
    pub(crate) faults: Vec<BadReference>,
}

impl Input {
    /// Finds the references in `json`; `lookup` turns a name into a task.
    pub(crate) fn compile(json: &Json, lookup: &dyn Fn(&str) -> Option<TaskIndex>) -> Compiled {
        // Whatever becomes a key `$...` is spelt with a dollar sign or with an escape.
        if !json.as_str().contains('$') && !json.as_str().contains("\\u0024") {
            return Compiled { input: Self(Arc::new([Segment::Text(json.clone())])), faults: Vec::new() };
        }
        let text = json.as_str();
        let mut compiler =
            Compiler { lookup, text, copied: 0, piece: String::new(), segments: Vec::new(), faults: Vec::new() };
        compiler.scan();
        if compiler.copied == 0 {
            compiler.segments.push(Segment::Text(json.clone())); // the dollar sign was data
        } else {
            compiler.copy(text.len());
            compiler.flush();
        }
        Compiled { input: Self(compiler.segments.into()), faults: compiler.faults }
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

/// Goes over the text once, from left to right and without recursion: the text is an author's, so neither its size nor
/// its depth may cost more than its reading. What is no reference is copied as it stands.
struct Compiler<'a> {
    lookup: &'a dyn Fn(&str) -> Option<TaskIndex>,
    /// One valid JSON value.
    text: &'a str,
    /// Up to where the text is copied, or replaced.
    copied: usize,
    piece: String,
    segments: Vec<Segment>,
    faults: Vec<BadReference>,
}

/// A member of an object: where its value begins and ends.
struct Member {
    value: Range<usize>,
    /// Where its object ends, if it is the only member.
    alone_until: Option<usize>,
}

impl Compiler<'_> {
    fn scan(&mut self) {
        let bytes = self.text.as_bytes();
        // The object that was opened last, and where its first key stands, if it has one.
        let (mut object, mut first) = (0, None);
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            at = match byte {
                b'{' => {
                    (object, first) = (at, Some(skip_blanks(bytes, at + 1)));
                    at + 1
                }
                b'"' => {
                    let end = string_end(bytes, at);
                    match (marker(&self.text[at..end]), value_of_key(bytes, end)) {
                        (Some(key), Some(value)) => self.marked(key, object, member(bytes, first == Some(at), value)),
                        _ => end,
                    }
                }
                _ => at + 1,
            };
        }
    }

    /// Replaces an object with a `$` key, and says where to read on.
    fn marked(&mut self, key: &'static str, object: usize, member: Member) -> usize {
        let Some(end) = member.alone_until else {
            self.faults.push(BadReference::Form(format!(
                "{key:?} stands beside other keys; write {{\"$literal\": ...}} around data with such a key"
            )));
            return member.value.end;
        };
        self.copy(object);
        self.copied = end;
        let value = &self.text[member.value];
        match key {
            "$literal" => self.piece.push_str(value),
            "$from" => match serde_json::from_str::<String>(value) {
                Ok(name) => {
                    if let Some(task) = self.find(name) {
                        self.push(Segment::From(task));
                    }
                }
                Err(_) => self.form(key, "the name of a task", value),
            },
            _ => match serde_json::from_str::<Vec<String>>(value) {
                Ok(names) => {
                    let tasks = names.into_iter().filter_map(|name| self.find(name)).collect();
                    self.push(Segment::All(tasks));
                }
                Err(_) => self.form(key, "a list of names of tasks", value),
            },
        }
        end
    }

    /// Copies the text up to `to`.
    fn copy(&mut self, to: usize) {
        self.piece.push_str(&self.text[self.copied..to]);
        self.copied = to;
    }

    fn flush(&mut self) {
        if !self.piece.is_empty() {
            self.segments.push(Segment::Piece(std::mem::take(&mut self.piece).into()));
        }
    }

    fn push(&mut self, segment: Segment) {
        self.flush();
        self.segments.push(segment);
    }

    fn find(&mut self, name: String) -> Option<TaskIndex> {
        let found = (self.lookup)(&name);
        if found.is_none() {
            self.faults.push(BadReference::Unknown(name));
        }
        found
    }

    fn form(&mut self, key: &str, wanted: &str, seen: &str) {
        let seen: String = seen.chars().take(60).collect();
        self.faults.push(BadReference::Form(format!("{key:?} wants {wanted}, not {seen}")));
    }
}

/// The word that this string literal spells, if it is one of the three; an escape spells it, too.
fn marker(literal: &str) -> Option<&'static str> {
    // The longest spelling escapes every character.
    if literal.len() > 2 + 6 * "$literal".len() || !(literal.contains('$') || literal.contains("\\u0024")) {
        return None;
    }
    let word: String = serde_json::from_str(literal).ok()?;
    ["$from", "$all", "$literal"].into_iter().find(|marker| *marker == word)
}

/// Where the value begins, if the string that ends at `end` is a key.
fn value_of_key(bytes: &[u8], end: usize) -> Option<usize> {
    let colon = skip_blanks(bytes, end);
    (bytes.get(colon) == Some(&b':')).then(|| skip_blanks(bytes, colon + 1))
}

/// The member whose value begins at `value`; `first` says whether another stands before it.
fn member(bytes: &[u8], first: bool, value: usize) -> Member {
    let end = value_end(bytes, value);
    let next = skip_blanks(bytes, end);
    let alone = first && bytes.get(next) == Some(&b'}');
    Member { value: value..end, alone_until: alone.then_some(next + 1) }
}

fn skip_blanks(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|byte| !byte.is_ascii_whitespace()).map_or(bytes.len(), |blanks| from + blanks)
}

/// Behind the string that begins at `from`.
fn string_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Behind the value that begins at `from`.
fn value_end(bytes: &[u8], from: usize) -> usize {
    let (mut depth, mut at) = (0_usize, from);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return at, // behind a number, or a word
            b'}' | b']' if depth == 1 => return at + 1,
            b'}' | b']' => depth -= 1,
            b'"' if depth == 0 => return string_end(bytes, at),
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            byte if depth == 0 && byte.is_ascii_whitespace() => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}
