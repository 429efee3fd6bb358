use super::aggregate::json_values;
use crate::join::Canonical;
use crate::join::answer::Answer;
use callboard_core::Json;
use proptest::prelude::*;
use serde_json::Value;

fn canonical(text: &str) -> Canonical {
    Canonical::of("ann", &Json::parse(text).unwrap()).unwrap()
}

#[test]
fn what_says_the_same_has_the_same_key() {
    for (one, other) in [
        ("1", "1.0"),
        ("1", "10e-1"),
        ("0", "-0.0"),
        ("0.1", "1e-1"),
        (r#"{"a":1,"b":[true,null]}"#, "{ \"b\" : [ true ,\tnull ], \"a\" : 1.00 }"),
        (r#""é""#, r#""\u00e9""#),
        (r#""/""#, r#""\/""#),
        (r#"{"a\nb":1}"#, r#"{"a\u000ab":1}"#),
    ] {
        assert_eq!(canonical(one), canonical(other));
    }
}

#[test]
fn what_says_something_else_has_another_key() {
    for (one, other) in [
        ("1", "\"1\""),
        ("[1,2]", "[2,1]"),
        ("[]", "{}"),
        ("null", "\"null\""),
        ("{\"a\":null}", "{}"),
        ("true", "false"),
        ("\"a\"", "\"a \""),
        ("18446744073709551616", "18446744073709551617"),
        ("9007199254740993", "9007199254740992"),
        ("1e400", "1e401"),
        (r#""a\\""#, r#""a\"""#),
        (r#"["a,b"]"#, r#"["a","b"]"#),
    ] {
        assert_ne!(canonical(one), canonical(other));
    }
}

#[test]
fn numbers_and_texts_are_written_as_they_were_read() {
    let text = r#"{"big":123456789012345678901234567890,"exact":0.1000000000000000055,"one":1.0,"quote":"\"\\"}"#;
    let json = Json::parse(text).unwrap();
    assert_eq!(Answer::read("ann", &json).unwrap().json().unwrap(), json);
}

#[test]
fn half_a_surrogate_pair_is_no_text() {
    let json = Json::parse(r#"{"a":"\ud800"}"#).unwrap();
    let refused = Canonical::of("ann", &json).unwrap_err();
    assert_eq!(refused.to_string(), "the answer of \"ann\" can not be read");
    assert!(refused.causes().next().is_some());
}

proptest! {
    #[test]
    fn it_reads_what_serde_json_reads(value in json_values(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        // `Json` takes line breaks out, a tab is left in.
        let json = Json::parse(text.unwrap().replace("  ", "\t")).unwrap();
        let answer = Answer::read("ann", &json).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(answer.json().unwrap().as_str()).unwrap(), value);
    }

    #[test]
    fn it_reads_any_text(text in any::<String>(), name in any::<String>()) {
        let value = serde_json::json!({ &name: [&text, {"x": &text}], "y": &name });
        let json = Json::of(&value).unwrap();
        let back = Answer::read("ann", &json).unwrap().json().unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(back.as_str()).unwrap(), value);
    }
}
