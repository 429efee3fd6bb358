use crate::kit;
use callboard_chaos::servers::{Certificate, Error, Redis, RedisOptions, Reply};
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
