//! What people and programs write: documents, ids, requirements, schemas, expressions, histories.

use crate::port::bus::QueueName;
use crate::registry::Capability;
use crate::test::History;
use crate::{
    Amount, ApprovalId, Cursor, EffectId, Error, InstanceId, Json, Millis, Position, Priority, Requirement, Result,
    RunId, Workflow, schema,
};
use callboard_core::{Event, Graph, Limits, State, TaskIndex, TaskRef, TaskSpec, Timing, Token, closest};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

/// Does something with the bytes, if they are a text.
fn with_text(bytes: &[u8], read: impl FnOnce(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        read(text);
    }
}

/// Reads a text; what is written of it means the same.
fn same<T: FromStr + Display>(text: &str) -> Option<T> {
    let read: T = text.parse().ok()?;
    let written = read.to_string();
    let Ok(again) = written.parse::<T>() else { panic!("{written:?}, written of {text:?}, can not be read") };
    assert_eq!(again.to_string(), written, "{text:?}");
    super::understood();
    Some(read)
}

/// An error says what is wrong, and not all that it was told.
fn is_bounded(error: &Error, bytes: usize) {
    let said = error.message().len() + error.causes().map(str::len).sum::<usize>();
    assert!(said <= (128 << 10) + bytes, "an error of {said} bytes over {bytes}");
}

fn workflow(text: &str, read: fn(&str) -> Result<Workflow>) {
    match read(text) {
        Ok(workflow) => {
            let written = workflow.to_json().expect("a workflow that was read can be written");
            let again = Workflow::from_json(&written).expect("a workflow that was written can be read");
            assert_eq!(again.to_json().expect("and written again"), written);
            drop((workflow.to_dot(), workflow.to_mermaid()));
            super::understood();
        }
        Err(error) => is_bounded(&error, text.len()),
    }
}

pub(super) fn workflow_yaml(bytes: &[u8]) {
    with_text(bytes, |text| workflow(text, Workflow::from_yaml));
}

pub(super) fn workflow_json(bytes: &[u8]) {
    with_text(bytes, |text| workflow(text, Workflow::from_json));
}

pub(super) fn workflow_toml(bytes: &[u8]) {
    with_text(bytes, |text| workflow(text, Workflow::from_toml));
}

/// Whatever has an id that people see.
pub(super) fn ids(bytes: &[u8]) {
    with_text(bytes, |text| {
        if let Some(run) = same::<RunId>(text) {
            assert!(run.partition(7) < 7);
        }
        same::<TaskRef>(text);
        same::<Token>(text);
        same::<InstanceId>(text).inspect(|id| assert!(id.node().len() + id.agent().len() <= text.len()));
        same::<ApprovalId>(text);
        same::<EffectId>(text);
        same::<Position>(text).inspect(|position| assert!(position.whole() < u64::MAX));
        same::<Cursor>(text);
        let _near = closest(text, ["draft", "review", text]);
    });
    let _ids = (super::json::<RunId>(bytes), super::json::<Token>(bytes), super::json::<InstanceId>(bytes));
    let _others = (super::json::<Priority>(bytes), super::json::<Millis>(bytes), super::json::<ApprovalId>(bytes));
}

pub(super) fn requirement(bytes: &[u8]) {
    with_text(bytes, |text| {
        same::<Amount>(text);
        same::<callboard_core::Budget>(text);
        if let Some(requirement) = same::<Requirement>(text) {
            drop(requirement.unmet(&callboard_core::Traits::default()));
        }
    });
    drop((super::json::<callboard_core::Requirements>(bytes), super::json::<callboard_core::Traits>(bytes)));
}

/// A schema on the first line, an input that is held against it on the second.
pub(super) fn schema(bytes: &[u8]) {
    with_text(bytes, |text| {
        let (schema, input) = text.split_once('\n').unwrap_or((text, "{\"a\":{\"$from\":\"b\"}}"));
        let (Ok(schema), Ok(input)) = (Json::parse(schema), Json::parse(input)) else { return };
        let Ok(()) = schema::check(&schema) else { return };
        super::understood();
        let task = |name: &str, input: &Json| Arc::new(TaskSpec::new(name, "x", input.clone()));
        let tasks = vec![task("a", &input), task("b", &Json::null())];
        let graph = Graph {
            name: "w".into(),
            tasks,
            timeout_ms: None,
            budget: None,
            tenant: None,
            labels: BTreeMap::new(),
            trace: None,
        };
        let offered = Capability::new("x").input_schema(schema.clone()).output_schema(schema);
        let known = |_: &str| vec![offered.clone()];
        let faults = schema::faults(&graph, &[TaskIndex(0)], &known, &schema::Cache::default());
        let told: usize = faults.iter().map(String::len).sum();
        assert!(told <= (256 << 10) + 4 * bytes.len(), "faults of {told} bytes");
    });
}

