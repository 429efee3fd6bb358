//! The orderly end, and the disorderly one.

use super::kit::*;
use callboard::Callboard;
use callboard::port::store::FolderStore;
use callboard::prelude::*;
use futures::StreamExt;
use std::sync::Arc;

#[tokio::test(start_paused = true)]
async fn a_clean_stop_hands_back_what_is_not_done_without_counting_a_loss() {
    let (_, store) = store();
    let started = Gauge::default();
    let count = started.clone();
    let builder = acting(on(&store), 2, move |_, _| {
        count.add();
        std::future::pending()
    });
    let board = builder.start().await.unwrap();
    let workflow = Workflow::new("long");
    // A single loss would be one too many.
    let nodes: Vec<_> = (0..3).map(|n| workflow.task(format!("t{n}"), act("")).losses(0)).collect();
    let id = board.start(workflow).await.unwrap().id();
    started.reaches(2).await;
    board.shutdown().await.unwrap();
    drop(board);

    let board = acting(on(&store), 2, |_, _| async { Ok("done".into()) }).start().await.unwrap();
    let run = board.run(id);
    for node in &nodes {
        assert_eq!(run.output(node).await.unwrap(), "done");
    }
    let events: Vec<String> = run.events().map(|event| event.to_string()).collect().await;
    let released = events.iter().filter(|event| event.contains("was cut short (its node stopped)")).count();
    assert_eq!(released, 2, "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_emergency_stop_reaches_every_handler_at_its_next_await_and_ends_the_node() {
    let (_, store) = store();
    let (started, dropped) = (Gauge::default(), Gauge::default());
    let (count, ends) = (started.clone(), dropped.clone());
    let builder = acting(on(&store), 8, move |_, _| {
        let (count, ends) = (count.clone(), ends.clone());
        async move {
            let _ends = OnDrop(ends);
            count.add();
            std::future::pending().await
        }
    });
    let board = builder.start().await.unwrap();
    let workflow = Workflow::new("stopped");
    let nodes: Vec<_> = (0..20).map(|n| workflow.task(format!("t{n}"), act("")).losses(0)).collect();
    let id = board.start(workflow).await.unwrap().id();
    started.reaches(8).await;
    let ended = tokio::spawn({
        let board = board.clone();
        async move { board.ended().await }
    });
    let began = tokio::time::Instant::now();
    board.emergency_stop("the model has gone mad").await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!((started.get(), dropped.get()), (8, 8), "no task was started in its place");
    ended.await.unwrap();
    let error = board.call(act("")).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Unavailable, "the node has stopped"));
    assert!(full(&error).ends_with("emergency stop: the model has gone mad"), "{}", full(&error));
    drop(board);
    let board = acting(on(&store), 2, |_, _| async { Ok("done".into()) }).start().await.unwrap();
    for node in &nodes {
        assert_eq!(board.run(id).output(node).await.unwrap(), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clean_stop_lets_handlers_finish_and_keeps_their_results() {
    let (_, store) = store();
    let (tries, gate) = (Gauge::default(), Gate::shut());
    let (count, shut) = (tries.clone(), gate.clone());
    let builder = acting(on(&store), 1, move |_, _| {
        count.add();
        let shut = shut.clone();
        async move {
            shut.pass().await;
            Ok("done".into())
        }
    });
    let board = builder.start().await.unwrap();
    let (workflow, it) = one(act(""));
    let id = board.start(workflow).await.unwrap().id();
    tries.reaches(1).await;
    let stopping = tokio::spawn({
        let board = board.clone();
        async move { board.shutdown().await }
    });
    tokio::task::yield_now().await;
    gate.open();
    stopping.await.unwrap().unwrap();
    drop(board);
    let board = acting(on(&store), 1, |_, _| async { Ok("done again".into()) }).start().await.unwrap();
    assert_eq!(board.run(id).output(&it).await.unwrap(), "done");
    assert_eq!(tries.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_stop_is_no_harm_and_nothing_can_be_done_after_the_first() {
    let (_, store) = store();
    let board = echoing(on(&store)).start().await.unwrap();
    let (workflow, it) = one(echo("a"));
    let run = board.start(workflow).await.unwrap();
    run.output(&it).await.unwrap();
    let (one_stop, other) = tokio::join!(board.shutdown(), board.shutdown());
    one_stop.unwrap();
    other.unwrap();
    board.shutdown().await.unwrap();
    assert_eq!(board.call(echo("b")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(run.output(&it).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(run.cancel("late").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(run.progress().await.unwrap_err().kind(), ErrorKind::Unavailable);
    let told: Vec<_> = run.events().collect().await;
    assert!(matches!(&told[..], [event] if matches!(event.what, callboard::What::Unreadable { .. })));
}

/// Whoever waits is told when the node stops, and does not wait for ever.
#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_run_is_told_that_the_node_has_stopped() {
    let (_, store) = store();
    let board = acting(on(&store), 1, |_, _| std::future::pending()).start().await.unwrap();
    let run = board.start(one(act("")).0).await.unwrap();
    let waiting = tokio::spawn({
        let run = run.clone();
        async move { run.outcome().await }
    });
    tokio::task::yield_now().await;
    board.shutdown().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
}

/// No actor of the node is alive after a stop: nobody holds the store any more.
#[tokio::test(start_paused = true)]
async fn nothing_of_a_node_is_left_after_a_stop() {
    let (faults, store) = store();
    let board = echoing(on(&store).settings(|settings| settings.partitions = 4)).start().await.unwrap();
    for _ in 0..20 {
        board.call(echo("a")).await.unwrap();
    }
    board.shutdown().await.unwrap();
    drop(board);
    drop(faults);
    assert_eq!(Arc::strong_count(&store), 1);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

fn in_folder(folder: &tempfile::TempDir) -> callboard::Builder {
    echoing(Callboard::dev().data(folder.path()).settings(|settings| settings.partitions = 2))
}

#[tokio::test]
async fn a_folder_is_released_by_a_stop_and_held_until_then() {
    let folder = tempfile::tempdir().unwrap();
    let board = in_folder(&folder).start().await.unwrap();
    let (workflow, it) = one(echo("a"));
    let id = board.start(workflow).await.unwrap().id();
    let error = in_folder(&folder).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(full(&error).contains(&format!("{}", std::process::id())), "who holds it: {}", full(&error));
    board.shutdown().await.unwrap();
    // The handle is still there, and holds the folder no longer than its node runs.
    drop(board);
    let board = in_folder(&folder).start().await.unwrap();
    assert_eq!(board.run(id).output(&it).await.unwrap(), "a");
    board.shutdown().await.unwrap();
}

/// A program that ends without a stop ends all the same, and has lost nothing.
#[test]
fn a_runtime_that_is_dropped_releases_the_folder_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (workflow, it) = one(echo("a"));
    let tokio = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let first = tokio();
    let board = first.block_on(in_folder(&folder).start()).unwrap();
    let id = first.block_on(async { board.start(workflow).await }).unwrap().id();
    drop(first);
    drop(board);
    let second = tokio();
    let output = second.block_on(async {
        let board = in_folder(&folder).start().await?;
        board.run(id).output(&it).await
    });
    assert_eq!(output.unwrap(), "a");
    drop(second);
    assert!(FolderStore::open(folder.path()).is_ok());
}

/// A stop of a node whose store does not answer takes no longer than its handlers and its commits may.
#[tokio::test(start_paused = true)]
async fn a_stop_ends_although_the_store_hangs() {
    use callboard::port::store::fault::{Fault, Operation};
    let (faults, store) = store();
    let board = echoing(on(&store).settings(|settings| settings.partitions = 8)).start().await.unwrap();
    faults.always(Operation::Create, "*/log/*", Fault::Hang);
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let board = board.clone();
            tokio::spawn(async move { board.start(one(echo("a")).0).await.map(drop) })
        })
        .collect();
    faults.until_held(8).await;
    let start = tokio::time::Instant::now();
    let error = board.shutdown().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown);
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unknown | ErrorKind::Unavailable), "{}", full(&error));
    }
}
