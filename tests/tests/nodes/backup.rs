//! A cluster at work is copied, dies as a whole, and goes on from the copy in another bucket.

use super::kit::*;
use callboard::backup::{NameSpace, Verified};
use callboard::port::store::{FolderStore, Store};
use callboard::{RunOutcome, Settings, Workflow};
use callboard_tests::{Add, How};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// The bucket that is restored into.
const RESTORED: &str = "callboard-restored";
const RUNS: usize = 300;

fn counting(n: usize) -> Workflow {
    let workflow = Workflow::new("count");
    workflow.task("it", Add { id: format!("copied-{n}"), how: How::Counting, ms: 0, parts: Vec::new().into() });
    workflow
}

async fn verified(name_space: &NameSpace) -> Verified {
    let verified = name_space.verify().await.unwrap();
    assert_eq!(verified.faults, []);
    verified
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_at_work_is_copied_and_goes_on_from_the_copy_in_another_bucket() {
    let servers = servers().await;
    servers.radosgw.make_bucket(RESTORED).await.unwrap();
    let mut town = Town::on(&servers).await;
    let mut settings = Settings::default();
    settings.namespace = town.name.clone();
    let (one, two) = (town.node(4).await, town.node(4).await);
    let client = town.client().await;
    settled(&client, 2).await;
    let folder = tempfile::tempdir().unwrap();
    let target: Arc<dyn Store> = Arc::new(FolderStore::open(folder.path()).unwrap());
    let source = NameSpace::in_store(Arc::new(town.s3().await), &settings).await.unwrap();
    let copied = async || source.copy_to(target.clone(), &BTreeMap::new()).await.unwrap();

    // It is copied again and again while it works.
    let run = async |n: usize| {
        let run = client.start(counting(n)).key(format!("copied {n}")).await.unwrap();
        run.outcome().await.unwrap()
    };
    let mut runs: FuturesUnordered<_> = (0..RUNS).map(run).collect();
    let working = async { while runs.next().await.is_some_and(|ended| ended == RunOutcome::Completed) {} };
    tokio::pin!(working);
    let mut copies = 0;
    loop {
        tokio::select! {
            () = &mut working => break,
            copied = copied() => {
                copies += 1;
                let copy = NameSpace::in_store(target.clone(), &settings).await.unwrap();
                println!("copied: {} objects, {} bytes, in {} ms", copied.objects, copied.bytes, copied.took_ms);
                verified(&copy).await;
            }
        }
    }
    assert!(copies > 0);
    let last = copied().await;
    println!("{copies} copies meanwhile; the last one: {} objects in {} ms", last.objects, last.took_ms);

    // All of it dies at once. What it has left is what was copied.
    one.kill().await;
    two.kill().await;
    client.shutdown().await.unwrap();
    let copy = NameSpace::in_store(target, &settings).await.unwrap();
    let (of_source, of_copy) = (verified(&source).await, verified(&copy).await);
    let hashes = |of: &Verified| of.partitions.iter().map(|partition| partition.hash.clone()).collect::<Vec<_>>();
    assert_eq!((hashes(&of_source), hashes(&of_copy)), (last.hashes.clone(), last.hashes));

    town.bucket = RESTORED;
    let began = Instant::now();
    let restored = copy.restore_to(Arc::new(town.s3().await)).await.unwrap();
    let took = began.elapsed();
    assert_eq!(restored.generation, 1);
    servers.redis.flush().await.unwrap(); // the old nodes are dead, and nobody need wait until their registrations are
    let node = town.node(4).await;
    let client = town.client().await;
    traffic(&client).await;
    println!("restored: {} objects in {took:?}; a call comes through after {:?}", restored.objects, began.elapsed());
    for n in 0..RUNS {
        let run = client.run(client.run_id_of_key(&format!("copied {n}")));
        assert_eq!(run.outcome().await.unwrap(), RunOutcome::Completed, "{n}");
    }
    assert_eq!(client.state::<u64>("count").load().await.unwrap().unwrap().value, RUNS as u64);
    client.shutdown().await.unwrap();
    node.stop().await;
}