/// An expression, and on a second line a zone; or the timing of a schedule in JSON.
pub(super) fn cron(bytes: &[u8]) {
    use crate::schedule::moments::Moments;
    let timing = super::json::<Timing>(bytes).or_else(|| {
        let (expression, zone) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
        Some(Timing::Cron { expression: expression.into(), zone: zone.into() })
    });
    let Some(moments) = timing.and_then(|timing| Moments::of(&timing).ok()) else { return };
    super::understood();
    for set_at in [Millis(1_790_000_000_000), Millis(0), Millis(i64::MIN), Millis(i64::MAX)] {
        let Ok(Some(first)) = moments.first(set_at) else { continue };
        for moment in [first, Millis(first.0.saturating_sub(1)), Millis(i64::MIN), Millis(i64::MAX)] {
            if let Ok(Some(next)) = moments.after(set_at, moment) {
                assert!(next > moment, "{next:?} comes behind {moment:?}");
            }
        }
    }
}

/// What a test has kept of a run.
pub(super) fn history(bytes: &[u8]) {
    with_text(bytes, |text| {
        let Ok(history) = History::parse(text) else { return };
        let written = history.to_string();
        let again = History::parse(&written).expect("a history that was written can be read");
        assert!(again == history && again.to_string() == written, "{written}");
        drop(history.outline());
        super::understood();
    });
}

/// An answer of a child that is counted, or combined with others.
pub(super) fn answer(bytes: &[u8]) {
    with_text(bytes, |text| {
        let Ok(json) = Json::parse(text) else { return };
        let Ok(key) = crate::join::Canonical::of("a", &json) else { return };
        let again = Json::parse(format!("{key:?}")).expect("the form that equal answers share is JSON");
        assert_eq!(crate::join::Canonical::of("a", &again).expect("and no deeper"), key, "{text}");
        super::understood();
    });
}

pub(super) fn queue_name(bytes: &[u8]) {
    with_text(bytes, |text| {
        same::<QueueName>(text);
        drop((QueueName::capability(text), QueueName::agent_tasks(text), QueueName::node(text)));
    });
}

/// A line of the journal: what is read is written on one line and read again, and can be applied.
pub(super) fn event(bytes: &[u8]) {
    let Ok(event) = Event::decode(bytes) else { return };
    let mut written = Vec::new();
    event.encode(&mut written);
    assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert_eq!(Event::decode(&written).expect("what was written can be read"), event);
    let mut state = State::new(Limits::default());
    state.apply(&event);
    drop(state.recover(event.at));
    super::understood();
}

/// What is read without a fault.
pub(super) mod samples {
    use crate::fuzz::bytes_of;

    const EVENTS: &str = include_str!("../../core/src/tests/golden/events-v1.jsonl");
    const SCHEDULES: &str = include_str!("../../core/src/tests/golden/schedules-v1.jsonl");
    const YAML: [&str; 2] = [
        include_str!("../../../config/workflows/release-notes.yaml"),
        include_str!("../../../config/workflows/morning.yaml"),
    ];

    pub(in crate::fuzz) fn workflows_yaml() -> Vec<Vec<u8>> {
        let all = "name: w\ntimeout: 1h 30m\nlabels: {env: test}\ntenant: t\ntasks:\n  a: &a\n    capability: x\n    \
                   input: {n: 0x1F, f: 1.50, t: !!str 7, d: |\n      text\n      }\n    retry: {retries: 1, base: 1s, factor: 1.5, cap: 1m}\n    \
                   timeout: 30s\n    requires: [gpu, zone=eu]\n  b: {capability: y, after: [a], input: {x: {$from: a}, all: {$all: [a]}}, priority: high}\n";
        bytes_of(YAML.into_iter().chain([
            all.replace("d: |\n      text\n      ", "d: \"text\"").as_str(),
            "name: w\ntasks: {a: {capability: x}}",
        ]))
    }

    pub(in crate::fuzz) fn workflows_json() -> Vec<Vec<u8>> {
        let written = YAML.iter().filter_map(|text| crate::Workflow::from_yaml(text).ok()?.to_json().ok());
        let small = r#"{"name":"w","tasks":{"a":{"capability":"x","input":{"n":1.50,"l":{"$literal":{"$from":"?"}}}},"b":{"capability":"y","after":["a"],"input":{"$from":"a"},"timeout":"1s","losses":3,"requires":["gpu"]}}}"#;
        bytes_of(written.chain([small.to_owned()]))
    }

