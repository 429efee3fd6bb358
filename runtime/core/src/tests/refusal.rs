//! What a refusal says to whoever reads it.

use super::board::{Board, name_id};
use crate::{Limits, Rejected, RunOutcome, Status, TaskIndex, TaskRef};

#[test]
fn a_task_that_can_not_be_resumed_is_refused_with_what_to_do() {
    let task = |n| TaskRef { run: name_id("r"), task: TaskIndex(n) };
    let said = |status, first| Rejected::NotResumable { task: task(1), status, first }.to_string();
    let (one, two) = (task(1), task(2));
    assert_eq!(said(Status::Skipped, Some(two)), format!("task {one} is skipped because of {two}: resume that one"));
    let behind = format!("task {one} is failed and needs {two}, which has no result: resume that one first");
    assert_eq!(said(Status::Failed, Some(two)), behind);
    let ready = format!("task {one} is ready: only what has failed, is dead or was cancelled can be resumed");
    assert_eq!(said(Status::Ready, None), ready);
    let ended = Rejected::Ended { run: name_id("r"), outcome: RunOutcome::Cancelled };
    assert_eq!(ended.to_string(), format!("run {} has ended: cancelled", name_id("r")));
}

#[test]
fn another_input_has_the_limits_of_the_first() {
    let mut board = Board::new(Limits::default());
    board.state.limits.graph.input_bytes_max = 8;
    board.state.limits.graph.input_depth_max = 2;
    board.say("submit r: t");
    board.say("fail t n1/x terminal");
    let deep = "! input it has 3 levels, more than the limit of 2 (input_depth_max)";
    assert_eq!(board.say("retry t input=[[[]]]"), deep);
    let long = "! input it takes 9 bytes, more than the limit of 8 (payload_bytes_max)";
    assert_eq!(board.say("retry t input=123456789"), long);
    assert!(board.say("retry t input=[[1234]]").starts_with("retried t 2.1"));
}

#[test]
fn an_input_that_refers_to_what_is_not_needed_is_refused_with_what_is() {
    for (needs, may) in [(0, "it needs none"), (2, "it needs n0, n1"), (20, "n18, n19"), (22, "n18, n19 and 2 more")] {
        let mut board = Board::new(Limits::default());
        let names: Vec<String> = (0..needs).map(|n| format!("n{n}")).collect();
        let (tasks, after) = (names.iter().map(|name| format!("{name} ; ")).collect::<String>(), names.join(","));
        let after = if needs == 0 { String::new() } else { format!(" after={after}") };
        board.say(&format!("submit r: {tasks}t{after}"));
        names.iter().for_each(|name| drop(board.say(&format!("complete {name} n1/x"))));
        board.say("fail t n1/x terminal");
        let said = board.say("retry t input={\"$from\":\"x\"}");
        assert!(said.starts_with("! input") && said.ends_with(may), "{said}");
    }
}
