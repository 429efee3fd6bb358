//! An envelope as AMQP carries it: CloudEvents 1.0 in binary mode, and back.
//!
//! What a head says stands in headers, as texts. The native properties repeat what the broker or its tools look at, where
//! it is short enough for them. Headers that are not known are ignored.

mod time;

use super::names::Names;
use crate::port::bus::{Envelope, Head};
use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

const ID: &str = "cloudEvents_id";
const KIND: &str = "cloudEvents_type";
const SOURCE: &str = "cloudEvents_source";
const SUBJECT: &str = "cloudEvents_subject";
const TIME: &str = "cloudEvents_time";
const VERSION: &str = "cloudEvents_specversion";
const TRACE_PARENT: &str = "traceparent";
const TRACE_STATE: &str = "tracestate";
const DATA_REF: &str = "dataref";
const RUN: &str = "cb_run";
const TASK: &str = "cb_task";
const CAPABILITY: &str = "cb_capability";
const ATTEMPT: &str = "cb_attempt";
const ACTIVATION: &str = "cb_activation";
const TICKET: &str = "cb_ticket";
const TENANT: &str = "cb_tenant";
const DEADLINE: &str = "cb_deadline";
const FROM: &str = "cb_from";
const TO: &str = "cb_to";
/// For a correlation id that is too long for the native property.
const CORRELATION: &str = "cb_correlation";
/// For a time that RFC 3339 has no year for.
const TIME_MS: &str = "cb_time";

/// The version of CloudEvents.
const SPECIFIED: &str = "1.0";
/// The longest native property.
const SHORT_MAX: usize = 255;
/// What a native property or the frame itself takes at most beside its text.
const OVERHEAD: usize = 16;

/// Whether the broker writes a message to disk, where its queue is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// It survives a restart of the broker.
    OnDisk,
    /// It does not.
    InMemory,
}

impl Keep {
    /// As AMQP calls it.
    pub(super) fn mode(self) -> u8 {
        match self {
            Self::OnDisk => 2,
            Self::InMemory => 1,
        }
    }
}

/// A message as AMQP carries it.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) properties: BasicProperties,
    pub(super) body: Bytes,
}

