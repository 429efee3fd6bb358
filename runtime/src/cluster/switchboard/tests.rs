use super::calls::{Calls, number};
use super::serve::Verdict;
use super::{desk_address, desk_of};
use crate::message::wire::Caller;
use crate::partition::message::Refusal;
use crate::partition::wire::Back;
use crate::port::bus::memory::MemoryBus;
use crate::port::directory::memory::MemoryDirectory;
use crate::port::store::MemoryStore;
use crate::{Callboard, Json, Settings, Workflow};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, advance};

type Answer = oneshot::Receiver<Result<(), Refusal>>;

fn call(calls: &mut Calls, to: &str, partition: u16) -> (u64, Answer) {
    let (reply, answer) = oneshot::channel();
    let (_, number, _) = calls.begin(to.into(), partition, Bytes::from_static(b"{}"), Back::Done(reply, None), "me");
    (number, answer)
}

fn due(calls: &mut Calls) -> Vec<u64> {
    calls.due(Instant::now()).into_iter().map(|(_, number, _)| number).collect()
}

#[tokio::test(start_paused = true)]
async fn a_call_is_sent_again_until_it_is_answered_and_less_and_less_often() {
    let mut calls = Calls::default();
    let (it, answer) = call(&mut calls, "a", 1);
    let mut sent = Vec::new();
    let began = Instant::now();
    for _ in 0..60 {
        advance(Duration::from_secs(1)).await;
        if due(&mut calls) == [it] {
            sent.push(began.elapsed().as_secs());
        }
    }
    assert_eq!(sent, [1, 3, 7, 15, 30, 45, 60]);
    assert_eq!(calls.answered(it, Verdict::Answered, br#"{"Ok":null}"#), Some((Arc::from("a"), 1)));
    assert!(matches!(answer.await, Ok(Ok(()))));
    assert_eq!(calls.answered(it, Verdict::Answered, br#"{"Ok":null}"#), None, "it was answered");
    advance(Duration::from_secs(100)).await;
    assert!(due(&mut calls).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_call_is_sent_again_at_once_when_it_may_be_lost_and_soon_while_nobody_has_it() {
    let mut calls = Calls::default();
    let ((to_a, _a), (to_b, _b)) = (call(&mut calls, "a", 1), call(&mut calls, "b", 2));
    let seconds = async |n| advance(Duration::from_secs(n)).await;
    [to_a, to_b].into_iter().for_each(|number| calls.delivered(number));
    seconds(1).await;
    assert_eq!(due(&mut calls), [to_a, to_b]);
    let again = |calls: &mut Calls, to| calls.again(to).into_iter().map(|(_, number, _)| number).collect::<Vec<_>>();
    assert_eq!(again(&mut calls, Some("a")), [to_a], "a has missed something");
    seconds(1).await;
    assert_eq!(due(&mut calls), [to_a], "it was as if it were new");
    assert_eq!(again(&mut calls, None), [to_a, to_b], "this node has");
    for _ in 0..3 {
        calls.undelivered(to_a);
        calls.not_sent(to_b);
        assert!(due(&mut calls).is_empty(), "it was sent twice, and once it is on its way still");
        calls.not_sent(to_b);
        assert_eq!(due(&mut calls), [to_b]);
        seconds(1).await;
        assert_eq!(due(&mut calls), [to_a, to_b]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_what_nobody_answers_any_more_is_told() {
    let mut calls = Calls::default();
    let (_, moved) = call(&mut calls, "a", 1);
    let (stays, _stays) = call(&mut calls, "b", 1);
    let (_, dies) = call(&mut calls, "c", 2);
    let (unread, not_here) = call(&mut calls, "b", 3);
    (1..=4).for_each(|number| calls.delivered(number));
    assert!(calls.moved(1, Some(&"b".into())).is_empty());
    calls.dead("c");
    assert!(calls.answered(unread, Verdict::NotHere, b"").is_some());
    assert!(moved.await.is_err() && dies.await.is_err() && not_here.await.is_err());
    advance(Duration::from_secs(1)).await;
    assert_eq!(due(&mut calls), [stays]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_heard_goes_to_the_next_owner() {
    let mut calls = Calls::default();
    let (it, answer) = call(&mut calls, "a", 1);
    calls.undelivered(it);
    calls.dead("a");
    assert!(calls.moved(1, None).is_empty());
    let again = calls.moved(1, Some(&"b".into()));
    assert_eq!(again.iter().map(|(to, number, _)| (&**to, *number)).collect::<Vec<_>>(), [("b", it)]);
    calls.delivered(it);
    calls.undelivered(it);
    advance(Duration::from_secs(1)).await;
    assert_eq!(due(&mut calls), [it], "its node may be back soon");
    calls.undelivered(it);
    calls.dead("b");
    assert!(answer.await.is_err(), "it may have been heard before");
    let (_, answer) = call(&mut calls, "b", 1);
    calls.here(1);
    assert!(answer.await.is_err(), "its caller finds the partition here");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_forgotten_at_both_ends() {
    let mut calls = Calls::default();
    let (it, answer) = call(&mut calls, "a", 1);
    assert!(calls.forgotten(Instant::now()).is_empty());
    drop(answer);
    let forgotten = calls.forgotten(Instant::now());
    assert_eq!(forgotten[&Arc::from("a")], [format!("me:{it}")]);
    assert!(calls.forgotten(Instant::now()).is_empty());
}

/// A request to the mailroom of node `a` to which `events` happen, and what its caller knows after each.
#[track_caller]
fn check_mail(events: &str, known: &str) {
    let (mut calls, now) = (Calls::default(), Instant::now());
    let (caller, mut so_far) = Caller::overheard();
    let (_, it, _) = calls.begin_mail("a".into(), Bytes::new(), Some(now + Duration::from_secs(5)), caller, "me");
    let after = |event| {
        match event {
            "taken" => calls.delivered(it),
            "refused" => calls.not_sent(it),
            "nobody" => calls.undelivered(it),
            "full" => calls.full(it),
            "again" => assert_eq!(calls.due(now + Duration::from_secs(2)).len(), 1),
            "it missed" => assert_eq!(calls.again(Some("a")).len(), 1),
            "I missed" => assert!(calls.again(None).is_empty()),
            "dead" => calls.dead("a"),
            "other dead" => calls.dead("b"),
            "moved" => assert!(calls.moved(0, Some(&"b".into())).is_empty()),
            "here" => calls.here(0),
            "late" => assert_eq!(calls.forgotten(now + Duration::from_secs(5)).len(), 1),
            "answer" => assert_eq!(calls.answered(it, Verdict::Answered, br#""delivered""#), None),
            "garbage" => assert_eq!(calls.answered(it, Verdict::Answered, b"?"), None),
            "unreadable" => assert_eq!(calls.answered(it, Verdict::Unreadable, b""), None),
            "no answer" => assert_eq!(calls.answered(it, Verdict::NoAnswer, b""), None),
            other => panic!("{other:?} does not happen"),
        }
        so_far()
    };
    assert_eq!(events.split(" | ").map(after).collect::<Vec<_>>().join(" "), known, "{events}");
}

#[tokio::test(start_paused = true)]
async fn who_writes_to_a_mailroom_hears_whether_anybody_may_have_heard() {
    check_mail("taken | answer", "waits answer");
    check_mail("answer", "answer");
    check_mail("taken | unreadable", "waits unreadable");
    check_mail("taken | no answer", "waits unknown");
    check_mail("taken | garbage", "waits unknown");
    // For certain nobody has.
    check_mail("nobody", "unheard");
    check_mail("full", "unheard");
    check_mail("refused | dead", "waits unheard");
    check_mail("refused | late", "waits unheard");
    check_mail("refused | again | nobody", "waits waits unheard");
    // Perhaps somebody has: it was taken, or is on its way still.
    check_mail("taken | dead", "waits unknown");
    check_mail("taken | late", "waits unknown");
    check_mail("taken | again | nobody", "waits waits unknown");
    check_mail("dead", "unknown");
    check_mail("late", "unknown");
    check_mail("again | nobody | taken | answer", "waits waits waits answer");
    check_mail("again | full | nobody", "waits waits unheard");
    check_mail("taken | again | full | answer", "waits waits waits answer");
    // A broker was away, and the queue of this node is back before that of the other.
    check_mail("taken | I missed | it missed | taken | answer", "waits waits waits waits answer");
    check_mail("taken | it missed | nobody", "waits waits unknown");
    // It is of no partition.
    check_mail("taken | moved | here | other dead | answer", "waits waits waits waits answer");
}

#[test]
fn a_call_is_known_by_its_id() {
    assert_eq!(number("node-1", "node-1:42"), Some(42));
    for other in ["node-10:42", "node-2:42", "node-1", "node-1:", "node-1:x"] {
        assert_eq!(number("node-1", other), None, "{other}");
    }
    assert_eq!(desk_of(&desk_address("an#agent", 7)), Some(("an#agent", 7)));
    assert_eq!(desk_of("agent"), None);
}

/// The node that carries out its calls remembers their answers by their numbers.
#[tokio::test(start_paused = true)]
async fn a_switchboard_that_starts_again_is_not_given_the_answers_of_its_last_life() {
    let (store, directory) = (Arc::new(MemoryStore::new()), Arc::new(MemoryDirectory::new()));
    let bus = MemoryBus::new();
    let node = || {
        let builder = Callboard::builder(Settings::default()).store(store.clone());
        builder.bus(Arc::new(bus.clone())).directory(directory.clone())
    };
    let owner = node().start().await.unwrap();
    let caller = node().client().start().await.unwrap();
    let start = async |name: &str| {
        let workflow = Workflow::new(name);
        workflow.task_json("it", "nothing", Json::of(&()).unwrap());
        caller.start(workflow).await.unwrap()
    };
    let first = start("first").await;
    assert_eq!(&*first.info().await.unwrap().workflow, "first");
    let switchboard = caller.0.backlog.others().unwrap();
    let killed = switchboard.0.current().unwrap();
    killed.kill();
    killed.wait(None).await.unwrap();
    switchboard.is_up().await;
    let second = start("second").await;
    assert_eq!(&*second.info().await.unwrap().workflow, "second");
    caller.shutdown().await.unwrap();
    owner.shutdown().await.unwrap();
}
