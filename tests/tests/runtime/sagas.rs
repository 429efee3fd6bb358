//! What a run that does not complete takes back.

use super::kit::*;
use super::lives::{Death, life};
use callboard::port::store::{MemoryStore, Store};
use callboard::prelude::*;
use callboard::{Builder, Ctx, Retry, Status};
use std::sync::Arc;

/// Takes an effect back.
#[task(output = ())]
struct Undo {
    what: String,
}

/// A node whose tasks book things with effects and then do what they are told; the log has what was booked and undone.
fn booking(store: &Arc<dyn Store>, log: &Log) -> Builder {
    let (undone, booked) = (log.clone(), log.clone());
    let builder = on(store).settings(|settings| {
        settings.park_after = Duration::ZERO;
        settings.retry.base = Duration::ZERO;
        settings.retry.retries = 1;
    });
    let builder = builder.task_fn(move |_, undo: Undo| {
        let undone = undone.clone();
        async move {
            if undo.what.starts_with("stuck") {
                return Err(Error::terminal("it can not be undone"));
            }
            undone.add(format!("undo {}", undo.what));
            Ok(())
        }
    });
    acting(builder, 4, move |ctx: Ctx, what: String| {
        let log = booked.clone();
        async move {
            let (things, then) = what.split_once(':').unwrap();
            for thing in things.split(' ') {
                let effect = ctx.effect(thing).keyed().undo(|_| Undo { what: thing.to_owned() });
                effect
                    .run(async |_| {
                        log.add(thing);
                        Ok(())
                    })
                    .await?;
            }
            match then {
                "fails" => Err(Error::terminal("sold out")),
                "waits" => ctx.signal::<String>("go").await,
                "unknown" => {
                    let effect = ctx.effect("gap").irreversible().undo(|_| Undo { what: "gap".to_owned() });
                    effect.run(async |_| Err::<String, _>(Error::retryable("connection reset"))).await
                }
                _ => Ok(then.to_owned()),
            }
        }
    })
}

/// What was undone, in order.
fn undone(log: &Log) -> Vec<String> {
    log.all().into_iter().filter_map(|what| what.strip_prefix("undo ").map(str::to_owned)).collect()
}

