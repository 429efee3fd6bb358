use super::Stops;
use callboard_core::{InstanceId, RunId, Speaker, StopReason, TaskIndex, TaskRef, Token};
use tokio::sync::oneshot::error::TryRecvError;

fn speaker(holder: &str) -> Speaker {
    let task = TaskRef { run: RunId::from_key("default", "run"), task: TaskIndex(0) };
    Speaker { task, token: Token::FIRST, holder: InstanceId::new("node", holder) }
}

#[test]
fn a_stop_reaches_the_handler_it_is_meant_for_and_no_other() {
    let stops = Stops::default();
    let (mut first, mut second) = (stops.running(&speaker("a#1")), stops.running(&speaker("a#2")));
    stops.stop(&speaker("a#2"), StopReason::Cancelled);
    assert_eq!(second.try_recv(), Ok(StopReason::Cancelled));
    assert_eq!(first.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn the_end_of_one_handler_of_a_hand_out_leaves_the_other_alone() {
    let stops = Stops::default();
    let (_fenced, mut holder) = (stops.running(&speaker("a#1")), stops.running(&speaker("a#2")));
    stops.ended(&speaker("a#1"));
    assert_eq!(holder.try_recv(), Err(TryRecvError::Empty));
    stops.stop(&speaker("a#2"), StopReason::Timeout);
    assert_eq!(holder.try_recv(), Ok(StopReason::Timeout));
}
