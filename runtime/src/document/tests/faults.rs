//! Documents in, faults out.

use super::super::Format::{Json, Toml, Yaml};
use super::super::{DOCUMENT_BYTES_MAX, Format};
use super::{read, with_input};
use crate::{ErrorKind, Workflow};

#[track_caller]
fn check_in(format: Format, text: &str, expected: &[&str]) {
    let faults = read(format, text).expect_err("a fault");
    assert_eq!(faults.lines().collect::<Vec<_>>(), expected);
}

/// Checks the faults of a YAML document.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    check_in(Yaml, text, expected);
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let text = "\
nmae: w
name: 7
timeout: 30
labels: {a: 1}
tasks:
  a: {capability: c, after: [b], priority: hihg, tiemout: 3s}
  b: {capability: c, input: {x: {$from: a}, y: [{$from: nobody}, {$all: 1}]}}
  c: {input: {$from: a}, retry: {retries: -1, factor: x, base: soon}, losses: many}
  d: nothing
  e: {capability: two words, after: b, requires: [gpu, 'a>=b'], priority: 11}
  a: {capability: c}
";
    check(
        text,
        &[
            "line 1, column 1: nmae: there is no such key; the closest is \"name\"",
            "line 2, column 7: name: wants a text, not the number 7",
            "line 3, column 10: timeout: wants a duration such as \"30s\", not the number 30",
            "line 4, column 13: labels.a: wants a text, not the number 1",
            "line 6, column 3: tasks.a: tasks wait for one another: a -> b -> a",
            "line 6, column 44: tasks.a.priority: wants critical, high, medium, low, background or a number from 0 to 10, not the text \"hihg\"; the closest is \"high\"",
            "line 6, column 50: tasks.a.tiemout: there is no such key; the closest is \"timeout\"",
            "line 7, column 57: tasks.b.input.y[0]: \"nobody\" is no task of this workflow",
            "line 7, column 73: tasks.b.input.y[1]: \"$all\" wants a list of names of tasks, not 1",
            "line 8, column 6: tasks.c: the key \"capability\" is missing",
            "line 8, column 43: tasks.c.retry.retries: wants a whole number from 0 to 4294967295, not the number -1",
            "line 8, column 55: tasks.c.retry.factor: wants a number from 0 to 4294967 with at most three decimal places, not the text \"x\"",
            "line 8, column 64: tasks.c.retry.base: \"soon\" is no duration such as \"30s\": expected number at 0",
            "line 8, column 79: tasks.c.losses: wants a whole number from 0 to 4294967295, not the text \"many\"",
            "line 9, column 6: tasks.d: a task is a map, not the text \"nothing\"",
            "line 10, column 19: tasks.e.capability: \"two words\": a capability is written with A-Z, a-z, 0-9, '.', '_' and '-'",
            "line 10, column 37: tasks.e.after: wants a list of names of tasks, not the text \"b\"",
            "line 10, column 56: tasks.e.requires[1]: not a decimal number with at most six places: \"b\"",
            "line 10, column 75: tasks.e.priority: wants critical, high, medium, low, background or a number from 0 to 10, not the number 11",
            "line 11, column 3: tasks.a: this key stands here for the second time",
        ],
    );
}

#[test]
fn an_unknown_reference_comes_with_the_closest_name_and_its_place() {
    check(
        "name: w\ntasks:\n  draft:\n    capability: c\n  send:\n    capability: c\n    after: [draft, darft]\n    input:\n      text:\n        $from: drafd",
        &[
            "line 7, column 20: tasks.send.after[1]: \"darft\" is no task of this workflow; the closest is \"draft\"",
            "line 10, column 16: tasks.send.input.text: \"drafd\" is no task of this workflow; the closest is \"draft\"",
        ],
    );
}

#[test]
fn malformed_references_have_places() {
    check(
        &with_input(
            "{a: {$from: 7}, b: {$from: t, c: {$from: gone}}, d: {$literal: 1, e: 2}, f: {$all: [u, 1]}, g: {$all: [v]}}",
        ),
        &[
            "line 1, column 57: tasks.t.input.a: \"$from\" wants the name of a task, not 7",
            "line 1, column 65: tasks.t.input.b.$from: \"$from\" stands beside other keys; write {\"$literal\": ...} around data with such a key",
            "line 1, column 86: tasks.t.input.b.c: \"gone\" is no task of this workflow",
            "line 1, column 98: tasks.t.input.d.$literal: \"$literal\" stands beside other keys; write {\"$literal\": ...} around data with such a key",
            "line 1, column 128: tasks.t.input.f: \"$all\" wants a list of names of tasks, not [\"u\",1]",
            "line 1, column 148: tasks.t.input.g[0]: \"v\" is no task of this workflow; the closest is \"t\"",
        ],
    );
}

