//! Something on the way that takes the condition off a create.

use super::kit::{gateway, options};
use callboard::port::store::probe::probe;
use callboard::port::store::s3::{S3Options, S3Store};
use callboard::port::store::{Create, Error, Store};
use callboard_chaos::store_proxy::{Sickness, StoreProxy};

/// The condition is signed: without it the server takes nothing, so nothing is overwritten.
#[tokio::test]
async fn a_create_without_its_condition_is_no_create() {
    let gateway = gateway().await;
    let options = options(&gateway, "stripped").await;
    let direct = S3Store::connect(options.clone()).await.unwrap();
    assert_eq!(direct.create("a", "first".into()).await.unwrap(), Create::Created);
    let proxy = StoreProxy::start(([127, 0, 0, 1], gateway.server.port()).into()).await.unwrap();
    proxy.set(Sickness::IgnoresCondition);
    let stripped = S3Options { endpoint: Some(proxy.url()), ..options };
    let stripped = S3Store::connect(stripped).await.unwrap();
    let refused = stripped.create("a", "second".into()).await.unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
    assert!(refused.to_string().contains("SignatureDoesNotMatch"), "{refused}");
    assert_eq!(stripped.get("a").await.unwrap().as_deref(), Some(&b"first"[..]));
    probe(&stripped, "ns").await.unwrap_err();
}
