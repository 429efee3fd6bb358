//! A Redis that forgets, dies, or stops in its tracks.

use super::kit::{LONG, directory, ids, options, put, until};
use bytes::Bytes;
use callboard::port::directory::redis::RedisDirectory;
use callboard::port::directory::{Directory, Error, Lease, Release};
use callboard_chaos::servers::Redis;
use futures::future::{BoxFuture, join_all};
use std::time::Duration;
use tokio::time::Instant;

/// The limit of a call, and what a busy machine adds to it.
const CALL: Duration = Duration::from_millis(2_000 + 1_500);
/// How soon after its return a server is to be of use again.
const BACK: Duration = Duration::from_secs(5);

#[tokio::test]
async fn flushed_everything_is_registered_again_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let directory = directory(&redis).await;
    put(&directory, "node").await;
    assert_eq!(directory.acquire("partition.1", "a", LONG).await, Ok(Lease::Held));
    for _ in 0..3 {
        redis.flush().await.unwrap(); // the scripts as well
        assert!(ids(&directory, "node").await.is_empty());
        assert_eq!(directory.renew("partition.1", "a", LONG).await, Ok(Lease::Free));
        assert_eq!(directory.release("partition.1", "a").await, Ok(Release::NotHeld));
        assert_eq!(directory.acquire("partition.1", "b", LONG).await, Ok(Lease::Held));
        put(&directory, "node").await;
        assert_eq!(ids(&directory, "node").await, ["a"]);
    }
}

#[tokio::test]
async fn connections_that_the_server_closes_are_replaced_unnoticed() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let directory = directory(&redis).await;
    for _ in 0..10 {
        let puts = (0..8).map(|_| put(&directory, "node"));
        join_all(puts).await;
        redis.close_connections().await.unwrap();
    }
}

#[tokio::test]
async fn killed_it_is_refused_at_once_and_of_use_soon_after_its_return() {
    let folder = tempfile::tempdir().unwrap();
    let mut redis = Redis::start(folder.path()).await.unwrap();
    let directory = directory(&redis).await;
    for _ in 0..3 {
        join_all((0..8).map(|_| put(&directory, "node"))).await;
        redis.kill();
        for answer in every_operation(&directory).await {
            assert!(
                matches!(&answer, Err(Error::Refused { reason }) if reason == "it refuses the connection"),
                "{answer:?}"
            );
        }
        redis.start_again().await.unwrap();
        let back = until("of use again", async || directory.put("node", "a", Bytes::new(), LONG).await.is_ok()).await;
        assert!(back < BACK, "of use {back:?} after its return");
    }
}

#[tokio::test]
async fn a_server_that_hangs_holds_nobody_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let directory = RedisDirectory::connect(options(&redis.url())).await.unwrap();
    join_all((0..8).map(|_| put(&directory, "node"))).await;
    redis.pause();
    for _ in 0..2 {
        for answer in every_operation(&directory).await {
            assert!(answer.is_err(), "{answer:?}");
        }
    }
    redis.resume();
    let back = until("of use again", async || directory.put("node", "a", Bytes::new(), LONG).await.is_ok()).await;
    assert!(back < BACK, "of use {back:?} after its return");
}

#[tokio::test]
async fn hanging_in_the_middle_of_a_call_it_is_unclear() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let directory = RedisDirectory::connect(options(&redis.url())).await.unwrap();
    // The server takes the script and lets nobody hear of it: `CLIENT PAUSE` stops commands, and `PING` is no write.
    redis.ask(&["CLIENT", "PAUSE", "60000", "WRITE"]).await.unwrap();
    let put = directory.put("node", "a", Bytes::new(), LONG);
    let acquire = directory.acquire("partition.1", "a", LONG);
    let (put, acquire) = tokio::join!(put, acquire);
    assert!(matches!(put, Err(Error::Unclear { .. })), "{put:?}");
    assert!(matches!(acquire, Err(Error::Unclear { .. })), "{acquire:?}");
    redis.ask(&["CLIENT", "UNPAUSE"]).await.unwrap();
    assert_eq!(directory.acquire("partition.1", "b", LONG).await, Ok(Lease::Held));
}

#[tokio::test]
async fn a_call_that_is_given_up_spoils_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let directory = directory(&redis).await;
    for number in 0..200 {
        let id = format!("id-{number}");
        let given_up = directory.put("node", &id, Bytes::new(), LONG);
        let _late = tokio::time::timeout(Duration::from_micros(number * 20), given_up).await;
        assert_eq!(directory.acquire("partition.1", "a", LONG).await, Ok(Lease::Held));
        assert_eq!(directory.renew("partition.1", "b", LONG).await, Ok(Lease::HeldBy("a".into())));
    }
}

/// Does all six at once, each within the limit of a call.
async fn every_operation(directory: &RedisDirectory) -> Vec<Result<(), Error>> {
    let calls: [BoxFuture<'_, Result<(), Error>>; 6] = [
        directory.put("node", "a", Bytes::new(), LONG),
        directory.remove("node", "a"),
        Box::pin(async { directory.list("node").await.map(drop) }),
        Box::pin(async { directory.acquire("partition.1", "a", LONG).await.map(drop) }),
        Box::pin(async { directory.renew("partition.1", "a", LONG).await.map(drop) }),
        Box::pin(async { directory.release("partition.1", "a").await.map(drop) }),
    ];
    let begun = Instant::now();
    let answers = join_all(calls).await;
    assert!(begun.elapsed() < CALL, "answered after {:?}: {answers:?}", begun.elapsed());
    answers
}