    pub(in crate::fuzz) fn workflows_toml() -> Vec<Vec<u8>> {
        bytes_of([
            "name = \"w\"\ntimeout = \"1h\"\nlabels = {env = \"test\"}\n\n[tasks.a]\ncapability = \"x\"\ninput = {n = 0x1F, f = 1.5, list = [1, 2]}\n\
             retry = {retries = 1, base = \"1s\", factor = 1.5}\n\n[tasks.b]\ncapability = \"y\"\nafter = [\"a\"]\ninput.x.\"$from\" = \"a\"\n",
            "name = 'w'\ntasks.a.capability = \"\"\"x\"\"\"\n",
        ])
    }

    pub(in crate::fuzz) fn ids() -> Vec<Vec<u8>> {
        let run = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5";
        let texts = [
            run.to_owned(),
            format!("{run}/7"),
            format!("{run}/7/2"),
            format!("{run}/7/step:pay#2"),
            "1.2".into(),
            "n1/echo#1".into(),
            "12".into(),
            format!("r_1790000000000_1790000000001_{run}_3"),
            "a_1790000000000".into(),
            "a_1790000000000_1790000000001_2_17_5_".into(),
            format!("\"{run}\""),
            "{\"attempt\":1,\"activation\":2}".into(),
            "7".into(),
        ];
        bytes_of(texts)
    }

    pub(in crate::fuzz) fn requirements() -> Vec<Vec<u8>> {
        bytes_of([
            "gpu",
            "zone=eu",
            "zone!=us",
            "context_tokens>=100000",
            "price<=0.5",
            "tool:git",
            "-12.000001",
            "[\"gpu\",\"zone=eu\"]",
            "{\"labels\":{\"zone\":\"eu\"},\"constraints\":{\"price\":\"0.5\"},\"tools\":[\"git\"]}",
        ])
    }

    pub(in crate::fuzz) fn schemas() -> Vec<Vec<u8>> {
        bytes_of([
            "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"pattern\":\"^a+$\",\"maxLength\":3}},\"required\":[\"a\"],\"additionalProperties\":false}\n{\"a\":\"aa\"}",
            "{\"$defs\":{\"n\":{\"anyOf\":[{\"type\":\"null\"},{\"$ref\":\"#/$defs/n\"}]}},\"$ref\":\"#/$defs/n\"}\nnull",
            "{\"type\":\"array\",\"items\":{\"multipleOf\":0.1,\"minimum\":-1e308},\"uniqueItems\":true,\"prefixItems\":[{}]}\n[1,{\"$from\":\"b\"}]",
            "{\"oneOf\":[{\"const\":1},{\"enum\":[1,2]}],\"not\":{\"type\":\"string\"},\"if\":{},\"then\":{},\"dependentRequired\":{\"a\":[\"b\"]}}\n1",
            "true\n{\"$all\":[\"b\"]}",
        ])
    }

    pub(in crate::fuzz) fn crons() -> Vec<Vec<u8>> {
        bytes_of([
            "0 3 * * 1-5\nEurope/Berlin",
            "*/5 0-12/3 L 2 *\nUTC",
            "0 0 30 2 *\nAmerica/New_York",
            "@daily\nPacific/Apia",
            "30 2 * * SUN#2\nAustralia/Lord_Howe",
            "{\"every_ms\":1000}",
            "{\"at\":1790000000000}",
            "{\"after_ms\":5}",
            "{\"cron\":{\"expression\":\"0 9 * * *\",\"zone\":\"Asia/Tokyo\"}}",
        ])
    }

    pub(in crate::fuzz) fn histories() -> Vec<Vec<u8>> {
        // The events of each run of the golden journal, from its submission on.
        let mut runs = std::collections::BTreeMap::<&str, String>::new();
        for line in EVENTS.lines() {
            if let Some((_, run)) = line.split_once("\"run\":\"") {
                let lines = runs.entry(&run[..36]).or_default();
                lines.push_str(line);
                lines.push('\n');
            }
        }
        bytes_of(
            runs.into_values().filter(|lines| lines.lines().next().is_some_and(|line| line.contains("run_submitted"))),
        )
    }

    pub(in crate::fuzz) fn answers() -> Vec<Vec<u8>> {
        bytes_of([
            "{\"b\":[1,1.0,1e0,\"\\u0061\",null],\"a\":{\"x\":true}}",
            "[123456789012345678901234567890,0.1e-7,-0]",
            "\"text\"",
        ])
    }

    pub(in crate::fuzz) fn queue_names() -> Vec<Vec<u8>> {
        bytes_of(["capability.text.review.v1", "agent.echo-1.tasks", "node.n1", "partition.7"])
    }

    pub(in crate::fuzz) fn events() -> Vec<Vec<u8>> {
        bytes_of(EVENTS.lines().chain(SCHEDULES.lines()).filter(|line| line.starts_with("{\"v\"")))
    }
}
