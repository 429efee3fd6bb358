use super::Stops;
use crate::sync::schedules::{check, others_go_on};
use callboard_core::{InstanceId, RunId, Speaker, StopReason, TaskIndex, TaskRef, Token};
use std::sync::Arc;
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

#[test]
fn a_handler_hears_one_reason_at_most_in_any_order() {
    check(|| {
        let stops = Arc::new(Stops::default());
        let handler = |holder: &'static str| {
            let stops = stops.clone();
            shuttle::future::spawn(async move {
                let mut stopped = stops.running(&speaker(holder));
                others_go_on();
                let early = stopped.try_recv();
                stops.ended(&speaker(holder));
                // Once it has ended nobody can tell it any more: what it hears by now is all.
                match early {
                    Ok(reason) => Some(reason),
                    Err(_) => stopped.await.ok(),
                }
            })
        };
        let handlers = ["a#1", "a#2"].map(handler);
        let stop = |reason| {
            let stops = stops.clone();
            shuttle::future::spawn(async move {
                stops.stop(&speaker("a#1"), reason);
                reason
            })
        };
        let reasons = [StopReason::Cancelled, StopReason::Timeout].map(stop);
        let reasons = reasons.map(|reason| shuttle::future::block_on(reason).unwrap());
        let [first, second] = handlers.map(|handler| shuttle::future::block_on(handler).unwrap());
        assert!(first.is_none_or(|reason| reasons.contains(&reason)));
        assert_eq!(second, None, "it was not meant");
        assert!(stops.lock().is_empty());
    });
}

#[test]
fn what_one_had_in_hand_that_has_died_is_known_until_somebody_has_said_how_it_ended() {
    let stops = Stops::default();
    let all = ["a#1", "a#11", "b#1"].map(|holder| (speaker(holder), stops.running(&speaker(holder))));
    let dead = InstanceId::new("node", "a#1");
    assert_eq!(stops.left_by(&dead), [speaker("a#1")]);
    assert_eq!(stops.left_by(&dead), []);
    stops.ended(&speaker("b#1"));
    assert_eq!(stops.left_by(&speaker("b#1").holder), []);
    stops.forget("a");
    assert_eq!(stops.left_by(&speaker("a#11").holder), []);
    drop(all);
}
