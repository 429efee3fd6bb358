//! Documents and locks of several processes on radosgw.

use super::kit::*;
use callboard_tests::{Add, How};
use futures::StreamExt;
use futures::future::try_join_all;
use futures::stream::FuturesUnordered;
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
    let servers = servers().await;
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
