use super::chain::{Documents, Given, Write};
use super::merge::Merges;
use super::version::{Author, TASK};
use super::writer::Turn;
use crate::clock::Clock;
use crate::journal::ids::Ids;
use crate::port::store::MemoryStore;
use crate::port::store::fault::{Fault, FaultStore, Operation};
use crate::{ErrorKind, Result};
use callboard_core::Json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

fn documents() -> (FaultStore, Documents) {
    let faults = FaultStore::new(Arc::new(MemoryStore::new()));
    let settings = crate::journal::Settings::default();
    let documents = Documents::new(Given {
        is_frozen: false,
        store: Arc::new(faults.clone()),
        namespace: "default",
        node: "node".into(),
        clock: Clock::system(),
        ids: Ids::random(),
        journal: &settings,
        patience: Duration::from_secs(10),
        merges: Merges::default(),
        spool: None,
    });
    (faults, documents)
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
    let write = Write::new(format!("{TASK}1"), Author::default());
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
