use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::probe::{Say, Start};
use super::{Fixture, LIMIT, settings};
use crate::supervise::{Ending, EventKind, FailureKind, Gone, Policy, Report, Stopped, Supervisor};

fn endings(report: &Report) -> Vec<(&str, &Ending)> {
    report.children.iter().map(|(name, ending)| (&**name, ending)).collect()
}

#[tokio::test(start_paused = true)]
async fn s5_a_shutdown_drains_one_after_the_other_and_loses_nothing() {
    let mut fixture = Fixture::new().await;
    let slots = [fixture.add("a", Policy::default()).await, fixture.add("b", Policy::default()).await];
    for actor in slots.iter().map(|slot| slot.current().unwrap()) {
        for _ in 0..20 {
            actor.cast(Say::Take(Duration::from_millis(10))).unwrap();
        }
    }
    let before = Instant::now();
    let report = fixture.tree.shutdown(LIMIT).await;
    assert_eq!(endings(&report), [("b", &Ending::Drained), ("a", &Ending::Drained)]);
    assert_eq!((fixture.company.handled(), fixture.company.alive()), (40, 0));
    assert!(before.elapsed() <= Duration::from_millis(210), "{:?}", before.elapsed());
    assert_eq!(slots[0].wait().await, Err(Gone));
    assert_eq!((fixture.told("b").await, fixture.told("b").await), (EventKind::Started, EventKind::Removed));
    assert_eq!(fixture.tree.shutdown(LIMIT).await, Report::default(), "it has ended");
}