/// Why a message cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("the attribute {0} is missing")]
    Missing(&'static str),
    #[error("the attribute {name} is not what it should be: {value:?}")]
    Malformed { name: &'static str, value: String },
}

impl Message {
    /// At least how many bytes everything but the body takes. The broker wants it in one frame.
    pub(super) fn head_bytes(&self) -> usize {
        let p = &self.properties;
        let natives = [p.message_id(), p.correlation_id(), p.reply_to(), p.kind(), p.content_type()];
        let natives: usize = natives.into_iter().flatten().map(|text| text.as_str().len() + OVERHEAD).sum();
        let headers = p.headers().iter().flat_map(|headers| headers.inner());
        natives + OVERHEAD + headers.map(|(name, value)| name.as_str().len() + size(value) + OVERHEAD).sum::<usize>()
    }
}

fn size(value: &AMQPValue) -> usize {
    match value {
        AMQPValue::LongString(text) => text.len(),
        AMQPValue::ByteArray(bytes) => bytes.len(),
        AMQPValue::FieldTable(table) => {
            table.inner().iter().map(|(name, value)| name.as_str().len() + size(value) + OVERHEAD).sum()
        }
        AMQPValue::FieldArray(array) => array.as_slice().iter().map(|value| size(value) + OVERHEAD).sum(),
        _ => OVERHEAD,
    }
}

/// The envelope as a message.
pub(super) fn encode(envelope: &Envelope, names: &Names, keep: Keep) -> Message {
    let head = &*envelope.head;
    let mut headers = Headers::default();
    headers.put(ID, &head.id);
    headers.put(KIND, &head.kind);
    headers.put(SOURCE, &head.source);
    headers.put(VERSION, SPECIFIED);
    headers.put_some(SUBJECT, head.subject.as_deref());
    headers.put_some(RUN, head.run.as_deref());
    headers.put_some(TASK, head.task.as_deref());
    headers.put_some(CAPABILITY, head.capability.as_deref());
    headers.put_some(ATTEMPT, head.attempt);
    headers.put_some(ACTIVATION, head.activation);
    headers.put_some(TICKET, head.ticket.as_deref());
    headers.put_some(TENANT, head.tenant.as_deref());
    headers.put_some(DEADLINE, head.deadline_unix_ms);
    headers.put_some(FROM, head.from.as_deref());
    headers.put_some(TO, head.to.as_deref());
    headers.put_some(DATA_REF, head.data_ref.as_deref());
    headers.put_some(TRACE_PARENT, head.trace_parent.as_deref());
    headers.put_some(TRACE_STATE, head.trace_state.as_deref());
    if let Some(at) = head.time_unix_ms {
        match time::text(at) {
            Some(text) => headers.put(TIME, text),
            None => headers.put(TIME_MS, at),
        }
    }
    let mut properties =
        BasicProperties::default().with_content_type("application/json".into()).with_delivery_mode(keep.mode());
    if let Some(id) = short(&head.id) {
        properties = properties.with_message_id(id);
    }
    if let Some(kind) = short(&head.kind) {
        properties = properties.with_type(kind);
    }
    if let Some(id) = &head.correlation_id {
        match short(id) {
            Some(id) => properties = properties.with_correlation_id(id),
            None => headers.put(CORRELATION, id),
        }
    }
    if let Some(queue) = &head.reply_to {
        properties = properties.with_reply_to(names.queue(queue));
    }
    if let Some(priority) = head.priority {
        properties = properties.with_priority(priority);
    }
    Message { properties: properties.with_headers(headers.0), body: envelope.body.clone() }
}

/// The message as an envelope. Who writes from outside may leave the id and the type to the native properties.
pub(super) fn decode(properties: &BasicProperties, body: Bytes, names: &Names) -> Result<Envelope, Unreadable> {
    let none = BTreeMap::new();
    let headers = Read(properties.headers().as_ref().map_or(&none, FieldTable::inner));
    if let Some(version) = headers.text(VERSION)?.filter(|version| version != SPECIFIED) {
        return Err(Unreadable::Malformed { name: VERSION, value: version });
    }
    let native = |text: &Option<ShortString>| text.as_ref().map(|text| text.as_str().to_owned());
    let head = Head {
        id: headers.text(ID)?.or_else(|| native(properties.message_id())).ok_or(Unreadable::Missing(ID))?,
        kind: headers.text(KIND)?.or_else(|| native(properties.kind())).ok_or(Unreadable::Missing(KIND))?,
        source: headers.text(SOURCE)?.ok_or(Unreadable::Missing(SOURCE))?,
        subject: headers.text(SUBJECT)?,
        time_unix_ms: match headers.text(TIME)? {
            Some(text) => Some(time::read(&text).ok_or(Unreadable::Malformed { name: TIME, value: text })?),
            None => headers.number(TIME_MS)?,
        },
        correlation_id: headers.text(CORRELATION)?.or_else(|| native(properties.correlation_id())),
        reply_to: match properties.reply_to() {
            Some(name) => {
                let malformed = || Unreadable::Malformed { name: "reply_to", value: name.to_string() };
                Some(names.parse(name.as_str()).ok_or_else(malformed)?)
            }
            None => None,
        },
        run: headers.text(RUN)?,
        task: headers.text(TASK)?,
        capability: headers.text(CAPABILITY)?.map(Arc::from),
        attempt: headers.number(ATTEMPT)?,
        activation: headers.number(ACTIVATION)?,
        ticket: headers.text(TICKET)?,
        tenant: headers.text(TENANT)?,
        deadline_unix_ms: headers.number(DEADLINE)?,
        from: headers.text(FROM)?,
        to: headers.text(TO)?,
        priority: *properties.priority(),
        data_ref: headers.text(DATA_REF)?,
        trace_parent: headers.text(TRACE_PARENT)?,
        trace_state: headers.text(TRACE_STATE)?,
    };
    Ok(Envelope { head: Arc::new(head), body })
}

/// As a native property, if it is short enough.
fn short(text: &str) -> Option<ShortString> {
    (text.len() <= SHORT_MAX).then(|| text.into())
}

/// Headers that are written.
#[derive(Default)]
struct Headers(FieldTable);

impl Headers {
    fn put(&mut self, name: &'static str, value: impl ToString) {
        self.0.insert(name.into(), AMQPValue::LongString(value.to_string().into()));
    }

    fn put_some(&mut self, name: &'static str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }
}

/// Headers that are read.
struct Read<'a>(&'a BTreeMap<ShortString, AMQPValue>);

impl Read<'_> {
    /// A text; numbers are taken for one, as clients write what their language offers.
    fn text(&self, name: &'static str) -> Result<Option<String>, Unreadable> {
        let Some(value) = self.0.get(name).or_else(|| self.0.get(&*with_colon(name))) else { return Ok(None) };
        let text = match value {
            AMQPValue::LongString(text) => match std::str::from_utf8(text.as_bytes()) {
                Ok(text) => text.to_owned(),
                Err(_) => return Err(Unreadable::Malformed { name, value: text.to_string() }),
            },
            AMQPValue::ShortString(text) => text.to_string(),
            AMQPValue::ShortShortInt(number) => number.to_string(),
            AMQPValue::ShortShortUInt(number) => number.to_string(),
            AMQPValue::ShortInt(number) => number.to_string(),
            AMQPValue::ShortUInt(number) => number.to_string(),
            AMQPValue::LongInt(number) => number.to_string(),
            AMQPValue::LongUInt(number) => number.to_string(),
            AMQPValue::LongLongInt(number) => number.to_string(),
            AMQPValue::Void => return Ok(None),
            other => return Err(Unreadable::Malformed { name, value: format!("{:?}", other.get_type()) }),
        };
        Ok(Some(text))
    }

    fn number<N: FromStr>(&self, name: &'static str) -> Result<Option<N>, Unreadable> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Unreadable::Malformed { name, value: text })
    }
}

/// The other way to write CloudEvents' attributes, which its binding to AMQP allows.
fn with_colon(name: &str) -> String {
    name.replacen('_', ":", 1)
}

#[cfg(test)]
mod tests;
