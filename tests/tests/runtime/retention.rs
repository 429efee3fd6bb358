//! What has ended long ago is forgotten, and what younger runs have done is not.

use super::feed::by_run;
use super::kit::*;
use callboard::backup::NameSpace;
use callboard::port::store::fault::{Fault, FaultStore, Operation};
use callboard::port::store::{Create, MemoryStore, Store};
use callboard::prelude::*;
use callboard::{Callboard, ErrorKind, FeedPosition, Position, RunId, RunOutcome, Settings};
use futures::StreamExt;
use std::collections::BTreeMap;
use std::sync::Arc;

const ARCHIVE: &str = "default/partitions/0000/archive/";
const KEPT: Duration = Duration::from_secs(600);
/// Garbage is deleted one to two of these late, and looked for four times in each.
const LATE: Duration = Duration::from_secs(60);

async fn start(store: &Arc<dyn Store>, tally: &Tally) -> Callboard {
    start_with(store, tally, LATE).await
}

/// Each run has a page of its own when it has ended. What is told to `fail` does, once.
async fn start_with(store: &Arc<dyn Store>, tally: &Tally, late: Duration) -> Callboard {
    let tally = tally.clone();
    let builder = acting(on(store), 4, move |_, what: String| {
        tally.add(&what);
        let fails = what.starts_with("fail") && tally.of(&what) == 1;
        async move { if fails { Err(Error::terminal("as it was told")) } else { Ok(what) } }
    });
    let builder = builder.settings(move |settings| {
        (settings.closed_max, settings.history_kept, settings.garbage_late) = (0, KEPT, late);
        (settings.snapshot_events, settings.breaker.failures) = (7, 1_000);
    });
    builder.start().await.unwrap()
}

/// A run that has ended and is in the archive.
async fn ended(board: &Callboard, what: &str) -> Run {
    let run = board.start(one(act(what)).0).key(what).await.unwrap();
    run.outcome().await.unwrap();
    archived(&run).await;
    run
}

