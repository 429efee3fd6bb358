//! What the formats mean: one model, every digit, YAML 1.2.

use super::super::Format::{Json, Toml, Yaml};
use super::{input, read, with_input, yaml};
use callboard_core::{Priority, Retry, Timeouts};

const ALL: &str = r#"
# Everything that can be said.
name: everything
timeout: 1h 30m
tenant: acme
labels: {team: docs}
tasks:
  z:
    capability: text.fetch
  a:
    capability: text.join
    input:
      one:
        $from: z
      literal: {$literal: {$from: nobody}}
      many: {$all: [z, z]}
    after:
      - z
    priority: critical
    retry: {retries: 7, base: 250ms, factor: 1.5, cap: 2m}
    timeout: 30s
    start_timeout: 1m
    heartbeat_timeout: 5s
    losses: 2
    requires: [zone=eu, gpu, "tool:git"]
"#;

const ALL_TOML: &str = r#"
name = "everything"
timeout = "1h 30m"
tenant = "acme"
labels = { team = "docs" }

[tasks.z]
capability = "text.fetch"

[tasks.a]
capability = "text.join"
after = ["z"]
priority = 10
retry = { retries = 7, base = "250ms", factor = 1.500, cap = "2m" }
timeout = "30s"
start_timeout = "1m"
heartbeat_timeout = "5s"
losses = 2
requires = ["gpu", "zone=eu", "tool:git"]

[tasks.a.input]
one = { "$from" = "z" }
literal."$literal"."$from" = "nobody"
many = { "$all" = ["z", "z"] }
"#;

const ALL_JSON: &str = r#"{
  "name": "everything", "timeout": "90m", "tenant": "acme", "labels": {"team": "docs"},
  "tasks": {
    "z": {"capability": "text.fetch", "input": {}},
    "a": {
      "capability": "text.join",
      "input": {"one": {"$from": "z"}, "literal": {"$literal": {"$from": "nobody"}}, "many": {"$all": ["z", "z"]}},
      "after": ["z"], "priority": "critical",
      "retry": {"retries": 7, "base": "250ms", "factor": 1.5, "cap": "120s"},
      "timeout": "30s", "start_timeout": "60s", "heartbeat_timeout": "5s", "losses": 2,
      "requires": ["gpu", "tool:git", "zone=eu"]
    }
  }
}"#;

#[test]
fn the_three_formats_are_one_model() {
    let graph = yaml(ALL);
    assert_eq!(read(Toml, ALL_TOML).unwrap(), graph);
    assert_eq!(read(Json, ALL_JSON).unwrap(), graph);
    // JSON is YAML.
    assert_eq!(yaml(ALL_JSON), graph);

    assert_eq!(
        (graph.name.as_str(), graph.timeout_ms, graph.tenant.as_deref()),
        ("everything", Some(5_400_000), Some("acme"))
    );
    assert_eq!(graph.labels["team"], "docs");
    let names: Vec<&str> = graph.tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["z", "a"], "in the order of the document");
    let (z, a) = (&graph.tasks[0], &graph.tasks[1]);
    assert_eq!((&*z.capability, z.input.as_str(), z.priority), ("text.fetch", "{}", Priority::Medium));
    assert_eq!((z.retry, z.timeouts, z.losses_max), (None, Timeouts::default(), None));
    assert_eq!(
        a.input.as_str(),
        r#"{"one":{"$from":"z"},"literal":{"$literal":{"$from":"nobody"}},"many":{"$all":["z","z"]}}"#
    );
    assert_eq!((a.priority, a.losses_max, a.after.as_slice()), (Priority::Critical, Some(2), &["z".to_owned()][..]));
    assert_eq!(a.retry, Some(Retry { retries: 7, base_ms: 250, factor_permille: 1_500, cap_ms: 120_000 }));
    assert_eq!(a.timeouts, Timeouts { start_ms: Some(60_000), attempt_ms: Some(30_000), heartbeat_ms: Some(5_000) });
    assert_eq!(a.requires.to_string(), "tool:git, gpu, zone=eu");
}

#[test]
fn scalars_of_yaml_mean_what_version_1_2_says() {
    for (scalar, json) in [
        ("yes", r#""yes""#),
        ("NO", r#""NO""#),
        ("on", r#""on""#),
        ("12:30", r#""12:30""#),
        ("1_000", r#""1_000""#),
        ("2026-11-20", r#""2026-11-20""#),
        ("~", "null"),
        ("Null", "null"),
        ("", "null"),
        ("True", "true"),
        ("false", "false"),
        ("'1'", r#""1""#),
        ("!!str 1", r#""1""#),
        ("! 1", r#""1""#),
        ("-x", r#""-x""#),
        (".", r#"".""#),
        ("1e", r#""1e""#),
        ("0x", r#""0x""#),
        ("0xFf", "255"),
        ("0o17", "15"),
        ("007", "7"),
        ("+7", "7"),
        ("-0", "-0"),
        (".5", "0.5"),
        ("5.", "5.0"),
        ("-1.50e+03", "-1.50e+03"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("0.1234567890123456789012345678901", "0.1234567890123456789012345678901"),
        ("1e999", "1e999"),
        (r#""a\tb\u0001\"\\é""#, r#""a\tb\u0001\"\\é""#),
        ("[]", "[]"),
        ("{}", "{}"),
    ] {
        assert_eq!(input(Yaml, &with_input(scalar)), json, "{scalar}");
    }
    let block = "name: w\ntasks:\n  t:\n    capability: c\n    input: |\n      two\n      lines\n";
    assert_eq!(input(Yaml, block), r#""two\nlines\n""#);
}

#[test]
fn scalars_of_toml_keep_every_digit() {
    let toml = |value: &str| format!("name = \"w\"\ntasks.t = {{ capability = \"c\", input = {value} }}");
    for (value, json) in [
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("1_000", "1000"),
        ("+7", "7"),
        ("0xFF", "255"),
        ("0b101", "5"),
        ("0o17", "15"),
        ("-1.50e+03", "-1.50e+03"),
        ("true", "true"),
        ("'C:\\x'", r#""C:\\x""#),
        ("[1, [2]]", "[1,[2]]"),
        ("{ b = 1, a = 2 }", r#"{"b":1,"a":2}"#),
    ] {
        assert_eq!(input(Toml, &toml(value)), json, "{value}");
    }
}

#[test]
fn scalars_of_json_stay_as_they_are() {
    let json = |value: &str| format!(r#"{{"name": "w", "tasks": {{"t": {{"capability": "c", "input": {value}}}}}}}"#);
    for value in ["-0.0", "1E+2", "123456789012345678901234567890", r#""é😀""#, "null", "[]", "{}"] {
        assert_eq!(input(Json, &json(value)), value);
    }
    assert_eq!(input(Json, &json(r#"{ "a" : [ 1 , true ] }"#)), r#"{"a":[1,true]}"#);
    assert_eq!(input(Json, &json(r#""\u0041\ud83d\ude00""#)), r#""A😀""#);
}

#[test]
fn aliases_stand_for_what_they_name() {
    let text = "name: w\ntasks:\n  a: &base {capability: c, input: &i {x: [1]}}\n  b: *base\n  d: {capability: c, input: [*i, *i]}";
    let graph = yaml(text);
    assert_eq!(graph.tasks[1].input.as_str(), r#"{"x":[1]}"#);
    assert_eq!(graph.tasks[2].input.as_str(), r#"[{"x":[1]},{"x":[1]}]"#);
}
