//! The directory on Redis.
#![expect(clippy::unwrap_used, reason = "a test that fails here may panic")]

mod clock;
mod connect;
mod cost;
mod failover;
mod kit;
mod loss;

use self::kit::{by_cluster, by_sentinels, directory, patient};
use callboard::port::directory::conformance;
use callboard::port::directory::redis::{RedisDirectory, RedisOptions};
use callboard_chaos::servers::{Certificate, Redis, RedisCluster, Sentinel};

#[tokio::test]
async fn conforms_on_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let redis = Redis::start(folder.path()).await.unwrap();
    conformance::all(&directory(&redis).await).await;
}

#[tokio::test]
async fn conforms_over_tls_with_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::make(&folder.path().join("tls")).await.unwrap();
    let authority = certificate.ca();
    let server = callboard_chaos::servers::RedisOptions {
        password: Some("geheim".into()),
        certificate: Some(certificate),
        more: Vec::new(),
    };
    let redis = Redis::start_with(&folder.path().join("redis"), server).await.unwrap();
    let options = RedisOptions { ca_file: Some(authority), ..patient(&redis.tls_url().unwrap()) };
    conformance::all(&RedisDirectory::connect(options).await.unwrap()).await;
}

#[tokio::test]
async fn conforms_behind_sentinels() {
    let folder = tempfile::tempdir().unwrap();
    let sentinels = Sentinel::start(folder.path()).await.unwrap();
    let directory = RedisDirectory::connect(patient(&by_sentinels(&sentinels, Sentinel::NAME))).await.unwrap();
    conformance::all(&directory).await;
}

#[tokio::test]
async fn conforms_on_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = RedisCluster::start(folder.path()).await.unwrap();
    let directory = RedisDirectory::connect(patient(&by_cluster(&cluster))).await.unwrap();
    conformance::all(&directory).await;
}