async fn archived(run: &Run) {
    while run.progress().await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn restarted(board: Callboard, store: &Arc<dyn Store>, tally: &Tally) -> Callboard {
    board.shutdown().await.unwrap();
    drop(board);
    start(store, tally).await
}

/// The numbers of the pages that are stored.
async fn pages(faults: &FaultStore) -> Vec<u64> {
    let names = faults.list(ARCHIVE, "").await.unwrap();
    names.iter().map(|name| name.rsplit('/').next().unwrap().parse().unwrap()).collect()
}

/// Waits until a run is forgotten.
async fn forgotten(run: &Run) {
    while run.info().await.err().is_none_or(|error| error.kind() != ErrorKind::NotFound) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn sleep_s(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

async fn listed(board: &Callboard) -> Vec<RunId> {
    let mut all: Vec<RunId> = board.runs().limit(100).await.unwrap().items.into_iter().map(|info| info.id).collect();
    all.sort_unstable();
    all
}

fn sorted(mut runs: Vec<RunId>) -> Vec<RunId> {
    runs.sort_unstable();
    runs
}

/// Nobody knows it any more, whatever is asked.
async fn is_unknown(board: &Callboard, run: RunId) {
    let run = board.run(run);
    let errors = [
        run.info().await.map(drop).unwrap_err(),
        run.outcome().await.map(drop).unwrap_err(),
        run.output(&one(act("")).1).await.map(drop).unwrap_err(),
        run.tasks().await.map(drop).unwrap_err(),
        run.graph().await.map(drop).unwrap_err(),
        run.cancel("why").await.unwrap_err(),
        run.retry("it").await.unwrap_err(),
        run.signal("go", &1).await.unwrap_err(),
        run.at(Position::START).await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{}", full(&error));
        let says = "a run that has ended is kept for 10m, and then it is forgotten (history_kept)";
        assert!(full(&error).contains(says), "{}", full(&error));
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_long_ago_is_forgotten_and_deleted_late() {
    let ((faults, store), tally) = (store(), Tally::default());
    let mut board = start(&store, &tally).await;
    let old = ended(&board, "old").await.id();
    sleep_s(300).await;
    let (young, newest) = (ended(&board, "young").await.id(), ended(&board, "newest").await.id());
    sleep_s(295).await;
    assert_eq!(listed(&board).await, sorted(vec![old, young, newest]), "it is kept for as long as was said");
    assert_eq!(board.run(old).output(&one(act("")).1).await.unwrap(), "old");
    // The same key with another workflow is refused as long as that is known.
    let error = board.start(one(act("other")).0).key("old").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", full(&error));
    forgotten(&board.run(old)).await;
    is_unknown(&board, old).await;
    assert_eq!(listed(&board).await, sorted(vec![young, newest]));
    assert_eq!(pages(&faults).await, [1, 2, 3], "whoever has been told of it may read it for a while");
    sleep_s(50).await;
    assert_eq!(pages(&faults).await, [1, 2, 3]);
    sleep_s(120).await;
    assert_eq!(pages(&faults).await, [2, 3]);
    // A restart changes nothing of it, and knows what is not forgotten.
    board = restarted(board, &store, &tally).await;
    is_unknown(&board, old).await;
    for (run, what) in [(young, "young"), (newest, "newest")] {
        assert_eq!(board.run(run).output(&one(act("")).1).await.unwrap(), what);
        assert_eq!(board.run(run).events().count().await, 4);
    }
    // The key is free again: it is a new run, of whatever workflow.
    let again = board.start(one(act("other")).0).key("old").await.unwrap();
    assert_eq!((again.id(), again.outcome().await.unwrap()), (old, RunOutcome::Completed));
    assert_eq!((tally.of("old"), tally.of("other")), (1, 1));
    archived(&again).await;
    forgotten(&board.run(newest)).await;
    is_unknown(&board, young).await;
    assert_eq!(board.run(old).output(&one(act("")).1).await.unwrap(), "other");
    // The last page stays, however old, and the next has a number that none had.
    sleep_s(7_200).await;
    assert_eq!((listed(&board).await, pages(&faults).await), (vec![old], vec![4]));
    ended(&board, "later").await;
    assert_eq!(pages(&faults).await, [4, 5]);
}

/// What a node that dies leaves between the event and the deletion, and pages that nobody has ever named, go with the next owner.
#[tokio::test(start_paused = true)]
async fn what_was_to_be_deleted_is_deleted_by_the_next_owner() {
    let ((faults, store), tally) = (store(), Tally::default());
    let board = start(&store, &tally).await;
    let mut runs = vec![ended(&board, "a").await.id()];
    // A dead owner has written this one, and no journal came to know of it.
    let left = faults.create(&format!("{ARCHIVE}{:020}", 2), "left".into()).await.unwrap();
    assert_eq!(left, Create::Created);
    for what in ["b", "c"] {
        runs.push(ended(&board, what).await.id());
        sleep_s(10).await;
    }
    assert_eq!(pages(&faults).await, [1, 2, 3, 4]);
    forgotten(&board.run(runs[1])).await;
    for life in 0..5 {
        assert_eq!(pages(&faults).await, [1, 2, 3, 4], "nobody lives for long enough");
        board_for(&store, &tally, life).await;
    }
    drop(board);
    let board = start(&store, &tally).await;
    sleep_s(120).await;
    assert_eq!(pages(&faults).await, [4]);
    is_unknown(&board, runs[0]).await;
    assert_eq!(board.run(runs[2]).output(&one(act("")).1).await.unwrap(), "c");
}

/// A node for a moment, which takes over from one that does not know of it.
async fn board_for(store: &Arc<dyn Store>, tally: &Tally, life: u64) {
    let board = start(store, tally).await;
    sleep_s(LATE.as_secs() / 2 + life).await;
    board.shutdown().await.unwrap();
}

/// The event does not get into the journal for a while: nothing is deleted before it has.
#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_before_that_it_is_forgotten_is_durable() {
    let ((faults, store), tally) = (store(), Tally::default());
    let board = start(&store, &tally).await;
    let old = ended(&board, "a").await;
    ended(&board, "b").await;
    sleep_s(590).await;
    faults.always(Operation::Create, "*/log/*", Fault::Hang);
    sleep_s(600).await;
    assert_eq!(pages(&faults).await, [1, 2]);
    faults.calm();
    forgotten(&old).await;
    assert_eq!(pages(&faults).await, [1, 2]);
    sleep_s(180).await;
    assert_eq!(pages(&faults).await, [2]);
}

/// A run that was opened again is on several pages: what it was is forgotten, and it is not.
#[tokio::test(start_paused = true)]
async fn a_run_that_came_back_outlives_the_page_that_it_was_on() {
    let ((faults, store), tally) = (store(), Tally::default());
    let board = start(&store, &tally).await;
    let run = ended(&board, "fail").await;
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Failed);
    let other = ended(&board, "fail too").await;
    sleep_s(400).await;
    run.retry("it").await.unwrap();
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
    archived(&run).await;
    assert_eq!(pages(&faults).await, [1, 2, 3]);
    forgotten(&other).await;
    sleep_s(180).await;
    assert_eq!((pages(&faults).await, listed(&board).await), (vec![3], vec![run.id()]));
    for _ in 0..2 {
        assert_eq!(run.output(&one(act("")).1).await.unwrap(), "fail");
        assert_eq!(run.events().count().await, 8);
        // The key is that of this run, as it has become.
        assert_eq!(board.start(one(act("fail")).0).key("fail").await.unwrap().id(), run.id());
        assert_eq!(tally.of("fail"), 2);
    }
    assert_eq!(board.dead_letters().limit(10).await.unwrap().items.len(), 0);
}

/// A reader goes on from where it was, and misses what is forgotten.
#[tokio::test(start_paused = true)]
async fn a_reader_of_the_feed_goes_on_from_an_old_position() {
    let ((faults, store), tally) = (store(), Tally::default());
    let board = start(&store, &tally).await;
    let old = ended(&board, "old").await;
    let first = board.events().after(FeedPosition::default()).page(1).await.unwrap();
    assert_eq!(first.items[0].run, old.id());
    let position = first.next.unwrap();
    sleep_s(300).await;
    let young = [ended(&board, "young").await.id(), ended(&board, "newest").await.id()];
    let all = board.events().after(position.clone()).page(1_000).await.unwrap().items;
    assert_eq!(by_run(&all).len(), 3);
    forgotten(&old).await;
    for _ in 0..2 {
        for from in [FeedPosition::default(), position.clone()] {
            let rest = board.events().after(from.clone()).page(1_000).await.unwrap().items;
            let told = by_run(&rest);
            assert_eq!(told.keys().copied().collect::<Vec<_>>(), sorted(young.to_vec()));
            assert!(told.values().all(|events| events.len() == 4), "{told:?}");
            let followed: Vec<_> = board.events().after(from).follow().await.unwrap().take(8).collect().await;
            assert!(followed.iter().all(|event| event.as_ref().is_ok_and(|event| young.contains(&event.run))));
        }
        sleep_s(180).await; // the page is gone as well
    }
    assert_eq!(pages(&faults).await, [2, 3]);
}

/// A list that takes long comes to a page that is forgotten and gone.
#[tokio::test(start_paused = true)]
async fn a_list_goes_on_over_what_is_forgotten_meanwhile() {
    let ((faults, store), tally) = (store(), Tally::default());
    let board = start(&store, &tally).await;
    for what in ["a", "b", "c", "d"] {
        ended(&board, what).await;
    }
    let page = board.runs().limit(1).await.unwrap();
    assert_eq!(page.items[0].id, board.run_id_of_key("d"));
    let next = board.runs().limit(1).after(page.next.unwrap()).await.unwrap();
    assert_eq!(next.items[0].id, board.run_id_of_key("c"));
    sleep_s(590 + 200).await;
    assert_eq!(pages(&faults).await, [4]);
    let rest = board.runs().limit(10).after(next.next.unwrap()).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (0, None));
    assert_eq!(listed(&board).await, [board.run_id_of_key("d")]);
}

/// Seven tries of a read hang, which takes more than half a minute; the next does not.
fn slowly() -> impl Iterator<Item = Fault> + Clone {
    [Fault::Hang; 7].into_iter().chain([Fault::Pass])
}

/// Whoever was told of a page, and comes to it when it is gone, is told that it is forgotten, and not that the store is damaged.
#[tokio::test(start_paused = true)]
async fn whoever_comes_to_a_page_that_is_gone_asks_again() {
    for what in ["info", "events", "list", "feed"] {
        let ((faults, store), tally) = (store(), Tally::default());
        let board = start_with(&store, &tally, Duration::from_secs(10)).await;
        let old = ended(&board, "old").await;
        ended(&board, "old too").await;
        sleep_s(300).await;
        let young = ended(&board, "young").await.id();
        sleep_s(298).await;
        faults.script(Operation::Get, "*/archive/*", slowly().cycle().take(8 * 5));
        match what {
            "info" => assert_eq!(old.info().await.unwrap_err().kind(), ErrorKind::NotFound),
            "events" => {
                let told: Vec<_> = old.events().collect().await;
                assert!(format!("{told:?}").contains("there is no run"), "{told:?}");
            }
            "list" => assert_eq!(board.runs().limit(10).await.unwrap().items[0].id, young),
            _ => {
                let told = board.events().after(FeedPosition::default()).page(1_000).await.unwrap();
                let told = by_run(&told.items);
                assert!(told.contains_key(&young) && !told.contains_key(&old.id()), "{told:?}");
            }
        }
        assert_eq!(pages(&faults).await, [3], "{what}");
    }
}

/// Somebody has read how a run stood, and is slow; until they want to go on with that, it was opened again, is on a later page, and
/// the page that they have read is forgotten. They have not seen it as it is.
#[tokio::test(start_paused = true)]
async fn who_has_read_a_page_that_is_forgotten_brings_nothing_back() {
    let (memory, tally): (Arc<dyn Store>, _) = (Arc::new(MemoryStore::new()), Tally::default());
    let faults = FaultStore::new(memory.clone());
    let store: Arc<dyn Store> = Arc::new(faults.clone());
    let board = start(&store, &tally).await;
    let id = ended(&board, "fail").await.id();
    // Who has asked how it ends may have read its page: now nobody has.
    let board = restarted(board, &store, &tally).await;
    let run = board.run(id);
    sleep_s(590).await;
    let hangs = slowly();
    // The first who reads it hangs; the other comes second, and once only.
    let reads = hangs.clone().take(1).chain([Fault::Pass]).chain(hangs.skip(1));
    faults.script(Operation::Get, "*/archive/*", reads);
    let slow = async { run.retry("it").await };
    let fast = async {
        sleep_s(1).await;
        run.retry("it").await.unwrap();
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
        archived(&run).await;
        while name_space(&memory).await.verify().await.unwrap().partitions[0].pages > 1 {
            sleep_s(1).await;
        }
        assert_eq!(pages(&faults).await, [1, 2], "it is forgotten, and not gone");
    };
    let (slow, ()) = futures::join!(slow, fast);
    slow.unwrap(); // what they wanted has happened: the task has had that other life
    assert_eq!((run.events().count().await, tally.of("fail")), (8, 2));
    assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed);
}

async fn name_space(store: &Arc<dyn Store>) -> NameSpace {
    NameSpace::in_store(store.clone(), &Settings::default()).await.unwrap()
}

/// A copy that was made before it holds what was known then; one that is made on it, or anew, what is known now.
#[tokio::test(start_paused = true)]
async fn copies_are_whole_before_and_after() {
    let ((faults, store), tally) = (store(), Tally::default());
    let board = start(&store, &tally).await;
    let old = ended(&board, "old").await;
    sleep_s(300).await;
    ended(&board, "young").await;
    let (made, anew): (Arc<dyn Store>, Arc<dyn Store>) = (Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new()));
    let until = BTreeMap::new();
    let before = name_space(&store).await.copy_to(made.clone(), &until).await.unwrap();
    assert_eq!(name_space(&made).await.verify().await.unwrap().faults, []);
    forgotten(&old).await;
    sleep_s(180).await;
    assert_eq!(pages(&faults).await, [2]);
    // What was before it can not be copied any more, though the journal still goes back there.
    let then = BTreeMap::from([(0, before.positions[0].clone())]);
    let empty: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let error = name_space(&store).await.copy_to(empty, &then).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{}", full(&error));
    assert!(full(&error).contains("is not kept any more"), "{}", full(&error));
    for target in [&made, &anew] {
        let copied = name_space(&store).await.copy_to(target.clone(), &until).await.unwrap();
        let verified = name_space(target).await.verify().await.unwrap();
        assert_eq!((&verified.faults[..], verified.partitions[0].pages), (&[][..], 1));
        assert_eq!(verified.partitions[0].hash, copied.hashes[0]);
        let restored: Arc<dyn Store> = Arc::new(MemoryStore::new());
        name_space(target).await.restore_to(restored.clone()).await.unwrap();
        let board = start(&restored, &tally).await;
        assert_eq!(listed(&board).await, [board.run_id_of_key("young")]);
        is_unknown(&board, old.id()).await;
        board.shutdown().await.unwrap();
    }
    assert_eq!(name_space(&store).await.verify().await.unwrap().faults, []);
}

