//! What has ended leaves memory, and is still there.

use super::kit::*;
use callboard::port::store::Store;
use callboard::prelude::*;
use callboard::{Callboard, RunId};
use futures::StreamExt;
use std::sync::Arc;

async fn start(store: &Arc<dyn Store>, change: fn(&mut callboard::Settings)) -> Callboard {
    echoing(on(store)).settings(change).start().await.unwrap()
}

fn tight(settings: &mut callboard::Settings) {
    settings.closed_max = 3;
    settings.snapshot_events = 5;
    settings.garbage_late = Duration::from_secs(4);
}

fn chain(text: &str) -> (Workflow, Node<String>) {
    let workflow = Workflow::new("chain");
    let first = workflow.task("first", echo(text));
    let last = workflow.task("last", Use { text: first.out() });
    (workflow, last)
}

/// How many of the runs are in memory.
async fn in_memory(board: &Callboard, runs: &[RunId]) -> usize {
    let mut count = 0;
    for id in runs {
        count += usize::from(board.run(*id).progress().await.unwrap().is_some());
    }
    count
}

async fn all_answer(board: &Callboard, runs: &[RunId]) {
    let (_, last) = chain("");
    for (n, id) in runs.iter().enumerate() {
        let run = board.run(*id);
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
        assert_eq!(run.output(&last).await.unwrap(), format!("used {n}"));
        let events: Vec<String> = run.events().map(|event| event.to_string()).collect().await;
        let expected = [
            "chain submitted, 2 tasks",
            "chain: first started",
            "chain: first completed",
            "chain: last started",
            "chain: last completed",
            "chain ended: completed",
        ];
        assert_eq!(events, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn ended_runs_leave_memory_and_answer_from_the_archive_after_restarts_too() {
    let (_, store) = store();
    let mut board = start(&store, tight).await;
    let mut runs = Vec::new();
    for life in 0..4 {
        for _ in 0..25 {
            let (workflow, last) = chain(&runs.len().to_string());
            let run = board.start(workflow).await.unwrap();
            run.output(&last).await.unwrap();
            runs.push(run.id());
        }
        settled(&board, &runs).await;
        all_answer(&board, &runs).await;
        board.shutdown().await.unwrap();
        drop(board);
        board = start(&store, tight).await;
        assert!(in_memory(&board, &runs).await <= 4, "life {life}");
        all_answer(&board, &runs).await;
    }
}

/// Waits until no more ended runs are in memory than may be.
async fn settled(board: &Callboard, runs: &[RunId]) {
    while in_memory(board, runs).await > 3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Memory is bounded by what goes on, not by how fast runs end.
#[tokio::test(start_paused = true)]
async fn many_runs_that_end_at_once_leave_memory_as_fast() {
    let (_, store) = store();
    let board = start(&store, |settings| settings.closed_max = 10).await;
    let mut runs = Vec::new();
    for n in 0..500 {
        let (workflow, last) = chain(&n.to_string());
        let run = board.start(workflow).await.unwrap();
        run.output(&last).await.unwrap();
        runs.push(run.id());
    }
    // Nothing of this has taken a second, so no ticker has helped.
    let left = in_memory(&board, &runs).await;
    assert!(left < 100, "{left} of 500 are still in memory");
    all_answer(&board, &runs).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_in_memory_is_archived_when_it_has_ended_long_ago() {
    let (_, store) = store();
    let board = start(&store, |settings| settings.closed_for = Duration::from_secs(60)).await;
    let (workflow, last) = chain("0");
    let run = board.start(workflow).await.unwrap();
    run.output(&last).await.unwrap();
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(in_memory(&board, &[run.id()]).await, 1);
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(in_memory(&board, &[run.id()]).await, 0);
    all_answer(&board, &[run.id()]).await;
}

/// Snapshots are taken while many runs go on; what they miss is in the log behind them.
#[tokio::test(start_paused = true)]
async fn a_restart_from_a_snapshot_goes_on_with_what_was_live() {
    let (faults, store) = store();
    let gate = Gate::shut();
    let (started, shut) = (Gauge::default(), gate.clone());
    let count = started.clone();
    let builder = acting(on(&store), 50, move |_, what| {
        count.add();
        let shut = shut.clone();
        async move {
            shut.pass().await;
            Ok(what)
        }
    });
    let board = builder.settings(tight).start().await.unwrap();
    let mut runs = Vec::new();
    for n in 0..50 {
        let (workflow, it) = one(act(&n.to_string()));
        runs.push((board.start(workflow).await.unwrap().id(), it));
    }
    started.reaches(50).await;
    // Longer than garbage is kept, so that the log behind the snapshots goes.
    tokio::time::sleep(Duration::from_secs(20)).await;
    board.shutdown().await.unwrap();
    drop(board);
    let names = faults.list("default/partitions/0000/snapshots/", "").await.unwrap();
    assert!(!names.is_empty(), "{:?}", faults.list("default/", "").await);
    gate.open();
    let board = acting(on(&store), 8, |_, what| async move { Ok(what) }).settings(tight).start().await.unwrap();
    for (n, (id, it)) in runs.iter().enumerate() {
        assert_eq!(board.run(*id).output(it).await.unwrap(), n.to_string());
    }
}

/// What is replayed is asked for append by append: a partition without much to do has thousands before it has many events.
#[tokio::test(start_paused = true)]
async fn a_partition_that_appends_little_at_a_time_takes_a_snapshot_all_the_same() {
    let (faults, store) = store();
    let board = start(&store, |_| {}).await;
    for n in 0..512 {
        assert_eq!(board.call(echo(&n.to_string())).await.unwrap(), n.to_string());
    }
    // Two appends a task, which is 2,048 events, and 500 KiB.
    let written = async {
        while faults.list("default/partitions/0000/snapshots/", "").await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), written).await.expect("a snapshot is written");
    board.shutdown().await.unwrap();
}

/// A page that can not be written keeps its runs in memory, and is tried again.
#[tokio::test(start_paused = true)]
async fn an_archive_that_fails_loses_nothing() {
    use callboard::port::store::fault::{Fault, Operation};
    let (faults, store) = store();
    let board = start(&store, tight).await;
    faults.always(Operation::Create, "*/archive/*", Fault::Refuse);
    let mut runs = Vec::new();
    for n in 0..20 {
        let (workflow, last) = chain(&n.to_string());
        let run = board.start(workflow).await.unwrap();
        run.output(&last).await.unwrap();
        runs.push(run.id());
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(in_memory(&board, &runs).await, 20);
    all_answer(&board, &runs).await;
    faults.calm();
    settled(&board, &runs).await;
    all_answer(&board, &runs).await;
}

/// How many objects there are under a part of the only partition.
async fn objects(store: &Arc<dyn Store>, part: &str) -> usize {
    store.list(&format!("default/partitions/0000/{part}/"), "").await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn garbage_goes_while_one_snapshot_follows_the_other() {
    let (_, store) = store();
    let board = start(&store, |settings| {
        settings.snapshot_events = 40;
        settings.garbage_late = Duration::from_secs(1);
    });
    let board = board.await;
    for n in 0..1_000 {
        board.call(echo(&n.to_string())).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await; // paused: no time passes but for the node
    }
    let (slots, snapshots) = (objects(&store, "log").await, objects(&store, "snapshots").await);
    assert!(slots < 600 && snapshots < 30, "{slots} slots and {snapshots} snapshots are left of 10 s");
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn l20_short_lives_take_snapshots_too() {
    for (events, lives) in [(20, 8), (50_000, 70)] {
        let (_, store) = store();
        for life in 0..lives {
            let board = echoing(on(&store)).settings(|settings| settings.snapshot_events = events);
            let board = board.start().await.unwrap();
            board.call(echo(&life.to_string())).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await; // paused: no time passes but for the node
            board.shutdown().await.unwrap();
        }
        assert!(objects(&store, "snapshots").await > 0, "{lives} lives with a few of {events} events each");
    }
}
