//! How a line is written: for people, or as JSON.
//!
//! Each has the time, the level, the place in the code, the message and the fields of the event; and behind them those of
//! the spans around it, the innermost first, each name once. So a line within the work on a task says of which run, task,
//! attempt, activation, partition, node and trace it is.

use crate::settings::LogFormat;
use crate::telemetry::convention::short;
use crate::telemetry::tracer::now;
use serde_json::{Map, Value};
use std::fmt::{self, Write};
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// To where lines are written, each with its line break.
pub(crate) type Out = Arc<dyn Fn(&str) + Send + Sync>;

/// The layer that writes lines.
pub(crate) struct Lines {
    pub(crate) format: LogFormat,
    pub(crate) out: Out,
}

/// The fields of a span or an event, in their order. Their texts are one behind the other, because there is a span around each
/// task, of which most are never written.
#[derive(Default)]
struct Fields {
    texts: String,
    all: Vec<(&'static str, Is)>,
}

/// What a field is.
#[derive(Clone)]
enum Is {
    /// This part of the texts.
    Text(Range<usize>),
    Plain(Value),
}

impl Fields {
    fn with_room_for(fields: usize) -> Self {
        Self { texts: String::with_capacity(TEXTS), all: Vec::with_capacity(fields) }
    }

    fn put(&mut self, name: &'static str, is: Is) {
        match self.all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = is,
            None => self.all.push((name, is)),
        }
    }

    fn put_text(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        let Some(name) = name(field) else { return };
        let from = self.texts.len();
        // Writing to a text does not fail.
        let _ = self.texts.write_fmt(text);
        self.put(name, Is::Text(from..self.texts.len()));
    }

    fn put_plain(&mut self, field: &Field, is: Is) {
        if let Some(name) = name(field) {
            self.put(name, is);
        }
    }

    fn has(&self, name: &str) -> bool {
        self.all.iter().any(|(known, _)| *known == name)
    }

    /// Takes what it has not got from those around.
    fn extend(&mut self, around: &Self) {
        for (name, is) in &around.all {
            if self.has(name) {
                continue;
            }
            let is = match is {
                Is::Text(range) => {
                    let from = self.texts.len();
                    self.texts.push_str(around.text(range));
                    Is::Text(from..self.texts.len())
                }
                other => other.clone(),
            };
            self.all.push((name, is));
        }
    }

    fn text(&self, range: &Range<usize>) -> &str {
        &self.texts[range.clone()]
    }

    fn value(&self, is: &Is) -> Value {
        match is {
            Is::Text(range) => self.text(range).into(),
            Is::Plain(value) => value.clone(),
        }
    }
}

/// About as much as the texts around a task take.
const TEXTS: usize = 192;

/// What a field is called in a line, unless it says in other words how a trace has it.
fn name(field: &Field) -> Option<&'static str> {
    let name = short(field.name());
    (!name.starts_with("otel.") && !name.starts_with("gen_ai.")).then_some(name)
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put_plain(field, Is::Plain(value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put_plain(field, Is::Plain(value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put_plain(field, Is::Plain(value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put_plain(field, Is::Plain(value.into()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field, format_args!("{value:?}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::with_room_for(attributes.fields().len());
        attributes.record(&mut fields);
        span.extensions_mut().replace(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            let extensions = span.extensions();
            if let Some(around) = extensions.get::<Fields>() {
                fields.extend(around);
            }
        }
        let at = now();
        (self.out)(&match self.format {
            LogFormat::Human => for_people(at, event, &fields),
            LogFormat::Json => as_json(at, event, &fields),
        });
    }
}

/// What is said first.
const MESSAGE: &str = "message";

fn for_people(at: SystemTime, event: &Event<'_>, fields: &Fields) -> String {
    let metadata = event.metadata();
    let mut line = String::with_capacity(256);
    let time = humantime::format_rfc3339_millis(at);
    // Writing to a text does not fail.
    let _ = write!(line, "{time} {:>5} {}:", metadata.level(), metadata.target());
    if let Some((_, Is::Text(message))) = fields.all.iter().find(|(name, _)| *name == MESSAGE) {
        let _ = write!(line, " {}", Plain(fields.text(message)));
    }
    for (name, is) in fields.all.iter().filter(|(name, _)| *name != MESSAGE) {
        let _ = match is {
            Is::Text(range) if is_word(fields.text(range)) => write!(line, " {name}={}", fields.text(range)),
            is => write!(line, " {name}={}", fields.value(is)),
        };
    }
    line.push('\n');
    line
}

/// A text that can stand as it is: a line is one line, whatever somebody has put into it.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '"' && c != '=')
}

/// A message, which has blanks, and no line of its own.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .try_for_each(|c| if c.is_control() { write!(f, "{}", c.escape_default()) } else { f.write_char(c) })
    }
}

fn as_json(at: SystemTime, event: &Event<'_>, fields: &Fields) -> String {
    let metadata = event.metadata();
    let mut line = Map::new();
    for (name, is) in &fields.all {
        line.insert((*name).to_owned(), fields.value(is));
    }
    line.insert("time".into(), humantime::format_rfc3339_millis(at).to_string().into());
    line.insert("level".into(), metadata.level().as_str().to_lowercase().into());
    line.insert("target".into(), metadata.target().into());
    let mut line = Value::Object(line).to_string();
    line.push('\n');
    line
}
