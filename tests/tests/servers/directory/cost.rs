//! What a call costs: commands, and time.

use super::kit::{LONG, directory, put_many};
use bytes::Bytes;
use callboard::port::directory::redis::RedisDirectory;
use callboard::port::directory::{Directory, Release};
use callboard_chaos::servers::Redis;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// The documented table of the adapter, counted by the server.
#[tokio::test]
async fn commands_are_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let directory = directory(&redis).await;
    // So that the server knows the scripts.
    for operation in ["put", "put_all", "remove", "list", "acquire", "renew", "release"] {
        call(&directory, operation).await;
    }
    let table = [
        ("put", "evalsha 1, pexpireat 2, ping 1, time 1, unwatch 1, zadd 1, hset 1, zrangebyscore 1, zrevrange 1"),
        ("put_all", "evalsha 3, pexpireat 6, ping 3, time 3, unwatch 3, zadd 3, hset 3, zrangebyscore 3, zrevrange 3"),
        ("remove", "evalsha 1, ping 1, unwatch 1, hdel 1, zrem 1"),
        (
            "list",
            "evalsha 1, exec 1, hgetall 1, multi 1, ping 1, time 1, unwatch 1, zrangebyscore 1, zremrangebyscore 1",
        ),
        ("acquire", "evalsha 1, get 1, ping 1, set 1, unwatch 1"),
        ("renew", "evalsha 1, get 1, pexpire 1, ping 1, unwatch 1"),
        ("release", "del 1, evalsha 1, get 1, ping 1, unwatch 1"),
    ];
    for (operation, wanted) in table {
        redis.ask(&["CONFIG", "RESETSTAT"]).await.unwrap();
        call(&directory, operation).await;
        let wanted: BTreeMap<String, u64> = wanted.split(", ").map(counter).collect();
        assert_eq!(commands(&redis).await, wanted, "{operation}");
    }
}

async fn call(directory: &RedisDirectory, operation: &str) {
    match operation {
        "put" => directory.put("node", "a", Bytes::new(), LONG).await.unwrap(),
        "put_all" => {
            let entries: Vec<_> = (0..250).map(|n| (n.to_string(), Bytes::new())).collect();
            directory.put_all("node", &entries, LONG).await.unwrap();
        }
        "remove" => directory.remove("node", "b").await.unwrap(),
        "list" => drop(directory.list("node").await.unwrap()),
        "acquire" => drop(directory.acquire("partition.1", "a", LONG).await.unwrap()),
        "renew" => drop(directory.renew("partition.1", "a", LONG).await.unwrap()),
        "release" => assert_eq!(directory.release("partition.1", "a").await, Ok(Release::Released)),
        other => unreachable!("{other} is no operation"),
    }
}

fn counter(text: &str) -> (String, u64) {
    let (name, count) = text.split_once(' ').unwrap();
    (name.to_owned(), count.parse().unwrap())
}

/// The commands since the last reset, without those that ask for them.
async fn commands(redis: &Redis) -> BTreeMap<String, u64> {
    let told = redis.ask(&["INFO", "commandstats"]).await.unwrap().to_string();
    let lines = told.lines().filter_map(|line| line.strip_prefix("cmdstat_"));
    let counts = lines.map(|line| {
        let (name, rest) = line.split_once(":calls=").unwrap();
        (name.to_owned(), rest.split(',').next().unwrap().parse().unwrap())
    });
    counts.filter(|(name, _)| name != "info" && !name.starts_with("config")).collect()
}

/// Prints figures; a loaded machine is no reason to fail.
#[tokio::test]
async fn a_thousand_and_ten_thousand_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let directory = directory(&redis).await;
    let value = Bytes::from(vec![b'x'; 400]);
    for number in [1_000, 10_000] {
        let kind = format!("capability:of-{number}");
        let begun = Instant::now();
        put_many(&directory, &kind, number, &value, LONG).await;
        let put = begun.elapsed() / number as u32;
        let mut client: Vec<Duration> = Vec::new();
        redis.ask(&["CONFIG", "RESETSTAT"]).await.unwrap();
        for _ in 0..31 {
            let begun = Instant::now();
            let entries = directory.list(&kind).await.unwrap();
            client.push(begun.elapsed());
            assert_eq!(entries.len(), number);
            assert!(entries.is_sorted_by(|a, b| a.id < b.id));
        }
        client.sort_unstable();
        let told = redis.ask(&["INFO", "commandstats"]).await.unwrap().to_string();
        let read = told.lines().find(|line| line.starts_with("cmdstat_hgetall")).unwrap();
        println!(
            "{number} entries of 400 bytes: put {put:?} each; listed in {:?} at best, {:?} p50; server: {read}",
            client[0], client[15]
        );
    }
}