#[test]
fn missing_and_empty_parts() {
    check("{}", &["line 1, column 1: the key \"name\" is missing", "line 1, column 1: the key \"tasks\" is missing"]);
    check("name: w\ntasks: {}", &["line 2, column 8: tasks: the workflow has no tasks"]);
    check("name: w\ntasks:", &["line 2, column 6: tasks: wants a map from names to tasks, not null"]);
    check("name: w\ntasks: [1]", &["line 2, column 8: tasks: wants a map from names to tasks, not a list"]);
    check("[1]", &["line 1, column 1: the document is a map, not a list"]);
    check("", &["line 1, column 1: the document is empty"]);
    check("# nothing", &["line 2, column 1: the document is empty"]);
    check_in(Json, "", &["line 1, column 1: wanted a value, not the end of the document"]);
    check_in(
        Toml,
        "",
        &["line 1, column 1: the key \"name\" is missing", "line 1, column 1: the key \"tasks\" is missing"],
    );
}

#[test]
fn names_and_durations() {
    let long = "n".repeat(129);
    check(
        &format!(
            "name: ''\ntimeout: 1us\ntasks:\n  \"a\\nb\": {{capability: '', timeout: 9999999999999999999s}}\n  {long}: {{capability: c}}"
        ),
        &[
            "line 1, column 7: name: a name must not be empty",
            "line 2, column 10: timeout: \"1us\" is finer than a millisecond, the shortest there is",
            "line 4, column 3: tasks[\"a\\nb\"]: a name has no control characters",
            "line 4, column 24: tasks[\"a\\nb\"].capability: \"\": a name must not be empty",
            "line 4, column 37: tasks[\"a\\nb\"].timeout: \"9999999999999999999s\" is longer than can be counted",
            &format!("line 5, column 3: tasks.{long}: a name has at most 128 bytes (name_bytes_max)"),
        ],
    );
}

#[test]
fn a_timeout_leaves_time_and_a_label_has_a_key() {
    let short = |which: &str| {
        format!("its {which} of 0 ms leaves no time; the shortest is 1 ms, and none at all is to leave it out")
    };
    check(
        "name: w\ntimeout: 0s\nlabels: {'': v}\ntasks:\n  a: {capability: c, timeout: 0ms, start_timeout: 0s, heartbeat_timeout: 0s}",
        &[
            &format!("line 2, column 10: timeout: the workflow: {}", short("timeout")),
            "line 3, column 9: labels: the label with the value \"v\" has no key: it takes at least 1 byte (label_key_bytes_min)",
            &format!("line 5, column 31: tasks.a.timeout: task \"a\": {}", short("timeout")),
            &format!("line 5, column 51: tasks.a.start_timeout: task \"a\": {}", short("start_timeout")),
            &format!("line 5, column 74: tasks.a.heartbeat_timeout: task \"a\": {}", short("heartbeat_timeout")),
        ],
    );
}

#[test]
fn what_has_no_json_form_is_refused_in_words() {
    check(
        "name: w\ntasks:\n  t:\n    capability: c\n    input: {a: .inf, b: !!binary aGk=, 1: x, true: y, ~: z, [q]: r, c: !x {}, <<: {d: 1}, e: 0xfffffffffffffffffffffffffffffffff}",
        &[
            "line 5, column 16: tasks.t.input.a: .inf has no JSON form",
            "line 5, column 25: tasks.t.input.b: the tag \"tag:yaml.org,2002:!binary\" has no meaning here; of YAML's tags only !!str has",
            "line 5, column 40: tasks.t.input.1: a key is a text, not the number 1; write it in quotes",
            "line 5, column 46: tasks.t.input.true: a key is a text, not true; write it in quotes",
            "line 5, column 55: tasks.t.input.null: a key is a text, not null; write it in quotes",
            "line 5, column 61: tasks.t.input[\"?\"]: a key is a text, not a list",
            "line 5, column 72: tasks.t.input.c: the tag \"!x\" has no meaning here; of YAML's tags only !!str has",
            "line 5, column 79: tasks.t.input[\"<<\"]: YAML 1.2 has no merge keys; repeat what is to be merged",
            "line 5, column 94: tasks.t.input.e: 0xfffffffffffffffffffffffffffffffff is too large for a number in base 16; write it in decimal",
        ],
    );
    check_in(
        Toml,
        "name = \"w\"\n[tasks.t]\ncapability = \"c\"\ninput = { a = 1979-05-27, b = nan, c = -inf }",
        &[
            "line 4, column 15: tasks.t.input.a: a date has no JSON form; write it as a text, \"1979-05-27\"",
            "line 4, column 31: tasks.t.input.b: nan has no JSON form",
            "line 4, column 40: tasks.t.input.c: -inf has no JSON form",
        ],
    );
}

