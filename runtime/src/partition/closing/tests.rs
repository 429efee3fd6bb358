use super::*;
use crate::partition::history::Line;
use callboard_core::{Command, Graph, Limits, TaskSpec, decide};
use std::collections::BTreeMap;

#[test]
fn a_run_that_is_too_long_for_a_page_keeps_no_other_in_memory() {
    let (mut state, mut history) = (State::new(Limits::default()), History::default());
    let runs = ["long", "short"].map(|name| RunId::from_key("default", name));
    for (at, run) in (1..).zip(runs) {
        let tasks = vec![TaskSpec::new("it", "echo", Json::null()).into()];
        let graph = Graph {
            name: "one".into(),
            tasks,
            timeout_ms: None,
            budget: None,
            tenant: None,
            labels: BTreeMap::new(),
            trace: None,
        };
        let graph = graph.check(&Limits::default().graph).expect("a graph without faults");
        let submit = Command::Submit { run, graph, key: None };
        for command in [submit, Command::Cancel { run, reason: "enough".into() }] {
            for event in decide(&state, Millis(at), command).expect("it is admitted").events {
                state.apply(&event);
                let length = if at == 1 { RUN_BYTES / 2 } else { 10 };
                history.push(run, Line { seq: event.seq, bytes: Bytes::from(vec![b' '; length]) });
            }
        }
    }
    let records = records(&state, &history, state.seq());
    assert_eq!(records.iter().map(|record| RunId::new(record.id)).collect::<Vec<_>>(), runs[1..]);
}
