//! The first contact: what is wrong is said in words.

use super::kit::{PATIENCE, by_sentinels, directory, options};
use callboard::port::directory::redis::{ConnectError, Eviction, RedisDirectory, RedisOptions};
use callboard_chaos::servers::{self, Certificate, Redis, RedisCluster, Sentinel};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Options that do not wait for long.
fn soon(url: &str) -> RedisOptions {
    RedisOptions { start: Duration::from_millis(500), connect: Duration::from_millis(400), ..options(url) }
}

async fn refused(options: RedisOptions) -> ConnectError {
    RedisDirectory::connect(options).await.expect_err("no directory is to be had there")
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = refused(soon(&format!("redis://:geheim@127.0.0.1:{port}"))).await;
    assert!(matches!(error, ConnectError::Away { .. }), "{error:?}");
    let words = format!(
        "the directory at 127.0.0.1:{port} can not be used: it refuses the connection; start Redis there, or correct the address"
    );
    assert_eq!(error.to_string(), words);
}

#[tokio::test]
async fn a_server_that_comes_late_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut redis = Redis::start(folder.path()).await.unwrap();
    redis.kill();
    let (connected, started) = tokio::join!(RedisDirectory::connect(options(&redis.url())), async {
        tokio::time::sleep(Duration::from_millis(300)).await; // so that the first try finds nobody
        redis.start_again().await
    });
    started.unwrap();
    connected.unwrap();
}

#[tokio::test]
async fn a_wrong_password() {
    let folder = tempfile::tempdir().unwrap();
    let secret = servers::RedisOptions { password: Some("geheim".into()), ..Default::default() };
    let redis = Redis::start_with(folder.path(), secret).await.unwrap();
    let port = redis.port();
    let wrong = refused(soon(&format!("redis://:falsch@127.0.0.1:{port}"))).await;
    let none = refused(soon(&format!("redis://127.0.0.1:{port}"))).await;
    for error in [&wrong, &none] {
        assert!(matches!(error, ConnectError::Denied { .. }), "{error:?}");
        assert!(!error.to_string().contains("falsch"), "{error}");
    }
    let words = format!(
        "the directory at 127.0.0.1:{port} refuses: it refuses the user or the password; give the user and the password in its URL"
    );
    assert_eq!(wrong.to_string(), words);
    assert!(none.to_string().contains("it answers NOAUTH: "), "{none}");
    RedisDirectory::connect(options(&redis.url())).await.unwrap();
}

#[tokio::test]
async fn something_else_that_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let web = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _asked = stream.read(&mut [0; 1024]).await;
            let _told = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
        }
    };
    let error = tokio::select! {
        error = refused(soon(&format!("redis://{at}"))) => error,
        () = web => unreachable!("it serves for ever"),
    };
    assert!(matches!(error, ConnectError::NotRedis { .. }), "{error:?}");
    assert!(error.to_string().starts_with(&format!("what listens at {at} is no Redis that can be used: ")), "{error}");
}

#[tokio::test]
async fn something_that_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = refused(soon(&format!("redis://{}", listener.local_addr().unwrap()))).await;
    assert!(matches!(error, ConnectError::Away { .. }), "{error:?}");
    assert!(error.to_string().contains("in time"), "{error}");
}

#[tokio::test]
async fn a_replica_takes_no_writes() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let master = Redis::start(here.path()).await.unwrap();
    let more = ["--replicaof", "127.0.0.1", &master.port().to_string()].map(str::to_owned).into();
    let replica = Redis::start_with(there.path(), servers::RedisOptions { more, ..Default::default() }).await.unwrap();
    let error = refused(soon(&replica.url())).await;
    assert!(matches!(error, ConnectError::Away { .. }), "{error:?}");
    assert!(error.to_string().contains("it answers READONLY: You can't write against a read only replica"), "{error}");
}

#[tokio::test]
async fn tls_without_trust_and_without_tls() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::make(&folder.path().join("tls")).await.unwrap();
    let authority = certificate.ca();
    let server = servers::RedisOptions { certificate: Some(certificate), ..Default::default() };
    let redis = Redis::start_with(&folder.path().join("redis"), server).await.unwrap();
    let tls_url = redis.tls_url().unwrap();
    // It is not waited for, but a debug build is slow at its handshakes.
    let patient = RedisOptions { connect: PATIENCE, call: PATIENCE, start: PATIENCE, ..options(&tls_url) };
    let unknown = refused(patient).await;
    assert!(matches!(unknown, ConnectError::Tls { .. }), "{unknown:?}");
    assert!(unknown.to_string().contains("UnknownIssuer"), "{unknown}");
    let plain = redis.url().replace("redis://", "rediss://");
    let no_tls = refused(RedisOptions { ca_file: Some(authority), ..soon(&plain) }).await;
    // Redis takes the greeting for the beginning of a long line, and waits for its end.
    assert!(matches!(no_tls, ConnectError::Away { .. }), "{no_tls:?}");
}

#[tokio::test]
async fn a_policy_that_forgets_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    let directory = directory(&redis).await;
    assert_eq!(directory.eviction().await, Ok(Eviction::Refuses));
    redis.config_set("maxmemory-policy", "allkeys-lru").await.unwrap();
    assert_eq!(directory.eviction().await, Ok(Eviction::Forgets { policy: "allkeys-lru".into() }));
    // Who may not ask connects all the same.
    redis.ask(&["ACL", "SETUSER", "default", "-info"]).await.unwrap();
    assert_eq!(directory.eviction().await, Ok(Eviction::Untold));
    RedisDirectory::connect(options(&redis.url())).await.unwrap();
}

#[tokio::test]
async fn sentinels_that_know_no_such_master() {
    let folder = tempfile::tempdir().unwrap();
    let sentinels = Sentinel::start(folder.path()).await.unwrap();
    let error = refused(soon(&by_sentinels(&sentinels, "other"))).await;
    assert!(matches!(error, ConnectError::Away { .. }), "{error:?}");
    assert!(error.to_string().contains("they know no working master of this name"), "{error}");
}

#[tokio::test]
async fn a_cluster_that_is_taken_for_one_server_and_one_server_that_is_taken_for_a_cluster() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut cluster = RedisCluster::start(here.path()).await.unwrap();
    let mut seen = Vec::new();
    for server in cluster.nodes() {
        seen.extend(RedisDirectory::connect(soon(&server.url())).await.err());
    }
    // One of the three has the keys, and could be used as long as it has them.
    assert_eq!(seen.len(), 2);
    assert!(
        seen.iter().all(|error| error.to_string().contains("write redis+cluster:// instead of redis://")),
        "{seen:?}"
    );
    let redis = Redis::start(there.path()).await.unwrap();
    let error = refused(soon(&redis.url().replace("redis://", "redis+cluster://"))).await;
    assert!(error.to_string().contains("it answers ERR: This instance has cluster support disabled"), "{error}");
}
