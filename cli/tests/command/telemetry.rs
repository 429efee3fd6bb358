//! The log of a node, and its traces.

use super::node::Node;
use super::receiver::{Receiver, of};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

#[test]
fn the_filter_of_the_log_is_shown_and_changed_while_the_node_runs() {
    let node = Node::dev(["--ephemeral"]);
    let shown = node.ask(["log", "show", "-o", "json"]).json();
    assert_eq!((&shown["filter"], &shown["format"]), (&"warn".into(), &"human".into()), "{shown}");
    let changed = node.ask(["log", "filter", "warn,callboard=debug", "-o", "json"]).json();
    assert_eq!(changed["filter"], "warn,callboard=debug");
    let table = node.ask(["logs", "show"]).out;
    assert_eq!(table, "filter  warn,callboard=debug\nformat  human\n");
    let wrong = node.ask(["log", "filter", "inof"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.err.contains("\"inof\" is no filter: \"inof\" is no level; write a level"), "{wrong:?}");
    assert_eq!(node.ask(["log", "show", "-o", "json"]).json()["filter"], "warn,callboard=debug");
}

#[test]
fn a_line_is_json_if_the_settings_say_so_and_what_is_no_filter_keeps_it_from_starting() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("one.yaml");
    fs::write(&file, "name: one\ntasks:\n  a: {capability: echo, input: {text: swordfish}}\n").expect("a file");
    let mut node = Node::dev(["--ephemeral", "--set", "log.format=json", "--set", "log.filter=warn,callboard=debug"]);
    let run = node.submit(&file);
    let line = node.line_with("run ended");
    let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(
        (&line["level"], &line["run"], &line["outcome"]),
        (&"debug".into(), &run.into(), &"completed".into()),
        "{line}"
    );

    let refused = |variable: &str, value: &str| {
        let mut command = super::node::program(["dev", "--ephemeral", "--listen", "127.0.0.1:0"]);
        let said = super::node::Said::of(command.env(variable, value));
        assert_eq!(said.code, Some(2), "{said:?}");
        said.err
    };
    let error = refused("RUST_LOG", "loud");
    assert!(error.contains("RUST_LOG: \"loud\" is no filter: \"loud\" is no level"), "{error}");
    let error = refused("CALLBOARD_LOG__FILTER", "loud");
    assert!(error.contains("\"loud\" is no filter"), "{error}");
}

#[test]
fn what_opentelemetry_asks_and_can_not_be_had_is_told() {
    let started = |variables: &[(&str, &str)]| {
        let mut command = super::node::program(["dev", "--ephemeral", "--listen", "127.0.0.1:0"]);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
        let said = super::node::Said::of(command.envs(variables.iter().copied()));
        assert_eq!(said.code, Some(2), "{said:?}");
        said.err
    };
    for (variable, value, wants) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "has to be grpc, on port 4317 as a rule, or http/protobuf"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "has to be always_on, always_off, traceidratio"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "has to be otlp or none"),
    ] {
        let error = started(&[(variable, value)]);
        assert!(error.contains(&format!("{variable} is {value:?}, and {wants}")), "{error}");
    }
    let error = started(&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "a half")]);
    assert!(error.contains("OTEL_TRACES_SAMPLER_ARG is \"a half\", and has to be a number from 0 to 1"), "{error}");
}

