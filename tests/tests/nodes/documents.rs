//! Documents and locks of several processes on radosgw.

use super::kit::*;
use callboard::ErrorKind;
use callboard_chaos::store_proxy::Sickness;
use callboard_tests::{Add, How};
use futures::StreamExt;
use futures::future::try_join_all;
use futures::stream::FuturesUnordered;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use tokio::time::Instant;

fn task(id: String, how: How, ms: u64) -> Add {
    Add { id, how, ms, parts: Vec::new().into() }
}

/// Three processes count a hundred times each, one of them is killed on the way, and Redis forgets everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_count_right_while_one_is_killed() {
    let servers = servers().await;
    let town = Town::on(&servers).await;
    let (one, two, three) = (town.node(4).await, town.node(4).await, town.node(4).await);
    let client = town.client().await;
    settled(&client, 3).await;
    let began = Instant::now();
    let mut calls: FuturesUnordered<_> =
        (0..300).map(|n| client.call(task(format!("count-{n}"), How::Counting, 0)).into_future()).collect();
    let mut victim = Some(two);
    let mut done = 0;
    while let Some(called) = calls.next().await {
        assert_eq!(called.unwrap(), 1);
        done += 1;
        if done == 60 {
            victim.take().unwrap().kill().await;
            servers.redis.flush().await.unwrap();
        }
    }
    let count = client.state::<u64>("count").load().await.unwrap().unwrap();
    println!("300 updates of three processes in {:?}, in {} versions", began.elapsed(), count.number);
    assert_eq!(count.value, 300);
    client.shutdown().await.unwrap();
    one.stop().await;
    three.stop().await;
}

/// One update after the other, each awaited: what a version costs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_saves() {
    let servers = servers().await;
    let town = Town::on(&servers).await;
    let node = town.node(0).await;
    let client = town.client().await;
    let document = client.state::<u64>("saved");
    let mut took = Vec::new();
    for n in 0..1_000 {
        let began = Instant::now();
        assert_eq!(document.save(&n, n).await.unwrap(), n + 1);
        took.push(began.elapsed());
    }
    took.sort_unstable();
    println!("1,000 saves: median {:?}, p99 {:?}, longest {:?}", took[500], took[990], took[999]);
    client.shutdown().await.unwrap();
    node.stop().await;
}

/// Whoever holds the lock is stopped for longer than the lock lives, another takes it, and the first one wakes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_was_stopped_undoes_nothing() {
    let servers = shared().await;
    let town = Town::on(&servers).await;
    let (one, two) = (town.node(1).await, town.node(1).await);
    let client = town.client().await;
    settled(&client, 2).await;
    let calls = try_join_all((0..8).map(|n| client.call(task(format!("locked-{n}"), How::Locked, 500)).into_future()));
    let stopped = async {
        until("somebody holds the lock", async || client.locks().await.is_ok_and(|locks| !locks.is_empty())).await;
        let held = client.locks().await.unwrap().pop();
        let is_of = |node: &&Process| held.as_ref().is_some_and(|held| *held.holder.node == *node.id);
        let holder = [&one, &two].into_iter().find(is_of).expect("one of the two has it");
        holder.pause();
        until("others have held it", async || {
            let now = client.locks().await.ok().and_then(|mut locks| locks.pop());
            now.zip(held.as_ref()).is_some_and(|(now, held)| now.token > held.token + 2)
        })
        .await;
        holder.resume();
    };
    let (called, ()) = tokio::join!(calls, stopped);
    assert_eq!(called.unwrap(), [1; 8]);
    let mut ids = client.state::<Vec<String>>("locked").load().await.unwrap().unwrap().value;
    ids.sort();
    assert_eq!(ids, (0..8).map(|n| format!("locked-{n}")).collect::<Vec<_>>());
    until("it is let go", async || client.locks().await.is_ok_and(|locks| locks.is_empty())).await;
    client.shutdown().await.unwrap();
    one.stop().await;
    two.stop().await;
}

