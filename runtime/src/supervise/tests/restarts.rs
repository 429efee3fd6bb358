use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ractor::Actor;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::probe::{Company, Probe, Say, Start};
use super::{Fixture, LIMIT, settings};
use crate::supervise::tree::Condition;
use crate::supervise::{
    AddError, Backoff, ChildSpec, EventKind, Failure, FailureKind, Gone, OnGiveUp, Policy, Restart, Ruling, Stopped,
    Supervisor,
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn panicked() -> Stopped {
    Stopped::Panicked("ouch".into())
}

fn refused(kind: FailureKind) -> Stopped {
    Stopped::Refused(Failure::new(kind, "as told"))
}

fn give_up_child() -> Policy {
    Policy { on_give_up: OnGiveUp::GiveUpChild, ..Policy::default() }
}

#[tokio::test(start_paused = true)]
async fn s3_the_death_of_a_child_ends_neither_its_supervisor_nor_its_siblings() {
    let mut fixture = Fixture::new().await;
    let (a, b) = (fixture.add("a", Policy::default()).await, fixture.add("b", Policy::default()).await);
    let (first, sibling) = (a.current().unwrap(), b.current().unwrap());
    assert_eq!(fixture.told("a").await, EventKind::Started);
    let before = Instant::now();
    first.cast(Say::Panic).unwrap();
    assert_eq!(fixture.told("a").await, EventKind::Stopped(panicked()));
    assert_eq!(a.current(), None);
    assert_eq!(fixture.told("a").await, EventKind::Restarting(ms(100)));
    assert_eq!(fixture.told("a").await, EventKind::Started);
    assert_eq!(before.elapsed(), ms(100));
    assert_ne!(a.current().unwrap().get_id(), first.get_id());
    assert_eq!(b.current().unwrap().get_id(), sibling.get_id());
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn why_a_child_stopped_is_told_apart() {
    let mut fixture = Fixture::new().await;
    let a = fixture.add("a", Policy { restarts_max: 9, ..Policy::default() }).await;
    fixture.told("a").await;
    let failed = Stopped::Failed(Failure::new(FailureKind::Corrupt, "as told"));
    for (say, why) in [
        (Some(Say::Panic), panicked()),
        (Some(Say::Fail(FailureKind::Corrupt)), failed),
        (Some(Say::FailOddly), Stopped::Panicked("odd".into())),
        (Some(Say::Stop), Stopped::Finished(Some("as told".into()))),
        (None, Stopped::Killed),
    ] {
        let actor = a.wait().await.unwrap();
        match say {
            Some(say) => actor.cast(say).unwrap(),
            None => actor.kill(),
        }
        assert_eq!(fixture.told("a").await, EventKind::Stopped(why));
        assert!(matches!(fixture.told("a").await, EventKind::Restarting(_)));
        assert_eq!(fixture.told("a").await, EventKind::Started);
    }
    // Killed in the middle of a message it leaves no state behind, and is told alike.
    let actor = a.wait().await.unwrap();
    actor.cast(Say::Take(LIMIT)).unwrap();
    sleep(ms(1)).await;
    actor.kill();
    assert_eq!(fixture.told("a").await, EventKind::Stopped(Stopped::Killed));
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn s2_a_cast_dies_with_its_incarnation_and_a_call_says_so() {
    let fixture = Fixture::new().await;
    let slot = fixture.add("a", Policy::default()).await;
    let actor = slot.current().unwrap();
    let (reply, answer) = oneshot::channel();
    actor.cast(Say::Panic).unwrap();
    actor.cast(Say::Count(reply)).unwrap();
    assert!(answer.await.is_err(), "the call is not left waiting");
    let (reply, answer) = oneshot::channel();
    slot.wait().await.unwrap().cast(Say::Count(reply)).unwrap();
    assert_eq!(answer.await, Ok(0), "the next incarnation begins afresh");
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn s4_a_failed_start_is_tried_again_like_any_stop() {
    let mut fixture = Fixture::new().await;
    let slot = fixture
        .add_with("a", Policy::default(), |start| match start {
            0 => Start::Fail(FailureKind::Invalid),
            1 => Start::Panic,
            _ => Start::Well,
        })
        .await;
    slot.wait().await.unwrap();
    let mut told = Vec::new();
    for _ in 0..5 {
        told.push(fixture.told("a").await);
    }
    assert_eq!(
        told,
        [
            EventKind::Stopped(refused(FailureKind::Invalid)),
            EventKind::Restarting(ms(100)),
            EventKind::Stopped(Stopped::Panicked("stage fright".into())),
            EventKind::Restarting(ms(200)),
            EventKind::Started,
        ]
    );
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn s4_a_panic_outside_of_the_actor_is_a_failed_start_too() {
    let mut fixture = Fixture::new().await;
    let (spec, slot) = ChildSpec::new::<Say, _>("a", give_up_child(), |_| panic!("no costume"));
    fixture.tree.add(spec).await.unwrap();
    assert_eq!(fixture.told("a").await, EventKind::Stopped(Stopped::Panicked("no costume".into())));
    assert!(slot.wait().await.is_err());
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn s9_a_child_that_stops_too_often_ends_the_tree() {
    let mut fixture = Fixture::new().await;
    let sibling = fixture.add("b", Policy::default()).await;
    let slot = fixture.add_with("a", Policy::default(), |_| Start::Panic).await;
    let fright = Stopped::Panicked("stage fright".into());
    for _ in 0..5 {
        assert_eq!(fixture.told("a").await, EventKind::Stopped(fright.clone()));
        assert!(matches!(fixture.told("a").await, EventKind::Restarting(_)));
    }
    assert_eq!(fixture.told("a").await, EventKind::Stopped(fright.clone()));
    assert_eq!(fixture.told("a").await, EventKind::StoppingTree(fright));
    assert_eq!(fixture.told("b").await, EventKind::Removed);
    fixture.tree.ended().await;
    assert_eq!((slot.wait().await, sibling.wait().await), (Err(Gone), Err(Gone)));
    assert_eq!((fixture.company.starts(), fixture.company.alive()), (7, 0));
    let (late, _) = fixture.company.probe("c", Policy::default(), |_| Start::Well);
    assert_eq!(fixture.tree.add(late).await, Err(AddError::Ending));
}

#[tokio::test(start_paused = true)]
async fn s9_a_child_may_be_given_up_alone() {
    let mut fixture = Fixture::new().await;
    let sibling = fixture.add("b", Policy::default()).await;
    let slot = fixture.add_with("a", give_up_child(), |_| Start::Fail(FailureKind::Corrupt)).await;
    assert_eq!(slot.wait().await, Err(Gone));
    let mut last = fixture.told("a").await;
    while !matches!(last, EventKind::GaveUp(_)) {
        last = fixture.told("a").await;
    }
    assert_eq!(last, EventKind::GaveUp(refused(FailureKind::Corrupt)));
    assert!(sibling.current().is_some());
    fixture.add("a", Policy::default()).await;
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_dependency_is_not_counted() {
    let fixture = Fixture::new().await;
    let before = Instant::now();
    let how = |start| {
        if start < 30 { Start::Fail(FailureKind::Unavailable) } else { Start::Well }
    };
    let slot = fixture.add_with("a", Policy::default(), how).await;
    slot.wait().await.unwrap();
    // 0.1 + 0.2 + 0.4 + 0.8 + 1.6 + 3.2, and the cap 24 times.
    assert_eq!(before.elapsed(), ms(6_300 + 24 * 5_000));
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_child_may_bring_its_own_judgement() {
    let mut fixture = Fixture::new().await;
    let (spec, slot) = fixture.company.probe("a", Policy::default(), |_| Start::Well);
    let spec = spec.judged_by(|why| match why.failure().map(|failure| failure.kind) {
        Some(FailureKind::Fenced) => Ruling::GiveUp,
        _ => Ruling::RestartUncounted,
    });
    fixture.tree.add(spec).await.unwrap();
    for _ in 0..20 {
        slot.wait().await.unwrap().cast(Say::Panic).unwrap();
        while fixture.told("a").await != EventKind::Stopped(panicked()) {}
    }
    slot.wait().await.unwrap().cast(Say::Fail(FailureKind::Fenced)).unwrap();
    assert_eq!(slot.wait_for_end().await, Gone);
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_done_is_not_started_again() {
    let mut fixture = Fixture::new().await;
    for (restart, say) in [(Restart::Transient, Say::Stop), (Restart::Temporary, Say::Panic)] {
        let slot = fixture.add("a", Policy { restart, ..Policy::default() }).await;
        slot.current().unwrap().cast(say).unwrap();
        assert_eq!(slot.wait_for_end().await, Gone);
        assert_eq!(fixture.told("a").await, EventKind::Started);
        assert!(matches!(fixture.told("a").await, EventKind::Stopped(_)));
        assert_eq!(fixture.told("a").await, EventKind::Done);
    }
    assert_eq!(fixture.company.starts(), 2);
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn s6_a_start_that_hangs_holds_up_nobody() {
    let mut fixture = Fixture::new().await;
    fixture.add_with("slow", Policy::default(), |_| Start::Hang).await;
    let quick = fixture.add("quick", Policy::default()).await;
    quick.current().unwrap().cast(Say::Panic).unwrap();
    for _ in 0..4 {
        fixture.told("quick").await;
    }
    assert!(quick.current().is_some());
    let conditions = fixture.tree.children().await;
    assert_eq!(conditions, [("slow".into(), Condition::Starting), ("quick".into(), Condition::Up)]);
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn s11_an_end_that_overtakes_its_start_is_not_lost() {
    let mut fixture = Fixture::new().await;
    let (company, starts) = (Arc::new(Company::default()), Arc::new(AtomicUsize::new(0)));
    let (spec, slot) = ChildSpec::new("a", Policy::default(), move |supervisor| {
        let (company, starts) = (Arc::clone(&company), Arc::clone(&starts));
        Box::pin(async move {
            let (actor, task) = Probe::spawn_linked(None, Probe, (company, Start::Well), supervisor).await?;
            if starts.fetch_add(1, Ordering::SeqCst) == 0 {
                actor.cast(Say::Panic).unwrap();
                task.await.unwrap();
                // The supervisor hears of the end, and only then of the start.
                sleep(ms(1)).await;
            }
            Ok(actor)
        })
    });
    fixture.tree.add(spec).await.unwrap();
    assert_eq!(fixture.told("a").await, EventKind::Started);
    assert_eq!(fixture.told("a").await, EventKind::Stopped(panicked()));
    assert_eq!(fixture.told("a").await, EventKind::Restarting(ms(100)));
    assert_eq!(fixture.told("a").await, EventKind::Started);
    assert!(slot.current().is_some());
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_actor_without_a_link_is_refused() {
    let mut fixture = Fixture::new().await;
    let company = Arc::clone(&fixture.company);
    let (spec, slot) = ChildSpec::new("a", give_up_child(), move |_| {
        let company = Arc::clone(&company);
        Box::pin(async move { Ok(Probe::spawn(None, Probe, (company, Start::Well)).await?.0) })
    });
    fixture.tree.add(spec).await.unwrap();
    let told = fixture.told("a").await;
    let EventKind::Stopped(Stopped::Refused(failure)) = told else { panic!("{told:?}") };
    assert_eq!(failure.kind, FailureKind::Invalid);
    assert_eq!(slot.wait().await, Err(Gone));
    while fixture.company.alive() > 0 {
        yield_now().await;
    }
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn s8_no_name_is_global() {
    let (one, two) = (Fixture::new().await, Fixture::new().await);
    one.add("s8-child", Policy::default()).await;
    two.add("s8-child", Policy::default()).await;
    assert!(ractor::registry::where_is("s8-child").is_none());
    assert!(ractor::registry::where_is("tree").is_none());
    let (same, _) = one.company.probe("s8-child", Policy::default(), |_| Start::Well);
    assert_eq!(one.tree.add(same).await, Err(AddError::NameTaken("s8-child".into())));
    one.end().await;
    two.end().await;
}

/// S1: the only queue that a supervisor fills is its owner's, and that one is bounded. S10: what is lost is counted.
#[tokio::test(start_paused = true)]
async fn s1_s10_a_slow_owner_costs_no_memory_and_learns_what_it_has_missed() {
    let mut fixture = Fixture::with_capacity(2).await;
    fixture.add_with("a", give_up_child(), |_| Start::Panic).await.wait_for_end().await;
    // Twelve stops and restarts, then the last word; two of these were kept.
    assert!(matches!(fixture.told("a").await, EventKind::Stopped(_)));
    assert!(matches!(fixture.told("a").await, EventKind::Restarting(_)));
    fixture.add("b", Policy::default()).await;
    assert_eq!(fixture.told("tree").await, EventKind::Missed(10));
    assert_eq!(fixture.told("b").await, EventKind::Started);
    fixture.end().await;
}

#[test]
fn s7_a_panic_unwinds_in_every_profile() {
    let manifest = include_str!("../../../../Cargo.toml");
    let settings = manifest.lines().filter(|line| !line.trim_start().starts_with('#'));
    assert!(!settings.into_iter().any(|line| line.contains("abort")), "an abort would end the node with its actor");
}

#[tokio::test(start_paused = true)]
async fn a_tree_that_fails_is_started_again_by_its_parent_and_its_slots_live_on() {
    let mut fixture = Fixture::new().await;
    let backoff = Backoff { first: ms(1), cap: ms(1), spread: None };
    let (spec, leaf) =
        fixture.company.probe("leaf", Policy { restarts_max: 1, backoff, ..Policy::default() }, |_| Start::Well);
    let (mut inner, _inner_events) = settings(vec![spec], 1024);
    inner.name = "inner".into();
    let (spec, branch) = Supervisor::child(Policy::default(), inner);
    fixture.tree.add(spec).await.unwrap();
    let first = branch.wait().await.unwrap();
    for _ in 0..2 {
        let actor = leaf.wait().await.unwrap();
        actor.cast(Say::Fail(FailureKind::Corrupt)).unwrap();
        actor.wait(None).await.unwrap();
    }
    fixture.told("inner").await;
    let told = fixture.told("inner").await;
    let EventKind::Stopped(Stopped::Failed(failure)) = told else { panic!("{told:?}") };
    assert_eq!(failure.kind, FailureKind::Corrupt);
    assert!(failure.message.contains("leaf stopped too often"), "{failure}");
    leaf.wait().await.unwrap();
    assert_ne!(branch.wait().await.unwrap().get_id(), first.get_id());
    assert_eq!(Supervisor::from(branch.current().unwrap()).children().await, [("leaf".into(), Condition::Up)]);
    fixture.end().await;
    assert_eq!(leaf.current(), None);
}

#[tokio::test(start_paused = true)]
async fn two_children_of_one_name_are_refused() {
    let company = Arc::new(Company::default());
    let twin = || company.probe("twin", Policy::default(), |_| Start::Well).0;
    let (settings, _events) = settings(vec![twin(), twin()], 8);
    let refused = Supervisor::start(settings).await.err();
    assert!(matches!(refused, Some(Stopped::Refused(Failure { kind: FailureKind::Invalid, .. }))), "{refused:?}");
    assert_eq!(company.alive(), 0);
}