#[test]
fn a_receiver_that_is_away_is_warned_of_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("one.yaml");
    fs::write(&file, "name: one\ntasks:\n  a: {capability: echo, input: {text: hello}}\n").expect("a file");
    let mut command = super::node::program(["dev", "--ephemeral", "--listen", "127.0.0.1:0"]);
    let command = command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9").env("OTEL_BSP_SCHEDULE_DELAY", "50");
    let mut node = Node::start(command);
    let run = node.submit(&file);
    assert_eq!(node.ask(["run", "show", &run, "--watch"]).code, Some(0));
    node.line_with("traces are not taken: they are lost until they are");
    node.submit(&file);
    node.terminate();
    let (status, said) = node.ended_saying();
    assert!(status.success() && !said.contains("traces are not taken") && !said.contains("OTLP export"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_go_over_http_if_the_environment_says_so() {
    let receiver = Receiver::over_http().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("one.yaml");
    fs::write(&file, "name: one\ntasks:\n  a: {capability: echo, input: {text: hello}}\n").expect("a file");
    let mut command = super::node::program(["dev", "--ephemeral", "--listen", "127.0.0.1:0"]);
    let command = command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint);
    let node = Node::start(command.env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"));
    let run = node.submit(&file);
    assert_eq!(node.ask(["run", "show", &run, "--watch"]).code, Some(0));
    node.terminate();
    let status = node.ended();
    assert!(status.success(), "{status:?}");
    let seen = receiver.trace_of(&run);
    assert_eq!(seen.names(), ["invoke_agent dev.echo", "invoke_workflow one"], "{}", seen.drawn());
}

/// One process performs the task and is killed; the next one goes on, and the caller's trace has both.
#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_a_caller_goes_on_over_a_kill() {
    let receiver = Receiver::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let (agents, began) = (folder.path().join("agents"), folder.path().join("began"));
    fs::create_dir_all(agents.join("bin")).expect("a folder");
    // The first try does not end; the second finds what the first has left.
    let began_at = began.display();
    let script = format!(
        "#!/bin/sh\nif [ -e {began_at} ]; then echo '\"done\"'; exit; fi\ntouch {began_at}\nwhile [ -e {began_at} ]; do sleep 0.1; done\n"
    );
    fs::write(agents.join("bin/build"), script).expect("a file");
    fs::set_permissions(agents.join("bin/build"), PermissionsExt::from_mode(0o755)).expect("it can be run");
    let agent = "capabilities = [{ name = 'build' }]\n[runs.command]\nprogram = './bin/build'\n";
    fs::write(agents.join("build.toml"), agent).expect("a file");
    let file = folder.path().join("one.yaml");
    fs::write(&file, "name: one\ntasks:\n  a: {capability: build}\n").expect("a file");
    let (data, agents) = (folder.path().join("data"), agents.display().to_string());
    let start = || {
        let mut command = super::node::program(["dev", "--listen", "127.0.0.1:0", "--agents", &agents, "--data"]);
        let command = command.arg(&data).env("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint);
        Node::start(command.env("OTEL_SERVICE_NAME", "releases"))
    };
    let first = start();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut submit = first.command(["task", "submit", &file.display().to_string(), "-o", "json"]);
    let said = super::node::Said::of(submit.env("TRACEPARENT", format!("00-{trace}-00f067aa0ba902b7-01")));
    let run = said.json()["id"].as_str().expect("an id").to_owned();
    // Its acceptance rides with the next commit, and is what is lost then.
    while !first.ask(["events", "export", &run]).out.contains("\"started\"") || !began.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(first); // kill -9
    let second = start();
    let ended = second.ask(["run", "show", &run, "--watch"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    second.terminate();
    let status = second.ended();
    assert!(status.success(), "{status:?}");

    let seen = receiver.trace_of(&run);
    assert_eq!(seen.names(), ["invoke_agent build", "invoke_agent build", "invoke_workflow one"], "{}", seen.drawn());
    assert_eq!(seen.root(), seen.one("invoke_workflow one"));
    assert_eq!(seen.root().trace_id, u128::from_str_radix(trace, 16).expect("a number").to_be_bytes());
    let all = seen.named("invoke_agent build");
    let outcomes: Vec<String> = all.iter().map(|span| of(span, "callboard.outcome")).collect();
    assert_eq!(outcomes, ["lost", "completed"], "{}", seen.drawn());
    assert_eq!(all[1].links[0].span_id, all[0].span_id);
    assert!(receiver.resources().contains("service.name=releases"), "{:?}", receiver.resources());
}