async fn until(run: &Run, status: Status) {
    loop {
        if !run.tasks().status(status).await.unwrap().items.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn effects_are_undone_in_reverse_on_cancel_on_failure_and_on_timeout() {
    for (then, comes_to) in [
        ("fails", RunOutcome::Failed),
        ("waits", RunOutcome::Cancelled),
        ("waits", RunOutcome::Failed),
        ("completes", RunOutcome::Completed),
    ] {
        let (_, store) = store();
        let log = Log::default();
        let board = booking(&store, &log).start().await.unwrap();
        let workflow = Workflow::new("journey");
        let workflow = if (then, comes_to) == ("waits", RunOutcome::Failed) {
            workflow.timeout(Duration::from_secs(60))
        } else {
            workflow
        };
        let first = workflow.task("first", act("flight hotel:completes"));
        let _second = workflow.task("second", act(&format!("car museum:{then}"))).after(&first);
        let run = board.start(workflow).await.unwrap();
        if comes_to == RunOutcome::Cancelled {
            until(&run, Status::Parked).await;
            run.cancel("rain").await.unwrap();
        }
        assert_eq!(run.outcome().await.unwrap(), comes_to, "{then}");
        let expected: &[&str] =
            if comes_to == RunOutcome::Completed { &[] } else { &["museum", "car", "hotel", "flight"] };
        assert_eq!(undone(&log), expected, "{then}: {:?}", log.all());
        board.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_fails_keeps_none_of_the_others_from_being_done_and_can_be_tried_again() {
    let (_, store) = store();
    let log = Log::default();
    let board = booking(&store, &log).start().await.unwrap();
    let (workflow, _) = one(act("flight stuck car:fails"));
    let run = board.start(workflow).await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Failed);
    assert_eq!(undone(&log), ["car", "flight"]);
    let tasks = run.tasks().await.unwrap().items;
    let stuck = tasks.iter().find(|task| task.status == Status::Failed && task.name.contains("stuck")).unwrap();
    let error = run.retry("it").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", full(&error));
    run.retry(&stuck.name).input(&Undo { what: "unstuck".into() }).await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Failed);
    assert_eq!(undone(&log), ["car", "flight", "unstuck"]);
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_unknown_effect_is_undone_once_it_is_decided_that_it_happened_and_not_if_it_did_not() {
    for happened in [true, false] {
        let (_, store) = store();
        let log = Log::default();
        let board = booking(&store, &log).start().await.unwrap();
        let (workflow, _) = one(act("flight:unknown"));
        let run = board.start(workflow).await.unwrap();
        until(&run, Status::Parked).await;
        run.cancel("rain").await.unwrap();
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Cancelled);
        assert_eq!(undone(&log), ["flight"], "who knows of the gap?");
        let effect = board.unknown_effects().await.unwrap().items.remove(0);
        let decide = board.decide(effect.id);
        if happened {
            decide.happened(&"x").await.unwrap()
        } else {
            decide.did_not_happen().await.unwrap()
        }
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Cancelled);
        let expected: &[&str] = if happened { &["flight", "gap"] } else { &["flight"] };
        assert_eq!(undone(&log), expected);
        assert!(board.unknown_effects().await.unwrap().items.is_empty());
        board.shutdown().await.unwrap();
    }
}

/// An unknown effect of a run that has left memory is still listed, and can be decided.
#[tokio::test(start_paused = true)]
async fn a_run_with_an_unknown_effect_stays_until_somebody_has_decided() {
    let (_, store) = store();
    let log = Log::default();
    let board = booking(&store, &log).settings(|settings| settings.closed_max = 0).start().await.unwrap();
    let (workflow, _) = one(act("flight:unknown"));
    let run = board.start(workflow).await.unwrap();
    until(&run, Status::Parked).await;
    run.cancel("rain").await.unwrap();
    for _ in 0..3 {
        board.start(one(act("hotel:completes")).0).await.unwrap().outcome().await.unwrap();
        tokio::time::sleep(Duration::from_secs(1_200)).await;
    }
    let effect = board.unknown_effects().await.unwrap().items.remove(0);
    board.decide(effect.id).happened(&"x").await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(undone(&log), ["flight", "gap"]);
    board.shutdown().await.unwrap();
}

/// Wherever the node dies: everything that was booked is undone, in reverse, and nothing twice but by a crash.
#[test]
fn a_saga_is_undone_wherever_its_node_dies() {
    let live = async |store: Arc<dyn Store>, log: Log| -> Result<RunOutcome> {
        let board = booking(&store, &log).start().await?;
        let workflow = Workflow::new("journey");
        let first = workflow.task("first", act("flight hotel:completes")).retry(Retry::never());
        let _second = workflow.task("second", act("car museum:fails")).after(&first).retry(Retry::never());
        board.start(workflow).key("journey").await?.outcome().await
    };
    let (_, operations) =
        life(&MemoryStore::new(), Death::Natural, async |store| live(store, Log::default()).await.unwrap());
    for death in (0..2 * operations).step_by(super::lives::every(3)).map(Death::number) {
        let (objects, log) = (MemoryStore::new(), Log::default());
        if let (Some(Ok(_)), _) = life(&objects, death, async |store| live(store, log.clone()).await) {
            continue;
        }
        let (outcome, _) = life(&objects, Death::Natural, async |store| live(store, log.clone()).await);
        assert_eq!(outcome.unwrap().unwrap(), RunOutcome::Failed);
        // One undo may run twice: the one that was cut short.
        let mut order = undone(&log);
        assert!(order.len() <= 5, "{death:?}: {order:?}");
        order.dedup();
        assert_eq!(order, ["museum", "car", "hotel", "flight"], "{death:?}: {:?}", log.all());
    }
}
