//! The store on S3: radosgw, and what stands in its way.
#![expect(clippy::unwrap_used, reason = "a test that fails here may panic")]

mod connect;
mod environment;
mod kit;
mod nodes;
mod outage;
mod strip;

use std::sync::Arc;

use callboard::port::store::conformance::conformance;
use callboard::port::store::probe::probe;
use callboard::port::store::s3::{S3Options, S3Store};

use self::kit::{gateway, options};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms() {
    let gateway = gateway().await;
    let options = options(&gateway, "conforms").await;
    conformance(Arc::new(S3Store::connect(options).await.unwrap()), "ns").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_taken_by_the_probe_over_tls() {
    let gateway = gateway().await;
    let tls = S3Options { endpoint: gateway.server.tls_url(), ..options(&gateway, "probed").await };
    let untrusted = S3Store::connect(tls.clone()).await.unwrap_err().to_string();
    assert!(untrusted.contains("no answer of S3 from https://localhost:"), "{untrusted}");
    assert!(untrusted.contains("certificate"), "{untrusted}");
    let store = S3Store::connect(S3Options { ca_bundle: Some(gateway.authority.clone()), ..tls }).await.unwrap();
    for _ in 0..5 {
        probe(&store, "ns").await.unwrap();
    }
}
