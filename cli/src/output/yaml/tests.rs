use super::write;

fn check(json: &str, yaml: &str) {
    assert_eq!(write(&serde_json::from_str(json).expect("JSON")), yaml.trim_end().replace("\n    ", "\n"), "{json}");
}

#[test]
fn json_is_written_as_yaml() {
    check("7", "7");
    check("[]", "[]");
    check(r#"{"a":{},"b":null,"c":-1.5e3}"#, "a: {}\n    b: null\n    c: -1500.0");
    check(
        r#"{"list":[1,["x",[]],{"a":1,"b":{"c":[2]}}],"text":"two\nlines: #1"}"#,
        r#"list:
      - 1
      - - x
        - []
      - a: 1
        b:
          c:
            - 2
    text: "two\nlines: #1""#,
    );
    // Where something else could be meant there are quotes.
    check(
        r#"["no","n1","1e3","","~","a b","a/b.c"]"#,
        "- \"no\"\n    - n1\n    - \"1e3\"\n    - \"\"\n    - \"~\"\n    - \"a b\"\n    - a/b.c",
    );
    check(r#"{"y":"True"}"#, "\"y\": \"True\"");
}

/// The runtime's own reader takes it for what it was.
#[test]
fn a_workflow_survives_it() {
    let json = r#"{"name":"w","tasks":{"a":{"capability":"echo","input":{"n":[{"x":"no"},[1,2]],"t":"a: b"}}}}"#;
    let yaml = write(&serde_json::from_str(json).expect("JSON"));
    let read = |workflow: callboard::Result<callboard::Workflow>| workflow.and_then(|workflow| workflow.to_json());
    let (from_yaml, from_json) =
        (read(callboard::Workflow::from_yaml(&yaml)), read(callboard::Workflow::from_json(json)));
    assert_eq!(from_yaml.expect("a workflow"), from_json.expect("a workflow"), "{yaml}");
}
