//! Reads YAML 1.2, of which JSON is a part, without what a description has no use for: anchors, tags, several documents.

use super::tree::{FormFault, Located, Member, Value};
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use std::collections::BTreeSet;

/// Values in one another at most.
const DEPTH_MAX: usize = 64;

/// Reads the one document of a text; the first thing that is wrong with its form.
pub(super) fn yaml(text: &str) -> Result<Located, Vec<FormFault>> {
    Reader(Parser::new_from_str(text)).document().map_err(|fault| vec![fault])
}

struct Reader<'a>(Parser<'a, StrInput<'a>>);

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), FormFault> {
        match self.0.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err((error.marker().line(), error.info().to_owned())),
            None => Err((1, "the text ends too early".to_owned())),
        }
    }

    fn document(&mut self) -> Result<Located, FormFault> {
        let mut document = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                // An empty file describes nothing, but says that by what is missing.
                Event::StreamEnd => return Ok(document.unwrap_or(Located { line: 1, value: Value::Table(Vec::new()) })),
                _ if document.is_some() => return Err((span.start.line(), "a second document begins here".to_owned())),
                event => document = Some(self.value(event, span, 0)?),
            }
        }
    }

    fn value(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Located, FormFault> {
        let line = span.start.line();
        let fault = |what: &str| (line, what.to_owned());
        if depth > DEPTH_MAX {
            return Err((line, format!("more than {DEPTH_MAX} values in one another")));
        }
        let value = match event {
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                return Err(fault("a tag has no meaning here"));
            }
            Event::Alias(_) => return Err(fault("an alias is not allowed here; repeat what it stands for")),
            Event::Scalar(text, ScalarStyle::Plain, ..) => plain(&text),
            Event::Scalar(text, ..) => Value::Text(text.into_owned()),
            Event::SequenceStart(..) => Value::List(self.items(depth)?),
            Event::MappingStart(..) => Value::Table(self.members(depth)?),
            _ => return Err(fault("a value is missing here")),
        };
        Ok(Located { line, value })
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Located>, FormFault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.value(event, span, depth + 1)?),
            }
        }
    }

    fn members(&mut self, depth: usize) -> Result<Vec<Member>, FormFault> {
        let (mut members, mut seen) = (Vec::new(), BTreeSet::new());
        loop {
            let (event, span) = self.next()?;
            let line = span.start.line();
            let key = match event {
                Event::MappingEnd => return Ok(members),
                Event::Scalar(key, _, _, None) => key.into_owned(),
                _ => return Err((line, "a key is a text".to_owned())),
            };
            if !seen.insert(key.clone()) {
                return Err((line, format!("the key {key:?} stands here for the second time")));
            }
            let (event, span) = self.next()?;
            members.push(Member { key, line, value: self.value(event, span, depth + 1)? });
        }
    }
}

/// A scalar without quotes, by the core schema (YAML 1.2.2, section 10.3.2): `yes`, `no` and `1.2.3` are texts.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.trim_start_matches('+').to_owned()),
        _ => Value::Text(text.to_owned()),
    }
}

/// Digits, perhaps with a point or an exponent; neither `.inf` nor `nan`.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    unsigned.starts_with(|first: char| first.is_ascii_digit())
        && unsigned.ends_with(|last: char| last.is_ascii_digit())
        && text.parse::<f64>().is_ok_and(f64::is_finite)
}
