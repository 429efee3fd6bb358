use super::*;

fn capability(schema: &str) -> Capability {
    Capability::new("x").input_schema(Json::parse(schema).unwrap())
}

#[test]
fn all_that_does_not_fit_is_told_with_its_place() {
    let schema = r#"{"type":"object","required":["a"],"properties":{"a":{},"b":{"type":"integer"}},"additionalProperties":false}"#;
    let checks = Checks::of(&capability(schema)).unwrap();
    checks.input(&Json::parse(r#"{"a":1,"b":2}"#).unwrap()).unwrap();
    let error = checks.input(&Json::parse(r#"{"b":"two","c":3}"#).unwrap()).unwrap_err();
    assert!(!error.is_retryable());
    let message = error.to_string();
    assert!(message.starts_with("the input does not fit its schema: "), "{message}");
    for part in [r#"at /b: "two" is not of type "integer""#, r#""a" is a required property"#, "'c' was unexpected"] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    checks.output(&Json::null()).unwrap();
}

#[test]
fn a_schema_refers_to_nothing_outside() {
    for schema in [
        r#"{"type":"objekt"}"#,
        r#"{"$ref":"http://example.com/schema.json"}"#,
        r#"{"$ref":"file:///etc/passwd"}"#,
        r#"{"pattern":"("}"#,
    ] {
        let fault = Checks::of(&capability(schema)).unwrap_err();
        assert_eq!(fault.key, "input_schema");
        assert!(fault.message.starts_with("no JSON Schema: "), "{fault}");
    }
    Checks::of(&capability(r##"{"$defs":{"n":{"type":"integer"}},"$ref":"#/$defs/n"}"##)).unwrap();
}
