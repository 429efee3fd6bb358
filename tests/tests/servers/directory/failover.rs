//! Another master.

use super::kit::{LONG, by_cluster, by_sentinels, ids, keys, options, patient, put, until};
use bytes::Bytes;
use callboard::port::directory::redis::RedisDirectory;
use callboard::port::directory::{Directory, Error, Lease};
use callboard_chaos::proxy::Proxy;
use callboard_chaos::servers::{self, Redis, RedisCluster, Reply, Sentinel};
use futures::future::join_all;
use std::path::Path;
use std::time::Duration;

/// How soon writes are to succeed again, with what a busy machine adds.
const SOON: Duration = Duration::from_secs(10);

/// A master, and a replica of it.
async fn two(folder: &Path) -> [Redis; 2] {
    let master = Redis::start(&folder.join("master")).await.unwrap();
    let more = ["--replicaof", "127.0.0.1", &master.port().to_string()].map(str::to_owned).into();
    let options = servers::RedisOptions { more, ..Default::default() };
    [master, Redis::start_with(&folder.join("replica"), options).await.unwrap()]
}

/// Makes the second the master and the first its replica, by hand: no connection is closed by that.
async fn change_places(servers: &[Redis; 2]) {
    servers[1].ask(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    servers[0].ask(&["REPLICAOF", "127.0.0.1", &servers[1].port().to_string()]).await.unwrap();
}

/// A master that was demoted answers every `PING`, and refuses every write.
#[tokio::test]
async fn connections_to_a_demoted_master_leave_the_pool() {
    let folder = tempfile::tempdir().unwrap();
    let servers = two(folder.path()).await;
    let door = Proxy::start(servers[0].port()).await.unwrap();
    let directory = RedisDirectory::connect(patient(&format!("redis://127.0.0.1:{}", door.port()))).await.unwrap();
    join_all((0..8).map(|_| put(&directory, "node"))).await;

    change_places(&servers).await;
    door.lead_to(servers[1].port());
    // One after the other: the first meets it, and nobody else does.
    for _ in 0..16 {
        put(&directory, "agent").await;
    }
    assert_eq!(servers[1].ask(&["ZCARD", "{cb:test}:agent"]).await.unwrap().to_string(), "1");
    let refused = servers[0].ask(&["INFO", "errorstats"]).await.unwrap().to_string();
    assert!(refused.contains("errorstat_READONLY:count=1\r"), "{refused}");
}

/// Nor is it read from by somebody who writes nothing.
#[tokio::test]
async fn a_demoted_master_is_not_read_from() {
    let folder = tempfile::tempdir().unwrap();
    let servers = two(folder.path()).await;
    let door = Proxy::start(servers[0].port()).await.unwrap();
    let directory = RedisDirectory::connect(patient(&format!("redis://127.0.0.1:{}", door.port()))).await.unwrap();
    put(&directory, "node").await;

    change_places(&servers).await;
    door.lead_to(servers[1].port());
    // Cut off from its master, it has what it had.
    servers[0].ask(&["REPLICAOF", "127.0.0.1", "1"]).await.unwrap();
    servers[1].flush().await.unwrap();
    assert!(ids(&directory, "node").await.is_empty());
}

/// Nobody else is the master: each call is refused, and the first after its return succeeds.
#[tokio::test]
async fn without_a_master_it_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let servers = two(folder.path()).await;
    let directory = RedisDirectory::connect(options(&servers[0].url())).await.unwrap();
    change_places(&servers).await;
    let refused = directory.put("node", "a", Bytes::new(), LONG).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused { reason } if reason.contains("READONLY")), "{refused:?}");
    servers[0].ask(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    put(&directory, "node").await;
}

#[tokio::test]
async fn sentinels_lead_to_the_new_master() {
    let folder = tempfile::tempdir().unwrap();
    let mut sentinels = Sentinel::start(folder.path()).await.unwrap();
    let directory = RedisDirectory::connect(patient(&by_sentinels(&sentinels, Sentinel::NAME))).await.unwrap();
    join_all((0..8).map(|_| put(&directory, "node"))).await;

    sentinels.failover().await.unwrap();
    // For a moment the old one takes writes that it will lose.
    let new = sentinels.master().await.unwrap();
    let after = until("writes are there on the new master", async || {
        let is_put = directory.put("agent", "a", Bytes::new(), LONG).await.is_ok();
        is_put && new.ask(&["ZCARD", "{cb:test}:agent"]).await.unwrap() == Reply::Number(1)
    })
    .await;
    assert!(after < SOON, "writes are there after {after:?}");
    // By every connection now, not only the one that has met it.
    join_all((0..16).map(|_| put(&directory, "agent"))).await;
    assert_eq!(directory.acquire("partition.1", "a", LONG).await, Ok(Lease::Held));
}

#[tokio::test]
async fn a_killed_master_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut sentinels = Sentinel::start(folder.path()).await.unwrap();
    let directory = RedisDirectory::connect(patient(&by_sentinels(&sentinels, Sentinel::NAME))).await.unwrap();
    join_all((0..8).map(|_| put(&directory, "node"))).await;

    sentinels.kill_master().await.unwrap();
    let write = async || directory.put("agent", "a", Bytes::new(), LONG).await.is_ok();
    let after = until("writes succeed on the new master", write).await;
    assert!(after < SOON, "writes succeed after {after:?}");
}

/// Without a replica, its slots come back when it does.
#[tokio::test]
async fn a_master_of_a_cluster_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = RedisCluster::start(folder.path()).await.unwrap();
    let directory = RedisDirectory::connect(options(&by_cluster(&cluster))).await.unwrap();
    put(&directory, "node").await;
    let mut at = 0;
    for (number, node) in cluster.nodes().iter().enumerate() {
        if !keys(node).await.is_empty() {
            at = number;
        }
    }
    cluster.nodes()[at].kill();
    let limit = options("").call + Duration::from_millis(1_500);
    for _ in 0..3 {
        let answer = tokio::time::timeout(limit, directory.put("node", "a", Bytes::new(), LONG)).await;
        assert!(answer.expect("answered within its limit").is_err());
    }
    cluster.nodes()[at].start_again().await.unwrap();
    cluster.complete().await.unwrap();
    let write = async || directory.put("node", "a", Bytes::new(), LONG).await.is_ok();
    let after = until("writes succeed again", write).await;
    assert!(after < SOON, "writes succeed after {after:?}");
}
