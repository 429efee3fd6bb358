use super::chain::{Documents, Found, Given, Write};
use super::merge::Merges;
use super::version::{Author, TASK};
use super::writer::Turn;
use crate::clock::Clock;
use crate::journal::ids::Ids;
use crate::port::store::fault::{Fault, FaultStore, Odds, Operation};
use crate::port::store::{MemoryStore, Store};
use crate::{ErrorKind, Result};
use callboard_core::Json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

fn documents() -> (FaultStore, Documents) {
    let faults = FaultStore::new(Arc::new(MemoryStore::new()));
    (faults.clone(), documents_in(faults))
}

/// Those of another node, which spools in memory.
fn documents_in(store: FaultStore) -> Documents {
    spooling_in(store, FaultStore::new(Arc::new(MemoryStore::new())))
}

fn spooling_in(store: FaultStore, spool: FaultStore) -> Documents {
    let mut merges = Merges::default();
    merges.insert("sum".into(), |newest: Option<u64>, mine: u64| newest.unwrap_or(0) + mine);
    let settings = crate::journal::Settings::default();
    Documents::new(Given {
        is_frozen: false,
        store: Arc::new(store),
        namespace: "default",
        node: "node".into(),
        clock: Clock::system(),
        ids: Ids::random(),
        journal: &settings,
        patience: Duration::from_secs(10),
        merges,
        spool: Some(Arc::new(spool)),
    })
}

/// The write of a task.
fn task(id: &str) -> Write {
    Write::new(format!("{TASK}{id}"), Author::default())
}

/// Merges one more into a sum, or spools it.
async fn add(documents: &Documents) -> Option<Found> {
    let one = Json::of(&1_u64).expect("a number");
    documents.merge_or_spool("sum", Author::default(), one).await.expect("it is taken")
}

/// The oldest versions of a document go.
async fn forget(store: &FaultStore, key: &str, versions: usize) {
    let names = store.list(&format!("default/documents/{key}/"), "").await.expect("a list");
    for name in &names[..versions] {
        store.delete(name).await.expect("deleted");
    }
}

async fn count(documents: &Documents, write: &Write) -> Result<u64> {
    let add = |turn: &Turn| {
        let count = turn.value().map_or(Ok(0), |value| value.as_str().parse::<u64>()).expect("a number");
        Ok(Some(Json::of(&(count + 1)).expect("a number")))
    };
    documents.update("count", write, add).await.map(|found| found.number)
}

/// The attempt before has died with its write on the way, and that lands while this one writes.
#[tokio::test(start_paused = true)]
async fn what_an_earlier_attempt_has_sent_counts_once_whenever_it_lands() {
    let (faults, documents) = documents();
    let write = task("1");
    faults.script(Operation::Create, "*", [Fault::Late, Fault::Hang, Fault::Hang]);
    {
        let first = count(&documents, &write);
        tokio::select! {
            _ = first => panic!("it dies before"),
            () = faults.until_held(2) => {}
        }
    }
    // The probe of the next attempt sees nothing, and it begins to write.
    let newest = documents.read("count").await.unwrap();
    assert!(documents.find("count", &newest, &write, 0).await.unwrap().is_none());
    let (number, ()) = tokio::join!(count(&documents, &write), async {
        faults.until_held(3).await;
        assert!(faults.release_next().await, "what was late lands");
        faults.release_all().await;
    });
    assert_eq!(number.unwrap(), 1);
    assert_eq!(documents.read("count").await.unwrap().value().unwrap().as_str(), "1");
}