#[tokio::test(start_paused = true)]
async fn a_slow_child_is_stopped_and_then_killed() {
    let fixture = Fixture::new().await;
    let (slow, stuck) = (fixture.add("slow", Policy::default()).await, fixture.add("stuck", Policy::default()).await);
    for _ in 0..9 {
        slow.current().unwrap().cast(Say::Take(LIMIT * 2 / 3)).unwrap();
        stuck.current().unwrap().cast(Say::Take(LIMIT * 100)).unwrap();
    }
    // Now each has one message at hand. The slow one will have ended it 2/3 of a limit from now, and the next 4/3 from now.
    sleep(Duration::from_millis(1)).await;
    let removed = fixture.tree.remove("slow", LIMIT * 5 / 4).await;
    assert_eq!(removed, Some(Ending::Stopped));
    let report = fixture.tree.shutdown(LIMIT).await;
    assert_eq!(endings(&report), [("stuck", &Ending::Killed)]);
    assert!(!report.is_clean());
    assert_eq!((fixture.company.handled(), fixture.company.alive()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_in_a_shutdown_is_reported_and_not_restarted() {
    let fixture = Fixture::new().await;
    let [a, b, c] = ["a", "b", "c"].map(|name| fixture.add(name, Policy::default()));
    let (a, b, c) = (a.await, b.await, c.await);
    // c panics while it drains, a before its turn comes, b while both go on.
    for (slot, millis) in [(&a, 10), (&c, 20)] {
        slot.current().unwrap().cast(Say::Take(Duration::from_millis(millis))).unwrap();
        slot.current().unwrap().cast(Say::Panic).unwrap();
    }
    b.current().unwrap().cast(Say::Take(Duration::from_millis(15))).unwrap();
    let report = fixture.tree.shutdown(LIMIT).await;
    let ouch = Ending::ByItself(Stopped::Panicked("ouch".into()));
    assert_eq!(endings(&report), [("a", &ouch), ("c", &ouch), ("b", &Ending::Drained)]);
    assert_eq!((fixture.company.starts(), fixture.company.alive()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_run_is_not_waited_for() {
    let mut fixture = Fixture::new().await;
    fixture.add("runs", Policy::default()).await;
    fixture.add_with("waits", Policy::default(), |_| Start::Fail(FailureKind::Unavailable)).await;
    let hangs = fixture.add_with("hangs", Policy::default(), |_| Start::Hang).await;
    while !matches!(fixture.told("waits").await, EventKind::Restarting(_)) {}
    let before = Instant::now();
    let report = fixture.tree.shutdown(LIMIT).await;
    assert_eq!(
        endings(&report),
        [("hangs", &Ending::NotRunning), ("waits", &Ending::NotRunning), ("runs", &Ending::Drained)]
    );
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!(hangs.wait().await, Err(Gone));
    assert_eq!(fixture.company.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_child_may_be_removed() {
    let fixture = Fixture::new().await;
    let (a, b) = (fixture.add("a", Policy::default()).await, fixture.add("b", Policy::default()).await);
    a.current().unwrap().cast(Say::Take(LIMIT / 2)).unwrap();
    let (tree, again) = (&fixture.tree, &fixture.tree);
    let removed = tokio::join!(tree.remove("a", LIMIT), again.remove("a", LIMIT));
    assert_eq!(removed, (Some(Ending::Drained), Some(Ending::Drained)));
    assert_eq!(fixture.tree.remove("a", LIMIT).await, None);
    assert_eq!(a.wait().await, Err(Gone));
    assert!(b.current().is_some());
    fixture.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_a_removal_and_goes_on_when_its_caller_has_gone() {
    let fixture = Fixture::new().await;
    let a = fixture.add("a", Policy::default()).await;
    a.current().unwrap().cast(Say::Take(LIMIT / 2)).unwrap();
    tokio::select! { biased; _ = fixture.tree.remove("a", LIMIT) => unreachable!(), () = sleep(LIMIT / 4) => {} }
    tokio::select! { biased; _ = fixture.tree.shutdown(LIMIT) => unreachable!(), () = sleep(LIMIT / 8) => {} }
    let report = fixture.tree.shutdown(LIMIT).await;
    assert_eq!(endings(&report), [("a", &Ending::Drained)]);
    assert_eq!(fixture.company.handled(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_child_may_have_its_own_limit() {
    let fixture = Fixture::new().await;
    let (spec, slot) = fixture.company.probe("a", Policy::default(), |_| Start::Well);
    fixture.tree.add(spec.drained_within(LIMIT * 10)).await.unwrap();
    slot.wait().await.unwrap().cast(Say::Take(LIMIT * 9)).unwrap();
    let report = fixture.tree.shutdown(LIMIT).await;
    assert_eq!(endings(&report), [("a", &Ending::Drained)]);
}

#[tokio::test(start_paused = true)]
async fn a_tree_within_a_tree_ends_in_order_and_says_what_went_wrong() {
    for (time, clean) in [(LIMIT / 2, true), (LIMIT * 100, false)] {
        let fixture = Fixture::new().await;
        let (spec, leaf) = fixture.company.probe("leaf", Policy::default(), |_| Start::Well);
        let (mut inner, _events) = settings(vec![spec], 1024);
        inner.name = "inner".into();
        let (spec, _) = Supervisor::child(Policy::default(), inner);
        fixture.tree.add(spec.drained_within(LIMIT * 2)).await.unwrap();
        leaf.wait().await.unwrap().cast(Say::Take(time)).unwrap();
        let report = fixture.tree.shutdown(LIMIT).await;
        assert_eq!(report.is_clean(), clean, "{report}");
        assert_eq!(report.to_string().contains("Killed"), !clean, "{report}");
        assert_eq!(fixture.company.alive(), 0);
    }
}

/// Nobody should, but a plain stop or the supervisor's death must leave nobody behind either.
#[tokio::test(start_paused = true)]
async fn a_supervisor_that_is_stopped_or_killed_leaves_nobody_behind() {
    for kill in [false, true] {
        let fixture = Fixture::new().await;
        let slot = fixture.add("a", Policy::default()).await;
        fixture.add_with("hangs", Policy::default(), |_| Start::Hang).await;
        fixture.add_with("waits", Policy::default(), |_| Start::Fail(FailureKind::Unavailable)).await;
        sleep(Duration::from_millis(1)).await;
        if kill {
            fixture.actor.kill()
        } else {
            fixture.actor.stop(None)
        }
        fixture.tree.ended().await;
        assert_eq!(slot.wait().await, Err(Gone));
        while fixture.company.alive() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// Real threads and real time: restarts, removals and a shutdown at once end with nobody alive.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_left_on_threads() {
    let (events, mut told) = mpsc::channel(16);
    let company = Arc::new(super::Company::default());
    let root = super::Settings {
        name: "root".into(),
        drain_limit: LIMIT,
        children: Vec::new(),
        events,
        alarm: Default::default(),
    };
    let tree = Supervisor::start(root).await.unwrap();
    let mut policy = Policy { restarts_max: 1_000, ..Policy::default() };
    policy.backoff.first = Duration::ZERO;
    let mut slots = Vec::new();
    for number in 0..32 {
        let (spec, slot) = company.probe(&format!("child-{number}"), policy, move |start| {
            if (number + start) % 3 == 0 { Start::Fail(FailureKind::Unavailable) } else { Start::Well }
        });
        tree.add(spec).await.unwrap();
        slots.push(slot);
    }
    for round in 0..20 {
        for (number, slot) in slots.iter().enumerate().filter(|(number, _)| (number + round) % 2 == 0) {
            let _ended = slot.wait().await.unwrap().cast(if number % 4 == 0 { Say::Panic } else { Say::Stop });
        }
        while told.try_recv().is_ok() {}
    }
    let (removed, report) = tokio::join!(tree.remove("child-3", LIMIT), tree.shutdown(LIMIT));
    assert!(removed.is_some_and(|ending| !matches!(ending, Ending::Killed | Ending::Stuck)));
    let slow =
        report.children.iter().filter(|(_, ending)| matches!(ending, Ending::Stopped | Ending::Killed | Ending::Stuck));
    assert_eq!(slow.count(), 0, "{report}");
    assert_eq!((report.children.len() >= 31, company.alive()), (true, 0));
}
