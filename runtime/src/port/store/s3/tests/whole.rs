//! The suite and the probe, on servers that keep the contract and that do not.

use super::server::{Condition, Server, Settings};
use super::store;
use crate::port::store::conformance::conformance;
use crate::port::store::probe::{ProbeError, probe};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conformance_in_pages_of_seven() {
    let server = Server::with(Settings { page_keys: 7, ..Settings::default() }).await;
    conformance(store(&server).await, "ns").await;
}

#[tokio::test]
async fn a_server_that_keeps_the_condition_is_taken() {
    let server = Server::start().await;
    probe(&*store(&server).await, "ns").await.unwrap();
}

async fn saw(condition: Condition) -> String {
    let server = Server::with(Settings { condition, ..Settings::default() }).await;
    match probe(&*store(&server).await, "ns").await {
        Err(ProbeError::Lies { saw }) => saw,
        other => panic!("{condition:?}: {other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_ignores_the_condition_is_refused() {
    let saw = saw(Condition::Ignored).await;
    assert!(saw.contains("4 were told `created`, not one"), "{saw}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_looks_before_it_writes_is_refused_every_time() {
    for _ in 0..20 {
        let saw = saw(Condition::Raced).await;
        assert!(saw.contains("were told `created`, not one"), "{saw}");
    }
}
