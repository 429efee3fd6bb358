//! What was recorded before the handler came so far.

use super::*;
use crate::durable::calls::{Key, Outcome, Waiting};
use crate::durable::child::asked;
use crate::durable::map::{Crowd, End, member};
use callboard_core::{Entry, Json, Millis, Noted, Payload};
use std::cell::Cell;

fn waiting(calls: &Arc<Calls>, key: &str) -> Waiting {
    Waiting { calls: calls.clone(), key: key.into() }
}

/// Calls of which these outcomes are recorded, in this order, before any is waited for.
fn recorded(keys: &[&str]) -> Arc<Calls> {
    let calls = Arc::new(Calls::new(None));
    calls.replay();
    for (key, seq) in keys.iter().copied().map(Key::from).zip(1..) {
        let what = Noted::Value(Payload::Json(Json::null()));
        calls.deliver(&Entry { seq, at: Millis(0), key, what }, Some(Outcome::Value(Json::null())));
    }
    calls.go_live();
    calls
}

#[tokio::test]
async fn the_first_recorded_wins_wherever_it_stands_in_the_code() {
    for (order, winner) in [(["a", "b"], 0), (["b", "a"], 1)] {
        let calls = recorded(&order);
        let won = of_two(calls.clone(), waiting(&calls, "a").outcome(), waiting(&calls, "b").outcome()).await;
        assert_eq!(matches!(won, Either::Second(_)), winner == 1, "{order:?}");
        let calls = recorded(&order);
        let all = ["c", "a", "b"].map(|key| waiting(&calls, key)).into_iter();
        let all = all.map(async |call: Waiting| call.outcome().await.map(drop));
        assert_eq!(of_many(calls.clone(), all.collect()).await.0, winner + 1, "{order:?}");
    }
}

/// One that takes two calls has what it needs when it has the second.
#[tokio::test]
async fn what_needs_several_calls_is_as_late_as_the_last_of_them() {
    let calls = recorded(&["a", "b", "c"]);
    let (a, b, c) = (waiting(&calls, "a"), waiting(&calls, "b"), waiting(&calls, "c"));
    let both = async { (a.outcome().await.is_ok(), c.outcome().await.is_ok()) };
    assert!(matches!(of_two(calls, both, b.outcome()).await, Either::Second(Ok(_))));
}

#[tokio::test]
async fn what_has_lost_begins_nothing() {
    let calls = recorded(&["a"]);
    let (a, step, begun) = (waiting(&calls, "a"), waiting(&calls, "step"), Cell::new(false));
    let other = async {
        let _turn = step.turn().await;
        begun.set(true);
    };
    assert!(matches!(of_two(calls.clone(), a.outcome(), other).await, Either::First(Ok(_))));
    assert!(!begun.get());
    assert!(calls.take_outbox().0.is_empty());
}

#[tokio::test]
async fn a_crowd_is_told_in_the_order_of_the_record() {
    let base = Key::from("map:x#1");
    let (zero, one) = (member(&base, 0), member(&base, 1));
    let calls = recorded(&[&one, &zero]);
    let children = [zero, one].map(|key| asked(key, "x", Json::null())).to_vec();
    let mut crowd = Crowd::new(&waiting(&calls, &base), children, 2, None);
    for expected in [1, 0] {
        assert!(matches!(crowd.next().await, Ok(End::Child(n, ..)) if n == expected));
    }
}
