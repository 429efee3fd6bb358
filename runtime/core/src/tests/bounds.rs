//! What one command does at most, so that a partition is never held up for long.

use super::board::name_id;
use crate::{
    Command, EventKind, Graph, GraphLimits, InstanceId, Json, Limits, Millis, RunId, Speaker, State, TaskIndex,
    TaskRef, TaskSpec, Token, decide,
};
use std::collections::BTreeMap;
use std::sync::Arc;

const AT: Millis = Millis(1_790_000_000_000);

fn put(state: &mut State, command: Command) -> usize {
    let step = decide(state, AT, command).unwrap();
    step.events.iter().for_each(|event| state.apply(event));
    step.events.iter().filter(|event| matches!(event.kind, EventKind::AttemptLost(_))).count()
}

/// A run of so many tasks that all have a holder on the node `n1`.
fn held(state: &mut State, run: RunId, tasks: u32) {
    let task = |n| Arc::new(TaskSpec::new(format!("t{n}"), "work", Json::null()));
    let tasks_of = (0..tasks).map(task).collect();
    let graph = Graph {
        name: "wide".into(),
        tasks: tasks_of,
        timeout_ms: None,
        budget: None,
        tenant: None,
        labels: BTreeMap::new(),
        trace: None,
    };
    let graph = graph.check(&GraphLimits::default()).unwrap();
    put(state, Command::Submit { run, graph, key: None });
    for n in 0..tasks {
        let task = TaskRef { run, task: TaskIndex(n) };
        put(state, Command::Accept(Speaker { task, token: Token::FIRST, holder: InstanceId::new("n1", "a#1") }, None));
    }
}

#[test]
fn what_a_dead_node_held_is_taken_back_a_thousand_at_a_time() {
    let mut state = State::new(Limits::default());
    held(&mut state, name_id("r"), 700);
    held(&mut state, name_id("s"), 700);
    let taken: Vec<usize> = (0..3).map(|_| put(&mut state, Command::LoseHolders("n1".into()))).collect();
    assert_eq!(taken, [1_000, 400, 0]);
}
