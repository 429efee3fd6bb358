//! A restored name space in the place of the one that nodes are at work in.

use super::kit::*;
use crate::runtime::kit::*;
use bytes::Bytes;
use callboard::Settings;
use callboard::backup::NameSpace;
use callboard::port::store::{Create, Error as StoreError, MemoryStore, Store};
use callboard::prelude::*;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use tokio::time::Instant;

/// One store, and another one from some moment on.
#[derive(Clone)]
struct Switched {
    stores: Arc<[MemoryStore; 2]>,
    is_second: Arc<AtomicBool>,
}

impl Switched {
    fn now(&self) -> &MemoryStore {
        &self.stores[usize::from(self.is_second.load(SeqCst))]
    }
}

impl Store for Switched {
    fn create<'a>(&'a self, name: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Create, StoreError>> {
        self.now().create(name, bytes)
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        self.now().get(name)
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        self.now().list(prefix, after)
    }

    fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        self.now().delete(name)
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_of_the_old_generation_end_and_those_of_the_new_one_know_them_for_strangers() {
    let switched = Switched { stores: Arc::default(), is_second: Arc::default() };
    let town = Town { store: Arc::new(switched.clone()), ..Town::of(2) };
    let (a, b) = (town.node().start().await.unwrap(), echoing(town.node()).start().await.unwrap());
    until(&a, |nodes| nodes.len() == 2).await;
    let run = a.start(one(echo("before")).0).key("before").await.unwrap();
    run.outcome().await.unwrap();
    let (copy, second): (Arc<dyn Store>, Arc<dyn Store>) =
        (Arc::new(MemoryStore::new()), Arc::new(switched.stores[1].clone()));
    let settings = Settings::default();
    let source = NameSpace::in_store(town.store.clone(), &settings).await.unwrap();
    source.copy_to(copy.clone(), &BTreeMap::new()).await.unwrap();
    let copy = NameSpace::in_store(copy, &settings).await.unwrap();
    let restored = copy.restore_to(second.clone()).await.unwrap();
    assert_eq!(restored.generation, 1);

    // While nodes of the old one are there, none of the new one starts on the same bus and directory.
    let error = town.node_on(second, Arc::new(town.bus.clone()), town.directory.clone()).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", full(&error));

    let switched_at = Instant::now();
    switched.is_second.store(true, SeqCst);
    for board in [&a, &b] {
        board.ended().await;
        let reason = board.end_reason().unwrap();
        assert!(reason.contains("of generation 0") && reason.contains("of generation 1"), "{reason}");
    }
    assert!(switched_at.elapsed() <= Duration::from_secs(11), "{:?}", switched_at.elapsed());
    drop((a, b));
    tokio::time::sleep(Duration::from_secs(10)).await; // what they have registered has a life
    let board = echoing(town.node()).start().await.unwrap();
    let run = board.run(board.run_id_of_key("before"));
    assert_eq!(run.outcome().await.unwrap(), callboard::RunOutcome::Completed);
    board.call(echo("after")).await.unwrap();
    board.shutdown().await.unwrap();
}
