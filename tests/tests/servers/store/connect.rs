//! What is said when a bucket of radosgw cannot be used.

use super::kit::{gateway, nowhere, options};
use callboard::port::store::Store;
use callboard::port::store::s3::{S3Key, S3Options, S3Store};
use callboard_chaos::servers::Versioning;

async fn refused(options: S3Options, words: &str) {
    let said = S3Store::connect(options).await.expect_err("connected").to_string();
    assert!(said.contains(words), "{said}");
}

#[tokio::test]
async fn a_bucket_that_is_not_there() {
    let gateway = gateway().await;
    refused(nowhere(&gateway, "missing"), "there is no bucket missing at http://127.0.0.1:").await;
}

/// It must not look as if it were empty.
#[tokio::test]
async fn a_bucket_that_is_gone() {
    let gateway = gateway().await;
    let store = S3Store::connect(options(&gateway, "gone").await).await.unwrap();
    assert_eq!(store.get("a").await.unwrap(), None);
    assert_eq!(gateway.server.send("DELETE", "/gone", "").await.unwrap().status, 204);
    for said in [
        store.get("a").await.unwrap_err().to_string(),
        store.list("", "").await.unwrap_err().to_string(),
        store.create("a", "a".into()).await.unwrap_err().to_string(),
        store.delete("a").await.unwrap_err().to_string(),
    ] {
        assert!(said.starts_with("the store refused: the server answered 404, NoSuchBucket"), "{said}");
    }
}

#[tokio::test]
async fn a_wrong_key() {
    let gateway = gateway().await;
    let options = options(&gateway, "locked").await;
    let (id, secret) = (gateway.server.key().id.clone(), "wrong".to_owned());
    let key = |id: String, secret: String| Some(S3Key { id, secret, token: None });
    let wrong = S3Options { key: key(id, secret.clone()), ..options.clone() };
    refused(wrong, "does not take our key for the bucket locked").await;
    let unknown = S3Options { key: key("unknown".to_owned(), secret), ..options };
    refused(unknown, "does not take our key for the bucket locked").await;
}

#[tokio::test]
async fn a_bucket_that_keeps_versions() {
    let gateway = gateway().await;
    let options = options(&gateway, "versioned").await;
    gateway.server.set_versioning("versioned", Versioning::Enabled).await.unwrap();
    refused(options.clone(), "versioning of the bucket versioned is enabled").await;
    gateway.server.set_versioning("versioned", Versioning::Suspended).await.unwrap();
    refused(options, "versioning of the bucket versioned is suspended").await;
}

#[tokio::test]
async fn a_bucket_that_takes_objects_away() {
    let gateway = gateway().await;
    let options = options(&gateway, "expiring").await;
    let rule = |prefix: &str| {
        format!(
            "<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix>{prefix}</Prefix></Filter>\
            <Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>"
        )
    };
    let set = async |prefix: &str| gateway.server.send("PUT", "/expiring?lifecycle", &rule(prefix)).await.unwrap();
    assert_eq!(set("logs/").await.status, 200);
    S3Store::connect(options.clone()).await.unwrap();
    assert_eq!(set("some/").await.status, 200);
    refused(options, "the life-cycle rule \"old\" of the bucket expiring would remove or move").await;
}
