//! Expiry: by the clock of the server, to the millisecond, and with nothing left behind.

use super::kit::{LONG, directory, ids, keys, put, put_many, until};
use bytes::Bytes;
use callboard::port::directory::{Directory, Lease};
use callboard_chaos::servers::{Redis, Reply};
use std::time::Duration;
use tokio::time::Instant;

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn nothing_expires_early() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let directory = directory(&redis).await;
    for _ in 0..5 {
        let begun = Instant::now();
        directory.put("node", "a", Bytes::new(), SHORT).await.unwrap();
        assert_eq!(directory.acquire("partition.1", "a", SHORT).await, Ok(Lease::Held));
        until("the registration is gone", async || ids(&directory, "node").await.is_empty()).await;
        assert!(begun.elapsed() >= SHORT, "gone after {:?}", begun.elapsed());
        until("the lease is gone", async || directory.renew("partition.1", "b", SHORT).await == Ok(Lease::Free)).await;
        assert!(begun.elapsed() >= SHORT, "gone after {:?}", begun.elapsed());
    }
}

/// To the millisecond, by the server's clock.
#[tokio::test]
async fn a_life_is_not_rounded_down() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let directory = directory(&redis).await;
    for _ in 0..100 {
        let Reply::List(time) = redis.ask(&["TIME"]).await.unwrap() else { panic!("no time") };
        let part = |at: usize| time[at].text().unwrap().parse::<u64>().unwrap();
        let before = part(0) * 1_000_000 + part(1);
        directory.put("node", "a", Bytes::new(), LONG).await.unwrap();
        let score = redis.ask(&["ZSCORE", "{cb:test}:node", "a"]).await.unwrap();
        let expires = score.text().unwrap().parse::<u64>().unwrap() * 1_000;
        assert!(expires >= before + LONG.as_micros() as u64, "put after {before}, expires at {expires}");
    }
}

#[tokio::test]
async fn no_key_is_left_when_nobody_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let directory = directory(&redis).await;
    for id in ["a", "b"] {
        directory.put("node", id, Bytes::new(), SHORT).await.unwrap();
        directory.put("capability:review", id, Bytes::new(), SHORT * 2).await.unwrap();
    }
    put(&directory, "agent").await;
    directory.remove("agent", "a").await.unwrap();
    assert_eq!(directory.acquire("partition.1", "a", SHORT).await, Ok(Lease::Held));
    let there = ["capability:review", "capability:review/values", "lease:partition.1", "node", "node/values"];
    let keys_of_ours = async || {
        let keys = keys(&redis).await.into_iter().filter(|key| !key.ends_with(":probe"));
        keys.map(|key| key.trim_start_matches("{cb:test}:").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(keys_of_ours().await, there);
    until("nothing is left", async || keys(&redis).await.is_empty()).await;
}

#[tokio::test]
async fn an_index_keeps_no_dead() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let directory = directory(&redis).await;
    let size = async |key: &str, command: &str| redis.ask(&[command, key]).await.unwrap().to_string();
    put_many(&directory, "node", 500, &Bytes::new(), SHORT).await;
    // Nobody lists the kind: who puts takes the dead out.
    until("the dead are taken out by puts", async || {
        put(&directory, "node").await;
        size("{cb:test}:node", "ZCARD").await == "1"
    })
    .await;
    assert_eq!(size("{cb:test}:node/values", "HLEN").await, "1");
    // More of them at once than one turn of a listing takes out.
    put_many(&directory, "agent", 2_500, &Bytes::new(), SHORT * 20).await;
    assert_eq!(size("{cb:test}:agent", "ZCARD").await, "2500");
    put(&directory, "agent").await;
    let living = "return redis.call('ZCOUNT', KEYS[1], redis.call('TIME')[1] * 1000, '+inf')";
    until("all the others are dead", async || {
        redis.ask(&["EVAL", living, "1", "{cb:test}:agent"]).await.unwrap() == Reply::Number(1)
    })
    .await;
    until("a listing has only the living", async || ids(&directory, "agent").await == ["a"]).await;
    assert_eq!(size("{cb:test}:agent", "ZCARD").await, "1");
    assert_eq!(size("{cb:test}:agent/values", "HLEN").await, "1");
}