#[test]
fn faults_of_form_have_places() {
    check("name: w\ntasks: {a: [}", &["line 2, column 13: while parsing a node, did not find expected node content"]);
    check("name: w\n---\nname: x", &["line 2, column 1: a second document begins here; a workflow is one"]);
    check("name: *w", &["line 1, column 7: while parsing node, found unknown anchor"]);
    check("name: &w [*w]", &["line 1, column 11: this alias stands inside of what it names"]);
    check_in(
        Toml,
        "name = 'w'\nname = 'x'\ntasks = [",
        &["line 2, column 1: duplicate key", "line 3, column 10: unclosed array, expected `]`"],
    );
    for (text, fault) in [
        ("{\"name\": w}", "line 1, column 10: \"w\" is no JSON value; a text stands in double quotes"),
        ("{\"name\" 1}", "line 1, column 9: wanted a colon, not '1'"),
        ("{\"name\": \"é\" 1}", "line 1, column 14: wanted a comma or a closing brace, not '1'"),
        ("{name: 1}", "line 1, column 2: wanted a key in double quotes, not 'n'"),
        ("[1 2]", "line 1, column 4: wanted a comma or a closing bracket, not '2'"),
        ("[01]", "line 1, column 2: 01 is no JSON number"),
        ("[\n\n  -]", "line 3, column 3: - is no JSON number"),
        ("[\"a\nb\"]", "line 1, column 2: \"a\nb\" is no JSON text"),
        ("[\"a]", "line 1, column 2: this text has no closing quote"),
        ("[1]x", "line 1, column 4: wanted the end of the document, not 'x'"),
        ("[,]", "line 1, column 2: wanted a value, not ','"),
    ] {
        assert_eq!(read(Json, text).unwrap_err(), fault);
    }
    check_in(
        Json,
        r#"{"name": "w", "name": "x", "tasks": {"t": {"capability": "c"}}}"#,
        &["line 1, column 15: name: this key stands here for the second time"],
    );
}

#[test]
fn limits_are_named() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let too_deep = "the values are nested deeper than 120 levels";
    assert!(read(Json, &deep("[", "]")).unwrap_err().ends_with(too_deep));
    for text in [deep("[", "]"), deep("{a: ", "}"), deep("- ", "")] {
        let fault = read(Yaml, &text).unwrap_err();
        assert!(fault.ends_with(too_deep), "{fault}");
    }
    assert!(read(Toml, &format!("a = {}", deep("[", "]"))).is_err());
    let large = " ".repeat(DOCUMENT_BYTES_MAX + 1);
    check_in(Json, &large, &["line 1, column 1: a document has at most 16777216 bytes, and this one has 16777217"]);
    // Nine lines that mean ten thousand million values.
    let mut laughs = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for pair in ["ab", "bc", "cd", "de", "ef", "fg", "gh", "hi", "ij"] {
        let (from, to) = pair.split_at(1);
        laughs.push_str(&format!("{to}: &{to} [{}]\n", vec![format!("*{from}"); 10].join(",")));
    }
    let refused = read(Yaml, &laughs).unwrap_err();
    assert!(
        refused.ends_with("the document has more than 2000000 values, aliases counted where they stand"),
        "{refused}"
    );
    let long = format!("a: &a \"{}\"\nb: [{}]", "x".repeat(1 << 20), ["*a"].repeat(40).join(","));
    assert!(read(Yaml, &long).unwrap_err().contains("the values take more than 33554432 bytes"));
}

#[test]
fn no_more_than_a_hundred_faults_are_told() {
    let text: String = (0..1_000).map(|n| format!("k{n}: 1\n")).collect();
    let faults = read(Yaml, &text).unwrap_err();
    assert_eq!(faults.lines().count(), 101);
    assert!(faults.ends_with("and 902 more"));
}

#[test]
fn a_file_is_read_by_its_extension() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let text = r#"{"name": "w", "tasks": {"t": {"capability": "c"}}}"#;
    for name in ["w.yaml", "w.YML", "w.json"] {
        Workflow::from_file(file(name, text)).unwrap();
    }
    Workflow::from_file(file("w.toml", "name = 'w'\ntasks.t.capability = 'c'")).unwrap();
    let refused = |name: &str, text: &str| Workflow::from_file(file(name, text)).unwrap_err();
    assert_eq!(refused("w.txt", text).kind(), ErrorKind::Invalid);
    let error = refused("bad.toml", "name = 1");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().ends_with("bad.toml has 2 faults"), "{error}");
    assert_eq!(Workflow::from_file(folder.path().join("none.json")).unwrap_err().kind(), ErrorKind::NotFound);
    let latin = folder.path().join("latin.yaml");
    std::fs::write(&latin, b"name: \xFF").unwrap();
    assert_eq!(Workflow::from_file(latin).unwrap_err().kind(), ErrorKind::Invalid);
}

/// However long the keys are, and however many faults stand behind them.
#[test]
fn what_is_told_of_places_is_bounded() {
    let (key, faults) = ("k".repeat(50_000), "!a, ".repeat(2_000));
    let nested = "{a: ".repeat(90);
    for (before, after) in
        [(format!("{{{key}: "), "}".to_owned()), (nested.replace('a', &"n".repeat(59)), "}".repeat(90))]
    {
        let text = format!("name: w\ntasks: {{a: {{capability: x, input: {before}[{faults}]{after}}}}}");
        let error = Workflow::from_yaml(&text).unwrap_err();
        assert_eq!(error.message(), "the workflow document has 2000 faults");
        let told: usize = error.causes().map(str::len).sum();
        assert!(told < 101 * 1_200, "{told} bytes");
        assert_eq!(error.causes().count(), 101);
    }
}
