//! Out and in again, and drawings.

use super::super::Format::{Json, Yaml};
use super::super::model;
use super::{read, sample};
use callboard_core::{AMOUNT_MAX, Budget, Graph, GraphLimits, Priority, Retry, TaskSpec, Timeouts};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use std::sync::Arc;

/// Any JSON that is no reference, some of it with keys that look like one.
fn literal() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just(r#"{"$literal":{"$from":"nobody"}}"#.to_owned()),
        any::<i128>().prop_map(|number| number.to_string()),
        any::<f64>().prop_filter_map("finite", |number| serde_json::to_string(&number).ok()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let member = ("[a-z$ é\"]{0,6}", inner.clone());
        prop_oneof![
            vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            vec(member, 0..4).prop_map(|members| {
                let mut members: Vec<_> = members;
                members.sort_by(|a, b| a.0.cmp(&b.0));
                members.dedup_by(|a, b| a.0 == b.0);
                let members =
                    members.into_iter().map(|(key, value)| format!("{}:{value}", serde_json::to_string(&key).unwrap()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

prop_compose! {
    fn task()(
        capability in "[A-Za-z0-9._-]{1,12}",
        literal in literal(),
        // Edges to earlier tasks, as shares of their number.
        from in vec(0.0..1.0, 0..3),
        after in vec(0.0..1.0, 0..3),
        priority in 0_u8..=10,
        retry in (any::<u32>(), any::<u64>(), any::<u32>(), any::<u64>()),
        plain in any::<bool>(),
        timeouts in (option::of(1..=u64::MAX), option::of(1..100_000_u64), option::of(1..=u64::MAX)),
        losses in option::of(any::<u32>()),
        requires in vec(prop_oneof![Just("gpu"), Just("zone=e u"), Just("price<=0.5"), Just("tool:git")], 0..3),
    ) -> (TaskSpec, Vec<f64>, Vec<f64>) {
        let mut spec = TaskSpec::new("", capability, callboard_core::Json::parse(literal).unwrap());
        spec.priority = Priority::new(priority).unwrap();
        let (retries, base_ms, factor_permille, cap_ms) = retry;
        spec.retry = (!plain).then_some(Retry { retries, base_ms, factor_permille, cap_ms });
        spec.timeouts = Timeouts { start_ms: timeouts.0, attempt_ms: timeouts.1, heartbeat_ms: timeouts.2 };
        spec.losses_max = losses;
        spec.requires = requires.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>().into();
        (spec, from, after)
    }
}

prop_compose! {
    fn graph()(
        name in "\\PC{1,20}",
        tasks in btree_map("\\PC{1,12}", task(), 1..8),
        timeout_ms in option::of(1..=u64::MAX),
        tenant in option::of(any::<String>()),
        (calls, usd_micros) in (option::of(0..=AMOUNT_MAX), option::of(0..=AMOUNT_MAX)),
        (tokens, wall_ms) in (option::of(0..=AMOUNT_MAX), option::of(0..=AMOUNT_MAX)),
        // At most 63 and 256 bytes: a character has four at most.
        labels in btree_map("(?s).{1,15}", "(?s).{0,15}", 0..3),
    ) -> Graph {
        let names: Vec<String> = tasks.keys().cloned().collect();
        let tasks = tasks.into_values().enumerate().map(|(n, (mut spec, from, after))| {
            let earlier = |share: &f64| names[..n].get((share * n as f64) as usize).cloned();
            spec.name = names[n].clone();
            spec.after = after.iter().filter_map(earlier).collect();
            let references: Vec<String> = from.iter().filter_map(earlier).collect();
            if let [one, ..] = &references[..] {
                let (one, all) = (serde_json::to_string(one).unwrap(), serde_json::to_string(&references).unwrap());
                let text = format!("{{\"x\":[{{\"$from\":{one}}}],\"y\":{{\"$all\":{all}}},\"z\":{}}}", spec.input.as_str());
                spec.input = callboard_core::Json::parse(text).unwrap();
            }
            Arc::new(spec)
        });
        let budget = Some(Budget { calls, tokens, usd_micros, wall_ms }).filter(|budget| !budget.is_none());
        Graph { tasks: tasks.collect(), name: name.clone(), timeout_ms, budget, tenant, labels, trace: None }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_graph_comes_back_from_its_document(graph in graph()) {
        prop_assert_eq!(graph.faults(&GraphLimits::default()), &[]);
        let text = model::to_json(&graph).unwrap();
        prop_assert_eq!(read(Json, &text), Ok(graph.clone()));
        // YAML has no DEL and no C1 control characters, which JSON has.
        if !text.chars().any(|c| matches!(c, '\u{7f}'..='\u{9f}' | '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')) {
            prop_assert_eq!(read(Yaml, &text), Ok(graph));
        }
    }
}

#[test]
fn the_sample_is_written_in_full() {
    assert_eq!(
        sample().to_json().unwrap(),
        r#"{
  "name": "release-notes",
  "tasks": {
    "log": {
      "capability": "fetch-log",
      "input": {"repo":"acme/api"},
      "timeout": "30s"
    },
    "issues": {
      "capability": "fetch-issues",
      "input": {"repo":"acme/api"},
      "retry": {
        "retries": 5
      }
    },
    "draft": {
      "capability": "draft",
      "input": {"log":{"$from":"log"},"issues":{"$from":"issues"},"tone":"dry"},
      "priority": "high"
    },
    "send": {
      "capability": "announce",
      "input": {"text":{"$from":"draft"}},
      "after": [
        "issues"
      ]
    }
  }
}"#
    );
}

#[test]
fn drawings_escape_names_and_tell_edges_apart() {
    let workflow = sample();
    assert_eq!(
        workflow.to_dot().unwrap(),
        r#"digraph "release-notes" {
  rankdir=LR;
  node [shape=box];
  t0 [label="log\nfetch-log"];
  t1 [label="issues\nfetch-issues"];
  t2 [label="draft\ndraft"];
  t3 [label="send\nannounce"];
  t0 -> t2;
  t1 -> t2;
  t1 -> t3 [style=dashed];
  t2 -> t3;
}
"#
    );
    let odd = crate::Workflow::from_yaml(r#"{name: 'a "b" \c', tasks: {'x"]; \N <b>': {capability: c}}}"#).unwrap();
    assert!(odd.to_dot().unwrap().contains(r#"digraph "a \"b\" \\c" {"#));
    assert!(odd.to_dot().unwrap().contains(r#"t0 [label="x\"]; \\N <b>\nc"];"#));
    assert_eq!(
        odd.to_mermaid().unwrap(),
        "---\ntitle: \"a \\\"b\\\" \\\\c\"\n---\nflowchart LR\n  t0[\"x#34;#93;#59; #92;N #60;b#62;<br>c\"]\n"
    );
    assert!(workflow.to_mermaid().unwrap().ends_with("  t0 --> t2\n  t1 --> t2\n  t1 -.-> t3\n  t2 --> t3\n"));
}
