use std::sync::Arc;

use tokio::task::JoinSet;

use super::conformance;
use crate::port::store::fault::FaultStore;
use crate::port::store::liars::{Liar, Lie};
use crate::port::store::{FolderStore, MemoryStore, Store};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory() {
    conformance(Arc::new(MemoryStore::new()), "ns").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn folder() {
    let root = tempfile::tempdir().unwrap();
    conformance(Arc::new(FolderStore::open(root.path()).unwrap()), "ns").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fault_store_that_passes() {
    conformance(Arc::new(FaultStore::new(Arc::new(MemoryStore::new()))), "ns").await;
}

#[track_caller]
fn check_caught(lie: Lie) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let liar: Arc<dyn Store> = Arc::new(Liar::new(lie));
    let caught = runtime.block_on(async {
        let mut suite = JoinSet::new();
        suite.spawn(async move { conformance(liar, "ns").await });
        suite.join_next().await
    });
    let caught = caught.expect("one task was spawned").expect_err("a liar passed");
    assert!(caught.is_panic(), "{lie:?}: {caught}");
}

#[test]
fn liars_are_caught() {
    for lie in [Lie::Overwrites, Lie::ChecksThenWrites, Lie::ListsLate, Lie::GetsLate, Lie::KeepsDeleted] {
        check_caught(lie);
    }
}
