//! What happens to all runs, told to whoever follows.

use super::kit::*;
use callboard::port::store::Store;
use callboard::prelude::*;
use callboard::{Callboard, ErrorKind, Feed, FeedEvent, FeedPosition, RunId};
use futures::{FutureExt, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What each run tells of itself.
async fn of_runs(board: &Callboard, runs: &[RunId]) -> BTreeMap<RunId, Vec<String>> {
    let mut told = BTreeMap::new();
    for id in runs {
        told.insert(*id, board.run(*id).events().map(|event| event.to_string()).collect().await);
    }
    told
}

/// The same out of the feed.
pub(crate) fn by_run(events: &[FeedEvent]) -> BTreeMap<RunId, Vec<String>> {
    let mut told = BTreeMap::<RunId, Vec<String>>::new();
    for happened in events {
        told.entry(happened.run).or_default().push(happened.event.to_string());
    }
    told
}

/// Everything there is, in pages of so many, each asked for with the position that the last one gave, as a client keeps it.
async fn in_pages(board: &Callboard, limit: usize) -> Vec<FeedEvent> {
    let (mut all, mut after) = (Vec::new(), FeedPosition::default());
    loop {
        let page = board.events().after(after).page(limit).await.unwrap();
        let is_last = page.items.len() < limit;
        all.extend(page.items);
        after = page.next.unwrap().to_string().parse().unwrap();
        if is_last {
            return all;
        }
    }
}

async fn next(feed: &mut Feed) -> FeedEvent {
    feed.next().await.expect("it goes on").unwrap()
}

/// A workflow of which the second task needs the first, and the third is cancelled with the run, or skipped.
fn three(name: &str, text: &str) -> Workflow {
    let workflow = Workflow::new(name);
    let first = workflow.task("first", echo(text));
    let _ = workflow.task("last", Use { text: first.out() });
    workflow
}

async fn start(store: &Arc<dyn Store>, partitions: u16, closed_max: usize) -> Callboard {
    let builder = echoing(on(store)).settings(move |settings| {
        settings.partitions = partitions;
        settings.closed_max = closed_max;
        settings.snapshot_events = 50;
    });
    builder.start().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_event_of_every_run_is_told_once_from_memory_and_archive_and_from_every_position() {
    let (_, store) = store();
    let mut board = start(&store, 3, 4).await;
    let mut runs = Vec::new();
    // Some stay open, and reach from the first event to the last.
    for n in 0..3 {
        let workflow = Workflow::new("waits");
        let first = workflow.task("first", echo("x"));
        let _ = workflow.task("never", act("nobody does this")).after(&first);
        runs.push(board.start(workflow).key(format!("open {n}")).await.unwrap().id());
    }
    for n in 0..20 {
        let run = board.start(three("three", &n.to_string())).await.unwrap();
        run.outcome().await.unwrap();
        runs.push(run.id());
    }
    for open in &runs[..3] {
        board.run(*open).cancel("enough").await.unwrap();
    }
    let expected = of_runs(&board, &runs).await;
    // Whatever the place: in memory, in the archive, in another life.
    for life in 0..2 {
        for limit in [1, 1_000] {
            let all = in_pages(&board, limit).await;
            assert_eq!(by_run(&all), expected, "life {life}, pages of {limit}");
            let positions: BTreeSet<String> = all.iter().map(|happened| happened.position.to_string()).collect();
            assert_eq!(positions.len(), all.len(), "each has a position of its own");
        }
        board.shutdown().await.unwrap();
        drop(board);
        board = start(&store, 3, 4).await;
    }
    // A stream goes on from everywhere.
    let all = in_pages(&board, 1_000).await;
    for at in (0..all.len()).step_by(11) {
        let rest = board.events().after(all[at].position.clone()).follow().await.unwrap().take(all.len() - at - 1);
        let rest = rest.map(|happened| happened.unwrap()).collect::<Vec<_>>();
        let rest = tokio::time::timeout(Duration::from_secs(3_600), rest).await.expect("all of it is there");
        let mut both = all[..=at].to_vec();
        both.extend(rest);
        assert_eq!(by_run(&both), expected, "behind event {at}");
    }
    board.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_tells_what_is_wanted_as_it_happens() {
    let (_, store) = store();
    let board = start(&store, 2, 100).await;
    board.start(three("before", "x")).await.unwrap().outcome().await.unwrap();
    let mut ends = board.events().kind("ended").from_now().follow().await.unwrap();
    let mut used = board.events().capability("use").kind("completed").follow().await.unwrap();
    let mut after = board.events().workflow("after").follow().await.unwrap();
    let run = board.start(three("after", "y")).await.unwrap();
    let end = next(&mut ends).await;
    assert_eq!((end.run, end.event.to_string().as_str()), (run.id(), "after ended: completed"));
    // Runs of two partitions have no order.
    let mut both = Vec::new();
    for _ in 0..2 {
        let happened = next(&mut used).await;
        assert_eq!(happened.capability.as_deref(), Some("use"));
        both.push(happened.event.to_string());
    }
    both.sort();
    assert_eq!(both, ["after: last completed", "before: last completed"]);
    for expected in ["submitted, 2 tasks", ": first started", ": first completed", ": last started"] {
        assert!(next(&mut after).await.event.to_string().ends_with(expected), "{expected}");
    }
    let of_run = board.events().run(run.id()).page(1_000).await.unwrap();
    assert_eq!(by_run(&of_run.items), of_runs(&board, &[run.id()]).await);
    for wrong in [board.events().kind("happened").page(1).await, board.events().page(0).await] {
        assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Invalid);
    }
    let elsewhere = board.events().after("9-1-0".parse().unwrap()).page(1).await.unwrap_err();
    assert!(elsewhere.message().contains("knows a partition 9, and there are 2"), "{elsewhere}");
    board.shutdown().await.unwrap();
    // Those who wait hear that there is nobody any more.
    let gone = ends.next().await.unwrap().unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::Unavailable, "{gone}");
    assert!(ends.next().await.is_none());
}

/// Nobody waits for who is slow, nothing is kept for them, and they miss nothing.
#[tokio::test(start_paused = true)]
async fn who_is_slow_falls_behind_and_catches_up_from_the_archive() {
    let (_, store) = store();
    let board = start(&store, 1, 2).await;
    let mut slow = board.events().follow().await.unwrap();
    let mut runs = vec![board.start(three("three", "first")).await.unwrap().id()];
    let mut told = vec![next(&mut slow).await];
    for n in 0..100 {
        let run = board.start(three("three", &n.to_string())).await.unwrap();
        run.outcome().await.unwrap();
        runs.push(run.id());
    }
    while board.run(runs[90]).progress().await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    while told.len() < runs.len() * 6 {
        told.push(next(&mut slow).await);
    }
    assert_eq!(by_run(&told), of_runs(&board, &runs).await);
    assert!(slow.next().now_or_never().is_none());
    board.shutdown().await.unwrap();
}

/// One event that concerns several tasks is told in parts; who stops between two of them hears the rest.
#[tokio::test(start_paused = true)]
async fn what_is_told_in_parts_is_taken_up_between_them() {
    let (_, store) = store();
    let board = start(&store, 1, 0).await;
    let workflow = Workflow::new("many");
    for n in 0..5 {
        let _ = workflow.task(format!("t{n}"), act("nobody does this"));
    }
    let run = board.start(workflow).await.unwrap();
    run.cancel("enough").await.unwrap();
    let expected = of_runs(&board, &[run.id()]).await;
    assert_eq!(by_run(&in_pages(&board, 1).await), expected);
    while run.progress().await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(by_run(&in_pages(&board, 1).await), expected, "from the archive");
    board.shutdown().await.unwrap();
}

/// A partition that starts again is asked again.
#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_over_restarts_of_partitions() {
    use callboard::port::store::fault::{Fault, Operation};
    let (faults, store) = store();
    let board = start(&store, 1, 3).await;
    let mut feed = board.events().follow().await.unwrap();
    let (mut told, mut runs) = (Vec::new(), Vec::new());
    for n in 0..10 {
        let chain = || {
            let workflow = Workflow::new("chain");
            let first = workflow.task("first", echo(&n.to_string())).losses(100);
            let _ = workflow.task("last", Use { text: first.out() }).losses(100);
            workflow
        };
        let run = loop {
            // What was refused is submitted again.
            match board.start(chain()).key(format!("run {n}")).await {
                Ok(run) => break run,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:#}"),
            }
        };
        if n % 3 == 1 {
            faults.script(Operation::Create, "*/log/*", [Fault::Refuse]);
        }
        run.outcome().await.unwrap();
        runs.push(run.id());
        while told.last().is_none_or(|last: &FeedEvent| last.event.what.kind() != "ended" || last.run != run.id()) {
            told.push(next(&mut feed).await);
        }
    }
    assert_eq!(by_run(&told), of_runs(&board, &runs).await);
    board.shutdown().await.unwrap();
}
