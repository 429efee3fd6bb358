use super::{Keep, Message, Unreadable, decode, encode};
use crate::port::bus::rabbitmq::names::Names;
use crate::port::bus::{Envelope, Head, QueueName};
use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use proptest::option::of;
use proptest::prelude::*;
use std::sync::Arc;

/// Texts of any kind, some longer than a native property.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,20}", ".{0,20}", "[a-zé]{200,400}"]
}

fn queue() -> impl Strategy<Value = QueueName> {
    "[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,199}".prop_filter_map("reserved", |name| name.parse().ok())
}

prop_compose! {
    fn heads()(
        (id, kind, source) in (text(), text(), text()),
        (subject, correlation_id, run, task) in (of(text()), of(text()), of(text()), of(text())),
        (capability, from, to, data_ref) in (of(text()), of(text()), of(text()), of(text())),
        (trace_parent, trace_state, reply_to, ticket) in (of(text()), of(text()), of(queue()), of(text())),
        (tenant, time_unix_ms, deadline_unix_ms) in (of(text()), of(any::<i64>()), of(any::<i64>())),
        near in of(0..4_102_444_800_000_i64),
        (attempt, activation, priority) in (of(any::<u32>()), of(any::<u32>()), of(any::<u8>())),
    ) -> Head {
        Head {
            id, kind, source, subject, correlation_id, run, task, from, to, data_ref, trace_parent, trace_state, reply_to, ticket, tenant,
            time_unix_ms: near.or(time_unix_ms),
            deadline_unix_ms, attempt, activation, priority,
            capability: capability.map(Arc::from),
        }
    }
}

proptest! {
    #[test]
    fn every_attribute_comes_back(head in heads(), body: Vec<u8>, space in "[a-z]{1,8}") {
        let names = Names::new(&space).unwrap();
        let envelope = Envelope { head: Arc::new(head), body: body.into() };
        let Message { properties, body } = encode(&envelope, &names, Keep::OnDisk);
        prop_assert_eq!(decode(&properties, body, &names), Ok(envelope));
    }

    #[test]
    fn no_header_makes_it_panic(values in prop::collection::vec((0..6_usize, any::<Vec<u8>>()), 0..8)) {
        let headers = ["cloudEvents_time", "cb_attempt", "cloudEvents_id", "cloudEvents:type", "cb_deadline", "other"];
        let mut table = FieldTable::default();
        for (name, value) in values {
            table.insert(headers[name].into(), AMQPValue::LongString(value.into()));
        }
        let _any = decode(&BasicProperties::default().with_headers(table), Bytes::new(), &plain());
    }
}

fn plain() -> Names {
    Names::new("default").unwrap()
}