/// Whoever has read the journal, and comes to a page when it is gone, looks once more.
#[tokio::test(start_paused = true)]
async fn a_copy_and_a_check_that_take_long_come_to_what_is_forgotten_meanwhile() {
    for what in ["copy", "check"] {
        let ((faults, store), tally) = (store(), Tally::default());
        let board = start(&store, &tally).await;
        let mut old = ended(&board, "0").await;
        for n in 1..5 {
            old = ended(&board, &n.to_string()).await;
        }
        sleep_s(300).await;
        ended(&board, "young").await;
        sleep_s(290).await;
        assert!(old.info().await.is_ok());
        let slow = FaultStore::new(store.clone());
        // Half a minute for each page, and so longer than the last of them is there.
        slow.script(Operation::Get, "*/archive/*", slowly().cycle().take(8 * 5));
        let (slow, target): (Arc<dyn Store>, Arc<dyn Store>) = (Arc::new(slow), Arc::new(MemoryStore::new()));
        let verified = match what {
            "copy" => {
                name_space(&slow).await.copy_to(target.clone(), &BTreeMap::new()).await.unwrap();
                let verified = name_space(&target).await.verify().await.unwrap();
                assert_eq!(verified.partitions[0].pages, 1, "it has gone on to where the last is not named");
                verified
            }
            _ => name_space(&slow).await.verify().await.unwrap(),
        };
        assert_eq!((verified.faults, pages(&faults).await), (vec![], vec![6]), "{what}");
    }
}
