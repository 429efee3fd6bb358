//! YAML 1.2 with places, as far as it has a JSON form.
//!
//! Scalars mean what the core schema of YAML 1.2 says: `yes`, `no`, `on` and `off` are texts, and so is `12:30`.

use super::fault::Fault;
use super::tree::{Budget, DEPTH_MAX, Key, Located, Member, Place, Value, cut, decimal, too_deep};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};
use std::borrow::Cow;
use std::collections::HashMap;

/// Reads the one document of a text, or says what is wrong with its form.
pub(super) fn read(text: &str) -> Result<Located, Fault> {
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), budget: Budget::new() };
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) => {}
            Event::StreamEnd => return Err(Fault::at(place(&span.start), "the document is empty")),
            event => {
                let document = reader.value(event, span, 0)?;
                reader.end()?;
                return Ok(document);
            }
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// Values by the number of their anchor, once they are whole.
    anchors: HashMap<usize, Located>,
    budget: Budget,
}

fn place(mark: &Marker) -> Place {
    Place { line: mark.line(), column: mark.col() + 1 }
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            // The scanner reads ahead, and has a limit of its own, above ours.
            Some(Err(error)) if error.info().contains("recursion limit") => {
                Err(Fault::at(place(error.marker()), too_deep()))
            }
            Some(Err(error)) => Err(Fault::at(place(error.marker()), error.info())),
            None => Err(Fault::at(Place { line: 1, column: 1 }, "the document ends too early")),
        }
    }

    fn end(&mut self) -> Result<(), Fault> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::DocumentEnd => {}
                Event::StreamEnd => return Ok(()),
                _ => return Err(Fault::at(place(&span.start), "a second document begins here; a workflow is one")),
            }
        }
    }

    fn value(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Located, Fault> {
        let place = place(&span.start);
        if depth > DEPTH_MAX {
            return Err(Fault::at(place, too_deep()));
        }
        let limit = |limit| Fault::at(place, limit);
        let (value, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, place),
            Event::Scalar(text, style, anchor, tag) => {
                self.budget.spend(text.len()).map_err(limit)?;
                (scalar(text, style, tag.as_deref()), anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.budget.spend(0).map_err(limit)?;
                let items = self.items(depth)?;
                (collection(Value::List(items), "seq", tag.as_deref()), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.budget.spend(0).map_err(limit)?;
                let members = self.members(depth)?;
                (collection(Value::Map(members), "map", tag.as_deref()), anchor)
            }
            _ => return Err(Fault::at(place, "a value is missing here")),
        };
        let located = Located { value, place };
        if anchor != 0 {
            self.budget.spend_copy(&located).map_err(limit)?;
            self.anchors.insert(anchor, located.clone());
        }
        Ok(located)
    }

    /// A copy of what has the anchor. Copies are paid for before they are made, or a few lines would fill the memory
    /// ("billion laughs").
    fn alias(&mut self, anchor: usize, place: Place) -> Result<Located, Fault> {
        let Some(found) = self.anchors.get(&anchor) else {
            return Err(Fault::at(place, "this alias stands inside of what it names"));
        };
        self.budget.spend_copy(found).map_err(|limit| Fault::at(place, limit))?;
        Ok(found.clone())
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Located>, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.value(event, span, depth + 1)?),
            }
        }
    }

    fn members(&mut self, depth: usize) -> Result<Vec<Member>, Fault> {
        let mut members = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(members);
            }
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = key(self.value(event, span, depth + 1)?, is_merge);
            let (event, span) = self.next()?;
            members.push(Member { key, value: self.value(event, span, depth + 1)? });
        }
    }
}

fn key(key: Located, is_merge: bool) -> Key {
    let quoted = |seen: &str| format!("a key is a text, not {seen}; write it in quotes");
    let (name, refused) = match key.value {
        Value::Text(text) if is_merge => (text, Some("YAML 1.2 has no merge keys; repeat what is to be merged".into())),
        Value::Text(text) => (text, None),
        Value::Number(text) => (text.clone(), Some(quoted(&format!("the number {}", cut(&text))))),
        Value::Bool(value) => (value.to_string(), Some(quoted(&value.to_string()))),
        Value::Null => ("null".into(), Some(quoted("null"))),
        Value::Refused(reason) => ("?".into(), Some(reason)),
        Value::List(_) => ("?".into(), Some("a key is a text, not a list".into())),
        Value::Map(_) => ("?".into(), Some("a key is a text, not a map".into())),
    };
    Key { name, place: key.place, refused }
}

/// A list or a map, unless it has a tag that makes it something else.
fn collection(value: Value, own: &str, tag: Option<&Tag>) -> Value {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == own) => unknown_tag(tag),
        _ => value,
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Value::Text(text.into_owned()),
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Value::Text(text.into_owned()),
        Some(tag) => unknown_tag(tag),
        None if style == ScalarStyle::Plain => plain(text),
        None => Value::Text(text.into_owned()),
    }
}

fn unknown_tag(tag: &Tag) -> Value {
    Value::Refused(format!("the tag {:?} has no meaning here; of YAML's tags only !!str has", cut(&tag.to_string())))
}

/// A scalar without quotes, by the core schema (YAML 1.2.2, section 10.3.2).
fn plain(text: Cow<'_, str>) -> Value {
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(&text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(&*text, ".nan" | ".NaN" | ".NAN") {
        return Value::Refused(format!("{text} has no JSON form"));
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        let digits = text.strip_prefix(prefix).filter(|digits| !digits.is_empty());
        if let Some(digits) = digits.filter(|digits| digits.chars().all(|digit| digit.is_digit(radix))) {
            let too_large = || format!("{} is too large for a number in base {radix}; write it in decimal", cut(&text));
            return u128::from_str_radix(digits, radix)
                .map_or_else(|_| Value::Refused(too_large()), |number| Value::Number(number.to_string()));
        }
    }
    decimal(&text).map_or_else(|| Value::Text(text.into_owned()), Value::Number)
}
