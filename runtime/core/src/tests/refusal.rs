//! What a refusal says to whoever reads it.

use super::board::name_id;
use crate::{Rejected, RunOutcome, Status, TaskIndex, TaskRef};

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
