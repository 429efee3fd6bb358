use super::*;
use callboard_core::Noted;
use futures::task::noop_waker;
use std::time::Duration;
use tokio::time::advance;

fn key(name: &str) -> Key {
    name.into()
}

fn entry(key: &Key, what: Noted) -> Entry {
    Entry { seq: 1, at: callboard_core::Millis(0), key: key.clone(), what }
}

/// What was recorded behind the outcome that decided a race is of what the race takes back.
#[test]
fn what_has_ended_takes_back_what_it_was_not_told_of() {
    let calls = Calls::new(None);
    let (child, gone, never) = (key("call:a#1"), key("call:b#1"), key("call:c#1"));
    calls.replay();
    calls.withdraw(vec![child.clone(), gone.clone(), never]);
    calls.untold(&entry(&child, Noted::Submitted { child: TaskIndex(1), hash: None }));
    calls.untold(&entry(&gone, Noted::Submitted { child: TaskIndex(2), hash: None }));
    calls.untold(&entry(&gone, Noted::Value(callboard_core::Payload::Json(Json::null()))));
    let withdrawals = calls.take_withdrawals();
    assert!(matches!(&withdrawals[..], [Note::Withdraw(keys)] if *keys == [child]), "{withdrawals:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_while_the_task_may_be_anothers() {
    let calls = Calls::new(None);
    let (waker, key) = (noop_waker(), key("step:a#1"));
    let cx = Context::from_waker(&waker);
    let until = Instant::now() + Duration::from_secs(1);
    assert!(matches!(calls.poll_ours(&key, &cx), Poll::Ready(Ok(()))), "nobody else can have it");
    calls.is_ours(until);
    assert!(matches!(calls.poll_ours(&key, &cx), Poll::Ready(Ok(()))));
    advance(Duration::from_secs(1)).await;
    assert!(calls.poll_ours(&key, &cx).is_pending());
    calls.wants_lease().await;
    assert!(calls.lock().calls[&key].waker.is_some());
    calls.is_ours(until);
    assert!(calls.poll_ours(&key, &cx).is_pending(), "it is over already");
    calls.is_ours(until + Duration::from_secs(1));
    assert!(calls.lock().calls[&key].waker.is_none(), "whoever waits is woken");
    assert!(matches!(calls.poll_ours(&key, &cx), Poll::Ready(Ok(()))));
}
