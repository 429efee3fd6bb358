use crate::kit;
use callboard_chaos::servers::{Certificate, Error, Redis, RedisCluster, RedisOptions, Reply, Sentinel};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

async fn get(redis: &Redis, key: &str) -> Reply {
    redis.ask(&["GET", key]).await.unwrap()
}

#[tokio::test]
async fn redis_comes_back_with_its_data() {
    let folder = kit::folder();
    let mut redis = Redis::start(folder.path()).await.unwrap();
    let (port, first) = (redis.port(), redis.id());
    redis.ask(&["SET", "key", "kept"]).await.unwrap();
    redis.kill();
    kit::nothing_is_left(folder.path()).await;
    assert!(matches!(redis.ask(&["PING"]).await, Err(Error::NoAnswer { .. })));

    redis.start_again().await.unwrap();
    assert_eq!(redis.port(), port);
    assert_ne!(redis.id(), first);
    assert_eq!(get(&redis, "key").await, Reply::Text("kept".into()));
    redis.stop().await;
    redis.start_again().await.unwrap();
    assert_eq!(get(&redis, "key").await, Reply::Text("kept".into()));

    redis.flush().await.unwrap();
    assert_eq!(get(&redis, "key").await, Reply::Nothing);
    drop(redis);
    kit::nothing_is_left(folder.path()).await;
}

#[tokio::test]
async fn keys_that_are_chosen_are_gone_and_no_others() {
    let folder = kit::folder();
    let redis = Redis::start(folder.path()).await.unwrap();
    redis.evict(|_| true).await.unwrap();
    redis.ask(&["MSET", "one", "1", "two", "2", "three", "3"]).await.unwrap();
    redis.evict(|_| false).await.unwrap();
    assert_eq!(redis.ask(&["DBSIZE"]).await.unwrap(), Reply::Number(3));
    redis.evict(|key| key.starts_with('t')).await.unwrap();
    assert_eq!(redis.ask(&["KEYS", "*"]).await.unwrap(), Reply::List(vec![Reply::Text("one".into())]));
    redis.ask(&["SET", "two", "2", "EX", "1000"]).await.unwrap();
    assert_eq!(redis.keys_for_ever().await.unwrap(), ["one"]);
}

#[tokio::test]
async fn two_do_not_collide() {
    let (here, there) = (kit::folder(), kit::folder());
    let (one, two) = tokio::join!(Redis::start(here.path()), Redis::start(there.path()));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.port(), two.port());
    one.ask(&["SET", "key", "one"]).await.unwrap();
    assert_eq!(get(&two, "key").await, Reply::Nothing);
    drop(one);
    assert_eq!(get(&two, "key").await, Reply::Nothing);
}

#[tokio::test]
async fn a_paused_server_does_not_answer_and_a_resumed_one_does() {
    let folder = kit::folder();
    let redis = Redis::start(folder.path()).await.unwrap();
    redis.pause();
    let asked = tokio::time::timeout(Duration::from_millis(100), redis.ask(&["PING"])).await;
    assert!(asked.is_err(), "it is stopped and answered {asked:?}");
    redis.resume();
    assert_eq!(redis.ask(&["PING"]).await.unwrap().text(), Some("PONG"));
    redis.pause();
    drop(redis);
    kit::nothing_is_left(folder.path()).await;
}

#[tokio::test]
async fn with_a_password_and_with_tls() {
    let folder = kit::folder();
    let certificate = Certificate::make(&folder.path().join("tls")).await.unwrap();
    let options = RedisOptions { password: Some("secret".into()), certificate: Some(certificate), more: Vec::new() };
    let redis = Redis::start_with(&folder.path().join("redis"), options).await.unwrap();
    assert_eq!(redis.url(), format!("redis://:secret@127.0.0.1:{}", redis.port()));
    assert!(redis.tls_url().unwrap().starts_with("rediss://:secret@localhost:"));
    redis.config_set("maxmemory-policy", "allkeys-lru").await.unwrap();
    let policy = redis.ask(&["CONFIG", "GET", "maxmemory-policy"]).await.unwrap();
    assert_eq!(policy, Reply::List(["maxmemory-policy", "allkeys-lru"].map(|text| Reply::Text(text.into())).into()));
    let refused = redis.ask(&["SET", "key"]).await.unwrap_err().to_string();
    assert_eq!(refused, "SET key was refused: ERR wrong number of arguments for 'set' command");
}

#[tokio::test]
async fn the_replica_takes_over() {
    let folder = kit::folder();
    let mut sentinel = Sentinel::start(folder.path()).await.unwrap();
    assert_eq!(sentinel.addresses().len(), 3);
    let first = sentinel.master().await.unwrap().port();
    sentinel.failover().await.unwrap();
    let second = sentinel.master().await.unwrap().port();
    assert_ne!(first, second);
    sentinel.master().await.unwrap().ask(&["SET", "key", "kept"]).await.unwrap();
    drop(sentinel);
    kit::nothing_is_left(folder.path()).await;
}

#[tokio::test]
async fn the_replica_takes_over_from_a_killed_master() {
    let folder = kit::folder();
    let mut sentinel = Sentinel::start(folder.path()).await.unwrap();
    let first = sentinel.master().await.unwrap().port();
    sentinel.kill_master().await.unwrap();
    let master = sentinel.master().await.unwrap();
    assert_ne!(master.port(), first);
    master.ask(&["SET", "key", "kept"]).await.unwrap();
}

#[tokio::test]
async fn a_cluster_has_all_slots() {
    let folder = kit::folder();
    let mut cluster = RedisCluster::start(folder.path()).await.unwrap();
    assert_eq!(cluster.addresses().len(), 3);
    let node = &mut cluster.nodes()[0];
    let answers = [node.ask(&["SET", "a", "1"]).await, node.ask(&["SET", "b", "1"]).await];
    // The keys have slots of different nodes, and each node says which.
    assert!(
        answers.iter().any(|answer| matches!(answer, Err(Error::Refused { said, .. }) if said.starts_with("MOVED")))
    );
    node.kill();
    node.start_again().await.unwrap();
    cluster.complete().await.unwrap();
    cluster.flush().await.unwrap();
    drop(cluster);
    kit::nothing_is_left(folder.path()).await;
}

/// Says to the second run of this program where its server is to be.
const FOLDER: &str = "FOLDER_OF_WHO_DIES";

#[tokio::test]
async fn a_server_dies_with_whoever_started_it() {
    if let Ok(folder) = std::env::var(FOLDER) {
        let redis = Redis::start(Path::new(&folder)).await.unwrap();
        redis.pause();
        std::process::abort();
    }
    let folder = kit::folder();
    let itself = std::env::current_exe().unwrap();
    let test = ["--exact", "redis::a_server_dies_with_whoever_started_it"];
    let ended = std::process::Command::new(itself).args(test).env(FOLDER, folder.path()).output().unwrap().status;
    assert_eq!(ended.signal(), Some(6), "it was to abort");
    assert!(folder.path().join("log").exists(), "it was to start a server");
    kit::nothing_is_left(folder.path()).await;
}