#[tokio::test(start_paused = true)]
async fn whoever_writes_to_a_store_that_never_answers_is_told_soon_that_nobody_knows() {
    let (faults, documents) = documents();
    faults.always(Operation::Create, "*", Fault::LoseRequest);
    let began = Instant::now();
    let error = count(&documents, &documents.write(Author::default())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

/// The writer of a document ends when nothing waits, while the next write comes, on another thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_write_falls_between_two_writers() {
    let (_, documents) = documents();
    let mut callers = tokio::task::JoinSet::new();
    for key in ["a", "b", "c"] {
        for _ in 0..2 {
            let documents = documents.clone();
            callers.spawn(async move {
                for n in 0..1_500_u64 {
                    let next = |_: &Turn| Ok(Some(Json::of(&n).expect("a number")));
                    documents.update(key, &documents.write(Author::default()), next).await.expect("it is written");
                }
            });
        }
    }
    while let Some(caller) = callers.join_next().await {
        caller.expect("all is written");
    }
}

/// One that waits in a `select!` beside what it waits for, or in a list that nobody looks at.
#[tokio::test(start_paused = true)]
async fn a_caller_that_is_not_polled_holds_up_nobody() {
    let (_, documents) = documents();
    let [mine, other] = [(); 2].map(|()| documents.write(Author::default()));
    let mut asleep = Box::pin(count(&documents, &mine));
    assert!(futures::poll!(&mut asleep).is_pending(), "it waits for its turn");
    let began = Instant::now();
    assert_eq!(count(&documents, &other).await.expect("it is written"), 1);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(asleep.await.expect("it goes on when it wakes"), 2);
    let mut forgotten = Box::pin(count(&documents, &mine));
    assert!(futures::poll!(&mut forgotten).is_pending());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let error = forgotten.await.expect_err("it is given up");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(documents.read("count").await.expect("read").value().expect("a value").as_str(), "2");
}

/// What a version remembers of the writes before it reaches further back than what this write has to look for.
#[tokio::test(start_paused = true)]
async fn a_write_that_begins_anew_reads_no_version_again() {
    let (faults, first) = documents();
    for n in 0..200 {
        count(&first, &task(&format!("before {n}"))).await.expect("it is written");
    }
    faults.random(1, Odds { delay_max: Duration::from_millis(5), ..Odds::default() });
    let before = faults.counts();
    let nodes = (0..8).map(|node| {
        let documents = documents_in(faults.clone());
        async move {
            for n in 0..10 {
                let writes = (0..3).map(|of| task(&format!("{node} {n} {of}")));
                let writes: Vec<Write> = writes.collect();
                futures::future::join_all(writes.iter().map(|write| count(&documents, write))).await;
            }
        }
    });
    futures::future::join_all(nodes).await;
    assert_eq!(first.read("count").await.expect("read").value().expect("a value").as_str(), "440");
    let (creates, gets) = (faults.counts().create - before.create, faults.counts().get - before.get);
    assert!(gets <= 4 * creates, "{creates} creates, {gets} gets");
}

/// Versions behind those that are kept are gone, and so many have written since that the newest tells of none of them.
#[tokio::test(start_paused = true)]
async fn what_was_not_written_is_known_though_old_versions_are_gone() {
    let (faults, documents) = documents();
    for n in 0..200 {
        count(&documents, &task(&n.to_string())).await.expect("it is written");
    }
    forget(&faults, "count", 150).await;
    let newest = documents.read("count").await.expect("read");
    let (mine, theirs) = (task("mine"), task("190"));
    // It began behind version 180; who does not say so can not be told.
    assert!(documents.find("count", &newest, &mine, 180).await.expect("it is known").is_none());
    assert_eq!(
        documents.find("count", &newest, &theirs, 180).await.expect("it is known").expect("it is there").number,
        191
    );
    assert_eq!(documents.find("count", &newest, &mine, 0).await.unwrap_err().kind(), ErrorKind::Unknown);
}

/// It was written, which nobody has told, and is brought home behind so many writes of others that the newest version does not tell.
#[tokio::test(start_paused = true)]
async fn what_was_spooled_and_is_there_is_merged_once_however_long_ago() {
    let (faults, documents) = documents();
    let other = documents_in(faults.clone());
    assert!(add(&documents).await.is_some());
    faults.always(Operation::Create, "*/documents/*", Fault::LoseAnswer);
    faults.always(Operation::Get, "*/documents/*", Fault::LoseRequest);
    assert!(add(&documents).await.is_none(), "it is spooled");
    faults.calm();
    many_add(&other).await;
    is_home(&documents, "202").await;
}

/// It was spooled before this node had seen the document, of which old versions are gone: nobody has tried to write it.
#[tokio::test(start_paused = true)]
async fn what_was_spooled_and_never_tried_comes_home_to_a_busy_document() {
    let (faults, other) = documents();
    many_add(&other).await;
    forget(&faults, "sum", 150).await;
    let documents = documents_in(faults.clone());
    is_away(&faults);
    assert!(add(&documents).await.is_none(), "it is spooled");
    faults.calm();
    // Its answer is lost, again and again, and it lands all the same.
    faults.always(Operation::Create, "*/documents/*", Fault::LoseAnswer);
    faults.always(Operation::Get, "*/documents/*", Fault::LoseRequest);
    let _brought = documents.bring().await;
    assert_eq!(documents.spooled().await.expect("a spool").len(), 1, "nobody knows");
    faults.calm();
    many_add(&other).await;
    is_home(&documents, "401").await;
}

/// What is known of an entry is kept for as long as the entry is, whatever the spool refuses.
#[tokio::test(start_paused = true)]
async fn what_is_at_home_and_still_spooled_is_not_merged_again() {
    for (refused, pattern) in [(Operation::Delete, "entry/*"), (Operation::List, "entry/*")] {
        let (faults, other) = documents();
        many_add(&other).await;
        let spool = FaultStore::new(Arc::new(MemoryStore::new()));
        let documents = spooling_in(faults.clone(), spool.clone());
        is_away(&faults);
        assert!(add(&documents).await.is_none(), "it is spooled");
        faults.calm();
        spool.always(Operation::Delete, "entry/*", Fault::Refuse);
        let _brought = documents.bring().await;
        assert_eq!(documents.read("sum").await.expect("read").value().expect("a value").as_str(), "201");
        spool.always(refused, pattern, Fault::Refuse);
        let _brought = documents.bring().await;
        spool.calm();
        many_add(&other).await;
        is_home(&documents, "401").await;
    }
}

/// More than a version remembers.
async fn many_add(documents: &Documents) {
    for _ in 0..200 {
        assert!(add(documents).await.is_some());
    }
}

/// The store refuses whatever has to do with documents.
fn is_away(faults: &FaultStore) {
    for operation in [Operation::Create, Operation::Get, Operation::List] {
        faults.always(operation, "*/documents/*", Fault::Refuse);
    }
}

/// What is spooled is brought home, and makes this sum.
async fn is_home(documents: &Documents, sum: &str) {
    let _brought = documents.bring().await;
    assert_eq!(documents.spooled().await.expect("a spool"), []);
    assert_eq!(documents.read("sum").await.expect("read").value().expect("a value").as_str(), sum);
}
