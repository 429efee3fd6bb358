use std::sync::Arc;

use super::*;
use crate::port::store::fault::{Fault, FaultStore, Operation};
use crate::port::store::liars::{Liar, Lie};
use crate::port::store::{FolderStore, MemoryStore};

#[track_caller]
fn check_refused(lie: Lie, words: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let refused = runtime.block_on(probe(&Liar::new(lie), "ns")).expect_err("a liar passed").to_string();
    assert!(refused.contains(words), "{refused}");
}

#[test]
fn a_store_that_ignores_the_condition_is_refused() {
    check_refused(Lie::Overwrites, "of 4 concurrent creates of ns/probe/");
    check_refused(Lie::Overwrites, "4 were told `created`, not one");
}

#[test]
fn a_store_that_checks_before_it_writes_is_refused() {
    check_refused(Lie::ChecksThenWrites, "were told `created`, not one");
}

#[test]
fn a_store_that_shows_the_past_is_refused() {
    check_refused(Lie::ListsLate, "a list after that");
    check_refused(Lie::GetsLate, "a get after that");
    check_refused(Lie::KeepsDeleted, "was deleted, and a get after that still finds it");
}

#[tokio::test]
async fn a_second_create_that_overwrites_in_silence_is_seen() {
    let store = Liar::new(Lie::Overwrites);
    let probe = Probe { store: &store, prefix: "ns/probe/x.".to_owned() };
    let kept = Bytes::from_static(b"first");
    let _ = store.create("ns/probe/x.0", kept.clone()).await.unwrap();
    let refused = probe.create_again("ns/probe/x.0", &kept).await.unwrap_err();
    assert!(refused.to_string().contains("a second create of it was told `created` too"), "{refused}");
}

#[tokio::test]
async fn an_honest_store_passes_and_is_left_clean() {
    let store = MemoryStore::new();
    probe(&store, "ns").await.unwrap();
    assert_eq!(store.object_count(), 0);

    let root = tempfile::tempdir().unwrap();
    let store = FolderStore::open(root.path()).unwrap();
    probe(&store, "ns").await.unwrap();
    assert_eq!(store.list("", "").await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_no_liar() {
    let faults = FaultStore::new(Arc::new(MemoryStore::new()));
    faults.always(Operation::Create, "*", Fault::LoseRequest);
    assert!(matches!(probe(&faults, "ns").await, Err(ProbeError::Unavailable(Error::Unclear { .. }))));
}

#[tokio::test]
async fn one_lost_answer_in_a_race_is_tolerated() {
    let faults = FaultStore::new(Arc::new(MemoryStore::new()));
    faults.script(Operation::Create, "ns/probe/*.2", [Fault::Pass, Fault::LoseAnswer]);
    probe(&faults, "ns").await.unwrap();
}
