use std::sync::Arc;

use tokio::task::JoinSet;

use super::conformance;
use crate::port::store::fault::FaultStore;
use crate::port::store::liars::{Liar, Lie};
use crate::port::store::{Create, FolderStore, MemoryStore, OverlayStore, Store};
use bytes::Bytes;

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
async fn overlay() {
    let below = Arc::new(MemoryStore::new());
    let _created = below.create("ns/below", Bytes::from_static(b"below")).await.unwrap();
    let overlay = OverlayStore::new(below.clone());
    conformance(Arc::new(overlay.clone()), "ns").await;
    assert_eq!(below.object_count(), 1, "nothing is changed there");
    assert_eq!(overlay.create("ns/below", Bytes::new()).await.unwrap(), Create::Exists);
    overlay.delete("ns/below").await.unwrap();
    assert_eq!((overlay.get("ns/below").await.unwrap(), overlay.list("ns/b", "").await.unwrap()), (None, vec![]));
    assert_eq!(overlay.create("ns/below", Bytes::from_static(b"above")).await.unwrap(), Create::Created);
    assert_eq!(overlay.get("ns/below").await.unwrap().unwrap(), "above");
    assert_eq!(below.get("ns/below").await.unwrap().unwrap(), "below");
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
