//! Submissions under a key.

use super::kit::*;
use callboard::Callboard;
use callboard::port::store::Store;
use callboard::prelude::*;
use std::sync::Arc;

async fn counting(store: &Arc<dyn Store>, tally: &Tally) -> Callboard {
    let tally = tally.clone();
    let builder = acting(on(store), 1, move |_, what| {
        tally.add(&what);
        async move { Ok(what) }
    });
    builder.settings(|settings| settings.closed_max = 0).start().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_same_again_is_the_same_run_also_after_a_restart_and_from_the_archive() {
    let (faults, store) = store();
    let tally = Tally::default();
    let board = counting(&store, &tally).await;
    let first = board.start(one(act("a")).0).key("k").await.unwrap();
    let (again, too) = tokio::join!(async { board.start(one(act("a")).0).key("k").await }, async {
        board.start(one(act("a")).0).key("k").await
    });
    assert_eq!((again.unwrap().id(), too.unwrap().id()), (first.id(), first.id()));
    first.outcome().await.unwrap();
    archived(&faults, 1).await;
    let check = async |board: &Callboard| {
        let (workflow, it) = one(act("a"));
        let run = board.start(workflow).key("k").await.unwrap();
        assert_eq!(run.id(), first.id());
        assert_eq!(run.output(&it).await.unwrap(), "a");
        let error = board.start(one(act("b")).0).key("k").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{}", full(&error));
        assert!(full(&error).contains("\"k\""), "{}", full(&error));
    };
    check(&board).await;
    board.shutdown().await.unwrap();
    drop(board);
    let board = counting(&store, &tally).await;
    check(&board).await;
    assert_eq!(board.call(act("a")).key("call").await.unwrap(), "a");
    assert_eq!(board.call(act("a")).key("call").await.unwrap(), "a");
    assert_eq!((tally.of("a"), tally.of("b")), (2, 0));
}

/// Waits until so many pages of the archive have been written.
async fn archived(faults: &callboard::port::store::fault::FaultStore, pages: usize) {
    loop {
        let names = faults.list("default/", "").await.unwrap();
        if names.iter().filter(|name| name.contains("/archive/")).count() >= pages {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether a submission had been taken was not known; it was, it ran, and it left memory before it was repeated.
#[tokio::test(start_paused = true)]
async fn a_repeated_submission_of_a_run_that_is_archived_meanwhile_runs_once() {
    use callboard::port::store::fault::{Fault, Operation};
    let (faults, store) = store();
    let tally = Tally::default();
    let board = counting(&store, &tally).await;
    // The answer to the first try comes never: its partition ends with an append of unknown outcome.
    for n in 0..20 {
        faults.script(Operation::Create, "*/log/*", [Fault::Pass, Fault::Refuse]);
        let what = format!("{n}");
        board.start(one(act(&what)).0).await.unwrap().outcome().await.unwrap();
        assert_eq!(tally.of(&what), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_of_an_archived_run_says_that_it_has_ended() {
    let (faults, store) = store();
    let board = counting(&store, &Tally::default()).await;
    let run = board.start(one(act("a")).0).await.unwrap();
    run.outcome().await.unwrap();
    archived(&faults, 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(run.progress().await.unwrap(), None, "it is archived");
    let error = run.cancel("late").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", full(&error));
}

#[tokio::test(start_paused = true)]
async fn a_key_has_1_to_256_bytes() {
    let (_, store) = store();
    let board = counting(&store, &Tally::default()).await;
    for key in [String::new(), "k".repeat(257)] {
        assert_eq!(board.start(one(act("a")).0).key(key).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
    board.start(one(act("a")).0).key("k".repeat(256)).await.unwrap();
}
