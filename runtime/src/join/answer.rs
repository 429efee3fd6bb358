//! JSON answers as they are compared and combined.

use crate::{Error, Result};
use callboard_core::Json;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The levels of arrays and objects an answer may have: serde_json, and so whoever reads the result with it, refuses
/// 128 (`remaining_depth` in its `src/de.rs`).
const DEPTH_MAX: usize = 127;

/// A JSON value whose numbers are kept as they were written: an integer of any length stays what it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer<'a> {
    Null,
    /// The text of a number, of `true` or of `false`.
    Word(&'a str),
    Text(Cow<'a, str>),
    Array(Vec<Answer<'a>>),
    Object(Members<'a>),
}

/// The members of an object by their names.
pub(super) type Members<'a> = BTreeMap<Cow<'a, str>, Answer<'a>>;

impl<'a> Answer<'a> {
    /// Reads the answer of `who`.
    ///
    /// # Errors
    ///
    /// `Invalid` if it is nested too deep, or contains a string that is no Unicode text (half a surrogate pair).
    pub(super) fn read(who: &str, json: &'a Json) -> Result<Self> {
        // Before anything recurses.
        let depth = json.depth();
        if depth > DEPTH_MAX {
            let message = format!("the answer of {who:?} has {depth} levels: at most {DEPTH_MAX} can be combined");
            return Err(Error::invalid(message));
        }
        let refused = |error| Error::invalid(format!("the answer of {who:?} can not be read")).caused_by(&error);
        Reader { rest: json.as_str() }.value().map_err(refused)
    }

    pub(super) fn as_object(&self) -> Option<&Members<'a>> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    pub(super) fn as_array(&self) -> Option<&Vec<Self>> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// Writes it as JSON: numbers as they were read, members in the order of their names, no white space.
    pub(super) fn write(&self, out: &mut String) {
        self.write_with(out, &|word, out| out.push_str(word));
    }

    /// The JSON as [`write`](Self::write) does.
    ///
    /// # Errors
    ///
    /// None, unless what it was read from was no JSON.
    pub(super) fn json(&self) -> Result<Json> {
        let mut text = String::new();
        self.write(&mut text);
        Ok(Json::parse(text)?)
    }

    /// A text that is equal for answers that say the same: the order of members does not count, nor does how a number
    /// is written.
    pub(super) fn canonical(&self) -> String {
        let mut text = String::new();
        self.write_with(&mut text, &write_normal);
        text
    }

    fn write_with(&self, out: &mut String, word: &impl Fn(&str, &mut String)) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Word(text) => word(text, out),
            Self::Text(text) => write_text(text, out),
            Self::Array(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    separate(place, out);
                    item.write_with(out, word);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (place, (name, member)) in members.iter().enumerate() {
                    separate(place, out);
                    write_text(name, out);
                    out.push(':');
                    member.write_with(out, word);
                }
                out.push('}');
            }
        }
    }
}

/// Writes the comma before every item but the first.
pub(super) fn separate(place: usize, out: &mut String) {
    if place > 0 {
        out.push(',');
    }
}

/// Writes a JSON string.
pub(super) fn write_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// Below 2 to the power of 53 a whole double is that one integer, not the nearest to several (IEEE 754).
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Writes a word in a form that equal numbers share: `1`, `1.0` and `1e0` are `1`.
fn write_normal(word: &str, out: &mut String) {
    let integer = word.parse::<i128>().ok().map(|number| number.to_string());
    let normal = integer.or_else(|| {
        // A number beyond the range of a double is compared as it is written.
        let number = word.parse::<f64>().ok().filter(|number| number.is_finite())?;
        let whole = number.fract() == 0.0 && number.abs() < EXACT_MAX;
        Some(if whole { (number as i128).to_string() } else { format!("{number:e}") })
    });
    out.push_str(normal.as_deref().unwrap_or(word));
}

/// Reads a text that [`Json`] has checked already: only its strings can still be wrong.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> serde_json::Result<Answer<'a>> {
        match self.peek() {
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(b'"') => Ok(Answer::Text(self.text()?)),
            _ => Ok(self.word()),
        }
    }

    fn object(&mut self) -> serde_json::Result<Answer<'a>> {
        let mut members = BTreeMap::new();
        self.skip(1);
        while self.peek().is_some_and(|next| next != b'}') {
            let name = self.text()?;
            // As everywhere, the last of equal names counts.
            members.insert(name, self.value()?);
        }
        self.skip(1);
        Ok(Answer::Object(members))
    }

    fn array(&mut self) -> serde_json::Result<Answer<'a>> {
        let mut items = Vec::new();
        self.skip(1);
        while self.peek().is_some_and(|next| next != b']') {
            items.push(self.value()?);
        }
        self.skip(1);
        Ok(Answer::Array(items))
    }

    fn text(&mut self) -> serde_json::Result<Cow<'a, str>> {
        let mut escaped = false;
        let closing = self.rest.bytes().skip(1).position(|byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        });
        let quoted = self.take(closing.map_or(self.rest.len(), |place| place + 2));
        if quoted.contains('\\') { serde_json::from_str(quoted).map(Cow::Owned) } else { plain(quoted) }
    }

    fn word(&mut self) -> Answer<'a> {
        let ends = |c: char| c.is_ascii_whitespace() || matches!(c, ',' | ']' | '}');
        match self.take(self.rest.find(ends).unwrap_or(self.rest.len())) {
            "null" => Answer::Null,
            word => Answer::Word(word),
        }
    }

    /// The first byte of what comes next, behind white space and separators.
    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', ',', ':']);
        self.rest.bytes().next()
    }

    fn skip(&mut self, bytes: usize) {
        self.take(bytes);
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes.min(self.rest.len()));
        self.rest = rest;
        taken
    }
}

/// A string without escapes, out of its quotes.
fn plain(quoted: &str) -> serde_json::Result<Cow<'_, str>> {
    serde_json::from_str::<&str>(quoted).map(Cow::Borrowed)
}

/// The key of a whole answer in a vote: equal for answers that say the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Canonical(String);

impl Canonical {
    /// The key of the answer of `who`.
    ///
    /// # Errors
    ///
    /// `Invalid` if it is nested deeper than 127 levels, or contains a string that is no Unicode text.
    pub(crate) fn of(who: &str, answer: &Json) -> Result<Self> {
        Answer::read(who, answer).map(|answer| Self(answer.canonical()))
    }
}

/// The JSON text as it is.
impl fmt::Debug for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
