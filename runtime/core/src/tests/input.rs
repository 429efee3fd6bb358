//! Inputs: what is a reference, and that everything else goes through byte for byte.

use super::text_of;
use crate::input::Input;
use crate::{Event, EventKind, Json, Millis, Payload, RunEnded, RunOutcome, RunsArchived, TaskIndex};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The input as a handler sees it, if task `a` has output `<A>`, and so on.
fn resolved(input: &str) -> String {
    let lookup = |name: &str| ["a", "b", "c"].iter().position(|task| *task == name).map(|n| TaskIndex(n as u32));
    let compiled = Input::compile(&Json::parse(input).unwrap(), &lookup);
    if !compiled.faults.is_empty() {
        return format!("{:?}", compiled.faults);
    }
    let outputs = ["\"<A>\"", "{\"$from\":\"c\"}", "[1.0e+2]"].map(|text| Payload::Json(Json::parse(text).unwrap()));
    text_of(&compiled.input.resolve(|task| outputs.get(task.at())).unwrap())
}

#[track_caller]
fn check(input: &str, expected: &str) {
    let seen = resolved(input);
    assert_eq!(seen, expected);
    serde_json::from_str::<&serde_json::value::RawValue>(&seen).unwrap();
}

#[test]
fn references_are_replaced() {
    check(r#"{"$from":"a"}"#, r#""<A>""#);
    check(r#"{"x":{"$from":"a"},"y":[{"$from":"b"},{"$from":"c"}]}"#, r#"{"x":"<A>","y":[{"$from":"c"},[1.0e+2]]}"#);
    check(r#"{"$all":["a","c","a"]}"#, r#"["<A>",[1.0e+2],"<A>"]"#);
    check(r#"{"x":{"$all":[]}}"#, r#"{"x":[]}"#);
    check(r#"[ { "$from" : "a" } ,{"$all":["a"]}]"#, r#"[ "<A>" ,["<A>"]]"#);
    check(
        r#"[{},{"x":[{ }]},{"y":{"$from":"a"},"z":{"$all":["a"]}},"$from"]"#,
        r#"[{},{"x":[{ }]},{"y":"<A>","z":["<A>"]},"$from"]"#,
    );
    check(r#"{"$from":"\u0061"}"#, r#""<A>""#);
}

#[test]
fn outputs_are_never_scanned() {
    check(r#"{"$from":"b"}"#, r#"{"$from":"c"}"#);
    check(r#"{"$all":["b"]}"#, r#"[{"$from":"c"}]"#);
}

#[test]
fn literals_are_never_scanned() {
    check(r#"{"$literal":{"$from":"a"}}"#, r#"{"$from":"a"}"#);
    check(r#"{"$literal":{"$literal":{"$from":"nobody","x":1}}}"#, r#"{"$literal":{"$from":"nobody","x":1}}"#);
    check(r#"[{"$literal": [ {"$all":7} ] },{"$from":"a"}]"#, r#"[[ {"$all":7} ],"<A>"]"#);
    check(
        r#"{"k":{"$literal":"}\"]{"},"l":{"$literal":12},"m":{"$literal":null }}"#,
        r#"{"k":"}\"]{","l":12,"m":null}"#,
    );
}

#[test]
fn a_key_may_be_spelt_with_escapes() {
    check(r#"{"\u0024from":"a"}"#, r#""<A>""#);
    check(r#"{"\u0024\u0066\u0072\u006f\u006d":"a"}"#, r#""<A>""#);
    check(r#"{"\u0024\u006c\u0069\u0074\u0065\u0072\u0061\u006c":{"$from":"a"}}"#, r#"{"$from":"a"}"#);
    check(r#"{"\u0024all":["a"]}"#, r#"["<A>"]"#);
    check(r#"{"\\u0024from":"a"}"#, r#"{"\\u0024from":"a"}"#);
}

#[test]
fn what_only_looks_like_a_reference_is_data() {
    for data in [
        r#""$from""#,
        r#"{"x":"$from"}"#,
        r#"{"$From":"a","$":1,"from":"b","$fromm":2}"#,
        r#"["$from","a",{"x":["$all"]}]"#,
        r#"{"x":"{\"$from\":\"a\"}"}"#,
        r#"{"x":"\\","y":"$from"}"#,
        r#"{"$\ud800":1}"#,
        r#"{"$ref":"a","$schema":{"$id":1}}"#,
    ] {
        check(data, data);
    }
}

#[test]
fn the_rest_survives_byte_for_byte() {
    for data in [
        "123456789012345678901234567890",
        "-0",
        "-0.0",
        "1e400",
        "1E-7",
        "0.1000000000000000055511151231257827021181583404541015625",
        "3.0",
        "\"\\u00e9\\/\\ud83d\\ude00\"",
        "{\"b\":1,\"a\":2,\"b\":3}",
        "{ \"\\u0061\" : [ 1 ,2 ] }",
        "\"\u{2028}\u{85}\"",
    ] {
        check(data, data);
        check(&format!("{{\"$literal\":{data}}}"), data);
        check(&format!("{{\"x\":{data},\"y\":{{\"$from\":\"a\"}}}}"), &format!("{{\"x\":{data},\"y\":\"<A>\"}}"));
        // Through a line of the journal, too.
        let output = Payload::Json(Json::parse(data).unwrap());
        let holder = crate::InstanceId::new("n", "a");
        let completed = crate::TaskCompleted { task: TaskIndex(0), token: crate::Token::FIRST, holder, output };
        let kind = EventKind::TaskCompleted(completed);
        let event = Event { seq: 1, at: Millis(0), run: Some(super::board::name_id("r")), kind };
        let mut line = Vec::new();
        event.encode(&mut line);
        assert!(String::from_utf8(line.clone()).unwrap().contains(data));
        assert_eq!(Event::decode(&line).unwrap(), event);
    }
}

/// Neither the depth nor the size of an author's text may cost a stack or the square of its length.
#[test]
fn deep_and_large_inputs_are_read_in_one_go() {
    let deep = format!("{}{{\"$from\":\"a\"}}{}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(resolved(&deep), deep.replace("{\"$from\":\"a\"}", "\"<A>\""));
    let deep = format!("{}{{\"$from\":\"a\"}}{}", "{\"$x\":".repeat(100_000), "}".repeat(100_000));
    assert_eq!(resolved(&deep), deep.replace("{\"$from\":\"a\"}", "\"<A>\""));
    let literal = format!("{{\"$literal\":{}1{}}}", "{\"$literal\":".repeat(100_000), "}".repeat(100_000));
    assert_eq!(resolved(&literal).len(), literal.len() - "{\"$literal\":}".len());
    let blanks = " ".repeat(200_000);
    let beside = format!("{{{blanks}{}\"x\":1}}", "\"$from\":\"a\",".repeat(20_000));
    assert!(resolved(&beside).contains("stands beside other keys"));
}

#[test]
fn a_line_break_between_values_never_breaks_a_line() {
    let text = "{\r\n  \"a\": 1,\n\n\t\"b\": [\n]\r}\n";
    let json = Json::parse(text).unwrap();
    assert!(!json.as_str().contains(['\n', '\r']), "{json:?}");
    let raw = serde_json::from_str::<Box<serde_json::value::RawValue>>(text).unwrap();
    assert_eq!(Json::of(&raw).unwrap(), json);
    assert_eq!(serde_json::from_str::<Json>(text).unwrap(), json);
    assert_eq!(Json::parse("[\r1]").unwrap().as_str(), "[ 1]");
    assert_eq!(serde_json::from_str::<Payload>(&format!("{{\"json\":{text}}}")).unwrap(), Payload::Json(json.clone()));

    let archived = RunsArchived { runs: Vec::new(), page: json };
    let mut lines = Vec::new();
    Event { seq: 1, at: Millis(0), run: None, kind: EventKind::RunsArchived(archived) }.encode(&mut lines);
    Event { seq: 2, at: Millis(0), run: None, kind: EventKind::RunEnded(RunEnded { outcome: RunOutcome::Failed }) }
        .encode(&mut lines);
    assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 2);
}

#[test]
fn a_line_break_inside_a_string_is_no_json() {
    assert!(Json::parse("\"a\nb\"").is_err());
    assert!(Json::parse("\"a\rb\"").is_err());
    assert_eq!(Json::parse("\"a\\nb\"").unwrap().as_str(), "\"a\\nb\"");
    assert!(Json::parse("").is_err() && Json::parse("1 2").is_err() && Json::parse("{").is_err());
}

/// Any JSON, with references and near misses in it.
fn any_input() -> impl Strategy<Value = Value> {
    let text = || {
        let words =
            vec!["$from", "$all", "$literal", "a", "b", "nobody", "}", "\"", "\\", "\\\"$from\":", "\n", "é", ""];
        proptest::sample::select(words)
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
        (text(), text()).prop_map(|(a, b)| Value::from(format!("{a}{b}"))),
        text().prop_map(|name| json!({ "$from": name })),
        proptest::collection::vec(text(), 0..3).prop_map(|names| json!({ "$all": names })),
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        let members = proptest::collection::vec((text(), inner.clone()), 0..4);
        prop_oneof![
            2 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => members.prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            1 => inner.prop_map(|value| json!({ "$literal": value })),
        ]
    })
}

/// What the input means, found on the parsed value; `None` if something about it is wrong.
fn meaning(value: &Value) -> Option<Value> {
    let output = |name: &Value| match name.as_str()? {
        "a" => Some(json!("<A>")),
        "b" => Some(json!({ "$from": "c" })),
        _ => None,
    };
    match value {
        Value::Array(items) => items.iter().map(meaning).collect::<Option<Vec<_>>>().map(Value::from),
        Value::Object(members) => {
            match ["$from", "$all", "$literal"].into_iter().find(|key| members.contains_key(*key)) {
                Some(_) if members.len() > 1 => None,
                Some("$from") => output(&members["$from"]),
                Some("$all") => {
                    members["$all"].as_array()?.iter().map(output).collect::<Option<Vec<_>>>().map(Value::from)
                }
                Some(_) => Some(members["$literal"].clone()),
                None => members.iter().map(|(key, value)| Some((key.clone(), meaning(value)?))).collect(),
            }
        }
        scalar => Some(scalar.clone()),
    }
}

proptest! {
    #![proptest_config(super::config(1_000))]

    #[test]
    fn an_input_means_what_its_value_means(input in any_input(), pretty in any::<bool>(), escaped in any::<bool>()) {
        let mut text = if pretty { serde_json::to_string_pretty(&input).unwrap() } else { input.to_string() };
        if escaped {
            text = text.replace('$', "\\u0024");
        }
        let seen = resolved(&text);
        match meaning(&input) {
            Some(meaning) => prop_assert_eq!(serde_json::from_str::<Value>(&seen).unwrap(), meaning),
            None => prop_assert!(seen.contains("Unknown(") || seen.contains("Form("), "{}", seen),
        }
    }
}
