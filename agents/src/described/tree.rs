//! The values of a file, each with its line.

use serde_json::{Map, Number, Value as JsonValue};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and the line where it stands, from 1.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Text(String),
    /// As it was written.
    Number(String),
    Bool(bool),
    Null,
    List(Vec<Located>),
    Table(Vec<Member>),
    /// What has no JSON form.
    Refused(&'static str),
}

/// A key of a table with its value.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Located,
}

/// A fault of the form: the line, and what is wrong.
pub(super) type FormFault = (usize, String);

/// Reads TOML 1.0, and says all that is wrong with its form.
pub(super) fn toml(text: &str) -> Result<Located, Vec<FormFault>> {
    let lines = Lines(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let fault =
            |error: &toml::de::Error| (error.span().map_or(1, |span| lines.of(&span)), error.message().to_owned());
        return Err(errors.iter().map(fault).collect());
    }
    Ok(Located { line: 1, value: lines.table(table.get_ref()) })
}

struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn of(&self, span: &Range<usize>) -> usize {
        self.0.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
    }

    fn table(&self, table: &DeTable<'_>) -> Value {
        let member = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let name: &std::borrow::Cow<'_, str> = key.get_ref();
            Member { key: name.to_string(), line: self.of(&key.span()), value: self.value(value) }
        };
        Value::Table(table.iter().map(member).collect())
    }

    fn value(&self, value: &Spanned<DeValue<'_>>) -> Located {
        let line = self.of(&value.span());
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Number(number.to_string()),
                Err(_) => Value::Refused("the number is too large"),
            },
            DeValue::Float(number) => match number.as_str() {
                text if text.contains(['n', 'i']) => Value::Refused("this is no number"),
                text => Value::Number(text.trim_start_matches('+').to_owned()),
            },
            DeValue::Boolean(truth) => Value::Bool(*truth),
            DeValue::Datetime(_) => Value::Refused("a date is written as a text"),
            DeValue::Array(items) => Value::List(items.iter().map(|item| self.value(item)).collect()),
            DeValue::Table(table) => self.table(table),
        };
        Located { line, value }
    }
}

impl Located {
    /// What it is, for a message.
    pub(super) fn seen(&self) -> String {
        match &self.value {
            Value::Text(text) => format!("the text {:?}", text.chars().take(60).collect::<String>()),
            Value::Number(number) => format!("the number {number}"),
            Value::Bool(truth) => truth.to_string(),
            Value::Null => "nothing".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
            Value::Refused(_) => "something else".to_owned(),
        }
    }

    /// Its members, if it is a table.
    pub(super) fn members(&self) -> &[Member] {
        match &self.value {
            Value::Table(members) => members,
            _ => &[],
        }
    }

    /// The line of what a path such as `arguments[0].input` leads to; of the last thing on the way that exists.
    pub(super) fn line_of(&self, path: &str) -> usize {
        let (mut at, mut line) = (self, self.line);
        for part in path.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
            let next = match (&at.value, part.parse::<usize>()) {
                (Value::List(items), Ok(index)) => items.get(index).map(|item| (item, item.line)),
                _ => at.members().iter().find(|member| member.key == part).map(|member| (&member.value, member.line)),
            };
            let Some((next, line_of_next)) = next else { break };
            (at, line) = (next, line_of_next);
        }
        line
    }

    /// Its JSON form; else the line and the reason why it has none.
    pub(super) fn json(&self) -> Result<JsonValue, FormFault> {
        Ok(match &self.value {
            Value::Text(text) => JsonValue::String(text.clone()),
            Value::Number(text) => JsonValue::Number(number(text).ok_or((self.line, "no JSON number".to_owned()))?),
            Value::Bool(truth) => JsonValue::Bool(*truth),
            Value::Null => JsonValue::Null,
            Value::List(items) => JsonValue::Array(items.iter().map(Self::json).collect::<Result<_, _>>()?),
            Value::Table(members) => {
                let pair = |member: &Member| Ok((member.key.clone(), member.value.json()?));
                JsonValue::Object(members.iter().map(pair).collect::<Result<Map<_, _>, FormFault>>()?)
            }
            Value::Refused(why) => return Err((self.line, (*why).to_owned())),
        })
    }
}

fn number(text: &str) -> Option<Number> {
    text.parse::<i64>().map(Number::from).ok().or_else(|| Number::from_f64(text.parse().ok()?))
}
