//! What the tests of the directory share: servers that belong together, and questions to them.

use bytes::Bytes;
use callboard::port::directory::Directory;
use callboard::port::directory::redis::{RedisDirectory, RedisOptions};
use callboard_chaos::servers::{Redis, RedisCluster, Reply, Sentinel};
use futures::{StreamExt, stream};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a state is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough that nothing expires while a test runs.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// The defaults, for a name space of the tests.
pub(crate) fn options(url: &str) -> RedisOptions {
    RedisOptions::new(url, "test")
}

/// Options of somebody whose limits are not what is tested: a debug build on a busy machine takes its time.
pub(crate) fn patient(url: &str) -> RedisOptions {
    let limit = Duration::from_secs(5);
    RedisOptions { wait: limit, connect: limit, response: limit, call: limit * 2, start: PATIENCE, ..options(url) }
}

/// A directory on this server.
pub(crate) async fn directory(redis: &Redis) -> RedisDirectory {
    RedisDirectory::connect(patient(&redis.url())).await.unwrap()
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

/// Registers `a` of a kind, for long.
pub(crate) async fn put(directory: &dyn Directory, kind: &str) {
    directory.put(kind, "a", Bytes::from_static(b"1"), LONG).await.unwrap();
}

/// Registers so many of a kind, 16 at once.
pub(crate) async fn put_many(directory: &dyn Directory, kind: &str, many: usize, value: &Bytes, life: Duration) {
    let puts = stream::iter((0..many).map(|number| async move {
        directory.put(kind, &format!("agent-{number:05}"), value.clone(), life).await.unwrap();
    }));
    puts.buffer_unordered(16).collect::<()>().await;
}

/// The ids of a kind.
pub(crate) async fn ids(directory: &dyn Directory, kind: &str) -> Vec<String> {
    directory.list(kind).await.unwrap().into_iter().map(|entry| entry.id).collect()
}

/// All keys of a server, in order.
pub(crate) async fn keys(redis: &Redis) -> Vec<String> {
    let Reply::List(keys) = redis.ask(&["KEYS", "*"]).await.unwrap() else { panic!("no list") };
    let mut keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    keys.sort_unstable();
    keys
}

/// Where a master is that Sentinels know by this name.
pub(crate) fn by_sentinels(sentinel: &Sentinel, name: &str) -> String {
    format!("redis+sentinel://{}/{name}", sentinel.addresses().join(","))
}

/// Where a cluster is.
pub(crate) fn by_cluster(cluster: &RedisCluster) -> String {
    format!("redis+cluster://{}", cluster.addresses().join(","))
}