/// What stands in the headers and properties of a message that says all.
#[test]
fn an_envelope_looks_like_this_on_the_wire() {
    let envelope = Envelope::new("m-1", "callboard.task.dispatch.v1", "node-1", "{}").with(|head| {
        head.time_unix_ms = Some(1_700_000_000_123);
        head.correlation_id = Some("order-42".into());
        head.reply_to = Some(QueueName::node("a").unwrap());
        head.attempt = Some(2);
        head.capability = Some("text.draft".into());
        head.priority = Some(7);
        head.trace_parent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    });
    let Message { properties, .. } = encode(&envelope, &Names::new("prod").unwrap(), Keep::InMemory);
    let headers = properties.headers().clone().unwrap();
    let headers: Vec<String> = headers.inner().iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    let text = |name: &str, value: &str| format!("{name}={:?}", AMQPValue::LongString(value.into()));
    let expected = [
        text("cb_attempt", "2"),
        text("cb_capability", "text.draft"),
        text("cloudEvents_id", "m-1"),
        text("cloudEvents_source", "node-1"),
        text("cloudEvents_specversion", "1.0"),
        text("cloudEvents_time", "2023-11-14T22:13:20.123Z"),
        text("cloudEvents_type", "callboard.task.dispatch.v1"),
        text("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ];
    assert_eq!(headers, expected);
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "m-1");
    assert_eq!(properties.kind().as_ref().unwrap().as_str(), "callboard.task.dispatch.v1");
    assert_eq!(properties.correlation_id().as_ref().unwrap().as_str(), "order-42");
    assert_eq!(properties.reply_to().as_ref().unwrap().as_str(), "prod.node.a", "as the broker calls it");
    assert_eq!((*properties.priority(), *properties.delivery_mode()), (Some(7), Some(1)));
}

/// Reads a message with these headers beside those that every message has.
fn read(headers: &[(&str, AMQPValue)]) -> Result<Envelope, Unreadable> {
    let mut table = FieldTable::default();
    table.insert("cloudEvents_source".into(), AMQPValue::LongString("stranger".into()));
    for (name, value) in headers {
        table.insert((*name).into(), value.clone());
    }
    let properties = BasicProperties::default().with_message_id("1".into()).with_type("test".into());
    decode(&properties.with_headers(table), Bytes::from_static(b"{}"), &plain())
}

#[test]
fn strangers_may_write_it_in_their_own_way() {
    let long = |text: &str| AMQPValue::LongString(text.into());
    let envelope = read(&[
        ("cloudEvents:subject", AMQPValue::ShortString("draft".into())),
        ("cloudEvents_time", long("2023-11-15T00:13:20.123456+02:00")),
        ("cb_attempt", AMQPValue::LongInt(2)),
        ("cb_deadline", AMQPValue::LongLongInt(-1)),
        ("unheard-of", AMQPValue::Boolean(true)),
    ]);
    let head = &envelope.unwrap().head;
    assert_eq!((head.id.as_str(), head.kind.as_str(), head.source.as_str()), ("1", "test", "stranger"));
    assert_eq!(head.subject.as_deref(), Some("draft"));
    assert_eq!(head.time_unix_ms, Some(1_700_000_000_123));
    assert_eq!((head.attempt, head.deadline_unix_ms), (Some(2), Some(-1)));
}

#[test]
fn what_is_malformed_is_named() {
    let long = |text: &str| AMQPValue::LongString(text.into());
    let cases = [
        ("cb_attempt", long("-1"), "the attribute cb_attempt is not what it should be: \"-1\""),
        ("cb_run", AMQPValue::Boolean(true), "the attribute cb_run is not what it should be: \"Boolean\""),
        (
            "cloudEvents_time",
            long("yesterday"),
            "the attribute cloudEvents_time is not what it should be: \"yesterday\"",
        ),
        (
            "cloudEvents_specversion",
            long("2.0"),
            "the attribute cloudEvents_specversion is not what it should be: \"2.0\"",
        ),
    ];
    for (name, value, words) in cases {
        assert_eq!(read(&[(name, value)]).unwrap_err().to_string(), words);
    }
    let bare = decode(&BasicProperties::default(), Bytes::new(), &plain());
    assert_eq!(bare.unwrap_err().to_string(), "the attribute cloudEvents_id is missing");
    let reply =
        BasicProperties::default().with_message_id("1".into()).with_type("t".into()).with_reply_to("amq.x".into());
    let mut headers = FieldTable::default();
    headers.insert("cloudEvents_source".into(), long("s"));
    let reply = decode(&reply.with_headers(headers), Bytes::new(), &plain());
    assert_eq!(reply.unwrap_err().to_string(), "the attribute reply_to is not what it should be: \"amq.x\"");
}

/// The estimate decides whether a message fits into a frame, so it may be too high and never too low.
#[test]
fn the_head_is_not_smaller_than_it_is_said_to_be() {
    let big = "x".repeat(10_000);
    let envelope = Envelope::new("1", "test", "s", "").with(|head| {
        head.subject = Some(big.clone());
        head.trace_state = Some(big);
    });
    let message = encode(&envelope, &plain(), Keep::OnDisk);
    let mut bytes = Vec::new();
    let written = lapin::protocol::basic::gen_properties(&message.properties);
    bytes = written(bytes.into()).unwrap().into_inner().0;
    assert!(message.head_bytes() >= bytes.len(), "{} < {}", message.head_bytes(), bytes.len());
}