/// The whole of the store is killed while four writers save one version after the other, and comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_killed_during_saves_loses_none_and_doubles_none() {
    let mut servers = servers().await;
    let town = Town::on(&servers).await;
    let node = town.node(0).await;
    let client = town.client().await;
    let is_over = AtomicBool::new(false);
    let (safe, unsure) = (Mutex::new(BTreeSet::new()), Mutex::new(BTreeSet::new()));
    let writer = async |writer: usize| {
        for n in 0.. {
            if is_over.load(SeqCst) {
                return;
            }
            let id = format!("{writer}-{n}");
            let written = client.state::<Vec<String>>("killed").update(|ids| ids.push(id.clone())).await;
            match written {
                Ok(_) => drop(safe.lock().unwrap().insert(id)),
                Err(error) if error.kind() == ErrorKind::Unknown => drop(unsure.lock().unwrap().insert(id)),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:#}"),
            }
        }
    };
    let more = async |than: usize| {
        let wanted = safe.lock().unwrap().len() + than;
        until("more is saved", async || safe.lock().unwrap().len() >= wanted).await
    };
    let killed = async {
        for _ in 0..2 {
            more(20).await;
            servers.radosgw.kill();
            servers.radosgw.start_again().await.unwrap();
            println!("saves go on {:?} after the store is back", more(20).await);
        }
        is_over.store(true, SeqCst);
    };
    tokio::join!(writer(0), writer(1), writer(2), writer(3), killed);
    let mut ids = client.state::<Vec<String>>("killed").load().await.unwrap().unwrap().value;
    let (safe, unsure) = (safe.into_inner().unwrap(), unsure.into_inner().unwrap());
    println!("{} saves, of which {} are not known", safe.len() + unsure.len(), unsure.len());
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "something was saved twice");
    let there: BTreeSet<String> = ids.into_iter().collect();
    assert_eq!(safe.difference(&there).collect::<Vec<_>>(), Vec::<&String>::new(), "a save is lost");
    let unknown: Vec<&String> = there.iter().filter(|id| !safe.contains(*id) && !unsure.contains(*id)).collect();
    assert_eq!(unknown, Vec::<&String>::new(), "what was refused is there");
    client.shutdown().await.unwrap();
    node.stop().await;
}

/// A node that spools what it can not save is killed with -9, and the next one on its machine brings it home.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_node_has_spooled_comes_home_once() {
    let servers = shared().await;
    let town = Town::on(&servers).await;
    let spool = tempfile::tempdir().unwrap();
    let spool = spool.path().display().to_string();
    let spools = [("CALLBOARD_STATE__SPOOL", &*spool), ("CALLBOARD_STATE__PATIENCE", "1s")];
    let node = town.node_with(0, &[spools[0], spools[1], ("SPOOLING", "first")]).await;
    let safe = || -> BTreeSet<String> {
        let ledger = std::fs::read_to_string(town.ledger()).unwrap_or_default();
        ledger.lines().filter_map(|line| line.strip_prefix("given spooled ")).map(str::to_owned).collect()
    };
    until("some are saved", async || safe().len() >= 10).await;
    town.store.set(Sickness::Refuses);
    let saved = safe().len();
    until("others are spooled", async || safe().len() >= saved + 20).await;
    node.kill().await;
    let safe = safe();
    town.store.set(Sickness::None);
    let node = town.node_with(0, &spools).await;
    let client = town.client().await;
    let load = async || client.state::<Vec<String>>("spooled").load().await.unwrap().unwrap().value;
    until("all are home", async || load().await.len() >= safe.len()).await;
    node.stop().await; // what it is at is done
    let mut ids = load().await;
    println!("{} were safe when the node was killed, {} are there", safe.len(), ids.len());
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "something came home twice");
    assert_eq!(
        safe.iter().filter(|id| !ids.contains(id)).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "something is lost"
    );
    assert!(count <= safe.len() + 1, "only of one it was not said that it is safe: {count} of {}", safe.len());
    client.shutdown().await.unwrap();
}
