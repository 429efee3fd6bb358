//! Stores that fail.

use super::kit::*;
use callboard::port::store::fault::{Fault, Odds, Operation};
use callboard::port::store::{MemoryStore, Store};
use callboard::prelude::*;
use std::sync::Arc;
use tokio::time::Instant;

const LOG: &str = "*/log/*";

/// Longer than anything here may take in tokio's time.
async fn in_time<F: IntoFuture>(what: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(1_800), what.into_future()).await.expect("it goes on")
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_submissions_and_everything_goes_on_when_there_is_room() {
    let (faults, store) = store();
    let gate = Gate::shut();
    let shut = gate.clone();
    let builder = acting(echoing(on(&store)), 1, move |_, _| {
        let shut = shut.clone();
        async move {
            shut.pass().await;
            Ok("done".into())
        }
    });
    let board = builder.start().await.unwrap();
    let (workflow, before) = one(act(""));
    let run = board.start(workflow).await.unwrap();
    faults.fill_disk();
    gate.open(); // its result comes when there is no room for it
    for n in 0..3 {
        let error = board.start(one(echo("no")).0).key(format!("refused {n}")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", full(&error));
        assert!(full(&error).contains("disk full"), "{}", full(&error));
    }
    faults.free_disk();
    assert_eq!(in_time(run.output(&before)).await.unwrap(), "done");
    for n in 0..3 {
        let refused = board.run(board.run_id_of_key(&format!("refused {n}")));
        assert_eq!(refused.outcome().await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(in_time(board.call(echo("yes"))).await.unwrap(), "yes");
}

/// What is unclear is looked up: the caller hears of it only if that lasts.
#[tokio::test(start_paused = true)]
async fn lost_and_late_answers_are_settled_behind_the_callers_back() {
    for fault in [Fault::LoseRequest, Fault::LoseAnswer, Fault::Late, Fault::Twice, Fault::Exists] {
        let (faults, store) = store();
        let board = echoing(on(&store)).start().await.unwrap();
        for n in 0..10 {
            faults.script(Operation::Create, LOG, [fault]);
            assert_eq!(in_time(board.call(echo("a")).key(format!("{n}"))).await.unwrap(), "a", "{fault:?}");
            faults.release_all().await;
        }
        assert_eq!(board.journal_counters().events, 10 * 4, "{fault:?}: nothing was decided twice");
        board.shutdown().await.unwrap();
    }
}

/// A refused append ends the tenure; what it held goes on in the next, every slot included.
#[tokio::test(start_paused = true)]
async fn partitions_that_start_again_lose_no_slot() {
    for seed in 0..6 {
        let (faults, store) = store();
        let builder = acting(on(&store), 2, |_, what| async move {
            tokio::time::sleep(Duration::from_millis(3)).await;
            Ok(what)
        });
        let board = builder.start().await.unwrap();
        let workflow = Workflow::new("many");
        let nodes: Vec<_> = (0..100).map(|n| workflow.task(format!("t{n}"), act("x")).losses(10_000)).collect();
        let run = board.start(workflow).await.unwrap();
        let odds = Odds { refuse: 0.15, lose_answer: 0.1, delay_max: Duration::from_millis(20), ..Odds::default() };
        faults.random(seed, odds);
        let start = Instant::now();
        for node in &nodes {
            assert_eq!(in_time(run.output(node)).await.unwrap(), "x");
        }
        assert!(start.elapsed() < Duration::from_secs(600), "{:?}", start.elapsed());
        faults.calm();
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
        in_time(board.shutdown()).await.unwrap();
    }
}

/// One slot, granted again and again just before its partition ends: were it lost once, nothing would run any more.
#[tokio::test(start_paused = true)]
async fn a_slot_that_was_granted_to_a_partition_that_ended_is_free_again() {
    let (faults, store) = store();
    let board = echoing(acting(on(&store), 1, |_, what| async move { Ok(what) })).start().await.unwrap();
    for _ in 0..30 {
        let workflow = Workflow::new("two");
        let first = workflow.task("first", act("1"));
        let second = workflow.task("second", act("2"));
        // The result of the first frees the slot for the second while its own append is being refused.
        let run = board.start(workflow).await.unwrap();
        faults.script(Operation::Create, LOG, [Fault::Refuse]);
        let start = Instant::now();
        assert_eq!(in_time(run.output(&first)).await.unwrap(), "1");
        assert_eq!(in_time(run.output(&second)).await.unwrap(), "2");
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        faults.calm();
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_refuses_callers_soon_in_words_and_all_goes_on_afterwards() {
    let (faults, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    faults.always(Operation::Create, LOG, Fault::Hang);
    faults.always(Operation::Get, LOG, Fault::Hang);
    let first = tokio::spawn({
        let board = board.clone();
        async move { board.call(echo("first")).await }
    });
    faults.until_held(1).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let start = Instant::now();
    let error = board.start(one(echo("second")).0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", full(&error));
    assert!(full(&error).contains("no answer within"), "it names what was seen last: {}", full(&error));
    let cancelled = board.run(board.run_id_of_key("any")).cancel("late").await.unwrap_err();
    assert_eq!(cancelled.kind(), ErrorKind::Unavailable, "{}", full(&cancelled));
    assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());
    faults.calm();
    faults.release_all().await;
    assert_eq!(in_time(first).await.unwrap().unwrap(), "first");
    assert_eq!(in_time(board.call(echo("third"))).await.unwrap(), "third");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_can_not_be_used_at_the_start_is_refused_with_what_lies_behind() {
    let (faults, store) = store();
    faults.fill_disk();
    let error = echoing(on(&store)).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", full(&error));
    assert!(full(&error).contains("disk full"), "{}", full(&error));

    faults.free_disk();
    faults.always(Operation::Get, "*/probe/*", Fault::Refuse);
    faults.script(Operation::Get, "*/root", [Fault::Refuse]);
    assert!(echoing(on(&store)).start().await.is_err());
    faults.calm();
    assert_eq!(echoing(on(&store)).start().await.unwrap().call(echo("a")).await.unwrap(), "a");
}

#[tokio::test(start_paused = true)]
async fn a_stored_output_that_is_gone_is_corrupt_and_one_that_can_not_be_read_is_unavailable() {
    let (faults, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    let (workflow, it) = one(echo(&"x".repeat(100 << 10)));
    let run = board.start(workflow).await.unwrap();
    run.outcome().await.unwrap();
    faults.always(Operation::Get, "*/payloads/*", Fault::Refuse);
    let error = run.output(&it).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", full(&error));
    faults.calm();
    for name in store.list("default/payloads/", "").await.unwrap() {
        store.delete(&name).await.unwrap();
    }
    let error = run.output(&it).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", full(&error));
}

/// Those who were let in before it was known that the store hangs wait no longer than their limit.
#[tokio::test(start_paused = true)]
async fn a_caller_of_a_store_that_hangs_learns_that_the_outcome_is_unknown() {
    let (faults, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    faults.always(Operation::Create, LOG, Fault::Hang);
    let start = Instant::now();
    let error = board.start(one(echo("a")).0).key("k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{}", full(&error));
    assert!(start.elapsed() <= Duration::from_secs(31), "{:?}", start.elapsed());
    faults.calm();
    faults.release_all().await;
    let run = started(&board, "k").await;
    assert_eq!(in_time(run.outcome()).await.unwrap(), RunOutcome::Completed);
}

/// Submits until it is taken, as a caller does who is told that the partition is not available yet.
async fn started(board: &callboard::Callboard, key: &str) -> Run {
    in_time(async {
        loop {
            match board.start(one(echo("a")).0).key(key).await {
                Ok(run) => return run,
                Err(error) => assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown)),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
}

/// The inbox is bounded: callers wait outside, and are told so.
#[tokio::test(start_paused = true)]
async fn an_inbox_takes_so_many_bytes_and_no_more() {
    let (faults, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    faults.always(Operation::Create, LOG, Fault::Hang);
    let text = "x".repeat(1 << 20);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let (board, text) = (board.clone(), text.clone());
            tokio::spawn(async move { board.start(one(echo(&text)).0).await.map(drop) })
        })
        .collect();
    faults.until_held(1).await;
    let mut full_inbox = 0;
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        full_inbox += usize::from(full(&error).contains("inbox is full"));
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown), "{}", full(&error));
    }
    assert!(full_inbox >= 10, "{full_inbox} were kept out");
    faults.calm();
    faults.release_all().await;
    assert_eq!(in_time(started(&board, "k").await.outcome()).await.unwrap(), RunOutcome::Completed);
}

/// Two keys of different partitions.
fn keys_apart(board: &callboard::Callboard) -> [String; 2] {
    let of = |key: &String| board.run_id_of_key(key).partition(2);
    let zero = (0..).map(|n| format!("k{n}")).find(|key| of(key) == 0).unwrap();
    let one = (0..).map(|n| format!("k{n}")).find(|key| of(key) == 1).unwrap();
    [zero, one]
}

#[tokio::test(start_paused = true)]
async fn a_damaged_partition_is_refused_loudly_and_the_others_go_on() {
    let memory = MemoryStore::new();
    let store: Arc<dyn Store> = Arc::new(memory.clone());
    let two = |settings: &mut callboard::Settings| settings.partitions = 2;
    let board = echoing(on(&store)).settings(two).start().await.unwrap();
    let keys = keys_apart(&board);
    for key in &keys {
        board.start(one(echo("a")).0).key(key).await.unwrap().outcome().await.unwrap();
    }
    board.shutdown().await.unwrap();
    drop(board);
    let slots = memory.list("default/partitions/0000/log/", "").await.unwrap();
    let slot = &slots[slots.len() / 2];
    memory.delete(slot).await.unwrap();
    let _ = memory.create(slot, "rubbish".into()).await.unwrap();

    let board = echoing(on(&store)).settings(two).start().await.unwrap();
    let error = board.start(one(echo("a")).0).key(&keys[0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", full(&error));
    assert!(full(&error).contains(slot.as_str()), "it names the object: {}", full(&error));
    let damaged = board.run(board.run_id_of_key(&keys[0]));
    assert_eq!(damaged.outcome().await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(damaged.cancel("x").await.unwrap_err().kind(), ErrorKind::Corrupt);
    let run = board.start(one(echo("a")).0).key(&keys[1]).await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    board.shutdown().await.unwrap();
}

/// The second node owns the partition; what the first one's instances say does not count.
#[tokio::test(start_paused = true)]
async fn a_node_whose_partition_was_taken_over_steps_down_and_its_instances_are_fenced() {
    let (_, store) = store();
    let (old, new, gate) = (Gauge::default(), Gauge::default(), Gate::shut());
    let (count, shut) = (old.clone(), gate.clone());
    let first = acting(on(&store), 1, move |_, _| {
        count.add();
        let shut = shut.clone();
        async move {
            shut.pass().await;
            Ok("of the old".into())
        }
    });
    let first = first.start().await.unwrap();
    let (workflow, it) = one(act(""));
    let id = first.start(workflow).await.unwrap().id();
    old.reaches(1).await;
    let count = new.clone();
    let second = acting(on(&store), 1, move |_, _| {
        count.add();
        async { Ok("of the new".into()) }
    });
    let second = second.start().await.unwrap();
    assert_eq!(in_time(second.run(id).output(&it)).await.unwrap(), "of the new");
    gate.open();
    // The old one learns at its next append that it has been deposed; its result is fenced, by whoever owns then.
    assert_eq!(in_time(first.run(id).output(&it)).await.unwrap(), "of the new");
    assert_eq!((old.get(), new.get()), (1, 1));
    let events: Vec<_> = futures::StreamExt::collect(second.run(id).events()).await;
    let completed = events.iter().filter(|event: &&callboard::RunEvent| event.what == callboard::What::Completed);
    assert_eq!(completed.count(), 1);
}

/// Whatever a store does short of lying, nothing is lost and nothing is done twice that was recorded.
#[tokio::test(start_paused = true)]
async fn a_store_that_fails_by_chance_loses_nothing() {
    for seed in 0..10 {
        let (faults, store) = store();
        let board = echoing(on(&store)).start().await.unwrap();
        let odds = Odds {
            refuse: 0.02,
            lose_request: 0.1,
            lose_answer: 0.1,
            late: 0.05,
            twice: 0.05,
            exists: 0.05,
            late_operations_max: 5,
            delay_max: Duration::from_millis(30),
        };
        faults.random(seed, odds);
        let mut runs = Vec::new();
        for n in 0..30 {
            let workflow = Workflow::new("chain");
            let first = workflow.task("first", echo(&n.to_string())).losses(1_000);
            let last = workflow.task("last", Use { text: first.out() }).losses(1_000);
            let run = match board.start(workflow).key(format!("{n}")).await {
                Ok(run) => run,
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown), "{}", full(&error));
                    continue;
                }
            };
            runs.push((n, run, last));
        }
        assert!(runs.len() > 20, "{} of 30 were taken", runs.len());
        for (n, run, last) in runs {
            assert_eq!(in_time(run.output(&last)).await.unwrap(), format!("used {n}"), "seed {seed}");
        }
        faults.calm();
        in_time(board.shutdown()).await.unwrap();
    }
}
