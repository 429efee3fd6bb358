//! Another master.

use super::kit::{Cluster, LONG, Sentinels, ids, options, put, until};
use bytes::Bytes;
use callboard::port::directory::redis::{RedisDirectory, RedisOptions};
use callboard::port::directory::{Directory, Lease};
use futures::future::join_all;
use std::time::Duration;

/// How soon writes are to succeed again, with what a busy machine adds.
const SOON: Duration = Duration::from_secs(10);

/// A server that is demoted stays up and answers every `PING`.
#[tokio::test]
async fn connections_to_a_demoted_master_leave_the_pool() {
    let folder = tempfile::tempdir().unwrap();
    let sentinels = Sentinels::start(folder.path()).await;
    let directory = RedisDirectory::connect(options(&sentinels.url())).await.unwrap();
    join_all((0..8).map(|_| put(&directory, "node"))).await;

    sentinels.fail_over().await;
    let write = async || directory.put("agent", "a", Bytes::new(), LONG).await.is_ok();
    let after = until("writes succeed on the new master", write).await;
    assert!(after < SOON, "writes succeed after {after:?}");
    // Every connection now, not only the one that has met it.
    join_all((0..16).map(|_| put(&directory, "agent"))).await;
    assert_eq!(directory.acquire("partition.1", "a", LONG).await, Ok(Lease::Held));
    let there = sentinels.servers[1].ask(&["ZCARD", "{cb:test}:agent"]).await.unwrap();
    assert_eq!(there.to_string(), "1");
}

/// Who only reads is led to the new master as well.
#[tokio::test]
async fn a_demoted_master_is_not_read_from() {
    let folder = tempfile::tempdir().unwrap();
    let sentinels = Sentinels::start(folder.path()).await;
    let [reader, writer] = [(); 2].map(|()| RedisDirectory::new(options(&sentinels.url())).unwrap());
    put(&reader, "node").await;
    sentinels.fail_over().await;
    // It follows nobody, and so has what it had.
    let old = &sentinels.servers[0];
    until("the old master is a replica", async || {
        old.ask(&["INFO", "replication"]).await.unwrap().to_string().contains("role:slave")
    })
    .await;
    until("the writer has removed it", async || writer.remove("node", "a").await.is_ok()).await;
    assert!(ids(&reader, "node").await.is_empty());
}

#[tokio::test]
async fn a_killed_master_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut sentinels = Sentinels::start(folder.path()).await;
    let directory = RedisDirectory::connect(options(&sentinels.url())).await.unwrap();
    join_all((0..8).map(|_| put(&directory, "node"))).await;
    sentinels.servers[0].kill();
    let write = async || directory.put("agent", "a", Bytes::new(), LONG).await.is_ok();
    let after = until("writes succeed on the new master", write).await;
    assert!(after < Duration::from_secs(30), "writes succeed after {after:?}");
    println!("of use {after:?} after the kill; a Sentinel waits 1 s before it calls a master down");
}

/// Without a replica, its slots come back when it does.
#[tokio::test]
async fn a_master_of_a_cluster_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path()).await;
    let directory = RedisDirectory::connect(options(&cluster.url())).await.unwrap();
    put(&directory, "node").await;
    let mut at = 0;
    for (number, server) in cluster.servers.iter().enumerate() {
        if !super::kit::keys(server).await.is_empty() {
            at = number;
        }
    }
    cluster.servers[at].kill();
    let limit = RedisOptions::new("", "").call + Duration::from_millis(1_500);
    for _ in 0..3 {
        let answer = tokio::time::timeout(limit, directory.put("node", "a", Bytes::new(), LONG)).await;
        assert!(answer.expect("answered within its limit").is_err());
    }
    cluster.servers[at].start_again().await.unwrap();
    let write = async || directory.put("node", "a", Bytes::new(), LONG).await.is_ok();
    let after = until("writes succeed again", write).await;
    assert!(after < SOON, "writes succeed after {after:?}");
}
