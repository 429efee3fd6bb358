//! What is said when a bucket cannot be used.

use std::time::Duration;

use super::options;
use super::server::{Fault, Operation, Server, Settings};
use crate::port::store::s3::{S3Options, S3Store};

/// The words of the refusal to connect.
async fn refusal(options: S3Options) -> String {
    S3Store::connect(options).await.expect_err("connected").to_string()
}

async fn check(fault: Fault, words: &str) {
    let server = Server::start().await;
    server.always(Operation::List, fault);
    let refusal = refusal(options(&server)).await;
    assert!(refusal.contains(words), "{fault:?}: {refusal}");
}

#[tokio::test]
async fn each_answer_has_its_words() {
    for (fault, words) in [
        (Fault::Instead(403, "InvalidAccessKeyId"), "does not take our key for the bucket bucket"),
        (Fault::Instead(403, "SignatureDoesNotMatch"), "check the access key and its secret"),
        (Fault::Instead(403, "AccessDenied"), "access to the bucket bucket was denied: allow s3:ListBucket"),
        (Fault::Instead(403, "RequestTimeTooSkewed"), "the clocks of this machine and of http://127.0.0.1:"),
        (Fault::Instead(404, "NoSuchBucket"), "there is no bucket bucket at http://127.0.0.1:"),
        (Fault::Instead(301, "PermanentRedirect"), "is in another region: set AWS_REGION"),
        (Fault::Instead(400, "AuthorizationHeaderMalformed"), "is in another region: set AWS_REGION"),
        (Fault::Instead(503, "SlowDown"), "cannot be looked at: the server answered 503, SlowDown"),
        (Fault::Html, "no answer of S3 from http://127.0.0.1:"),
        (Fault::Instead(404, ""), "no answer of S3 from http://127.0.0.1:"),
        (Fault::CutBefore, "no answer of S3 from http://127.0.0.1:"),
    ] {
        check(fault, words).await;
    }
}

#[tokio::test]
async fn nobody_there_has_words() {
    let server = Server::start().await;
    let options = options(&server);
    drop(server);
    let refusal = refusal(options).await;
    assert!(refusal.contains("is it running, and is this its address?"), "{refusal}");
}

#[tokio::test]
async fn silence_ends_at_the_limit() {
    let server = Server::start().await;
    server.always(Operation::List, Fault::Hang);
    let refusal = refusal(S3Options { connect_timeout: Duration::from_millis(100), ..options(&server) }).await;
    assert_eq!(refusal, "no answer from S3 about the bucket bucket within 100ms: try again later");
}

#[tokio::test]
async fn a_bucket_with_versions_is_refused() {
    for (versioning, word) in [("<Status>Enabled</Status>", "enabled"), ("<Status>Suspended</Status>", "suspended")] {
        let server = Server::with(Settings { versioning, ..Settings::default() }).await;
        let refusal = refusal(options(&server)).await;
        assert!(refusal.starts_with(&format!("versioning of the bucket bucket is {word}")), "{refusal}");
    }
}

#[tokio::test]
async fn a_bucket_that_takes_objects_away_is_refused() {
    let rules = "<Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix>some/</Prefix></Filter>\
        <Expiration><Days>30</Days></Expiration></Rule>";
    let server = Server::with(Settings { lifecycle: Some(rules), ..Settings::default() }).await;
    let refusal = refusal(options(&server)).await;
    assert!(refusal.contains("the life-cycle rule \"old\" of the bucket bucket would remove"), "{refusal}");
}

#[tokio::test]
async fn a_server_that_does_not_tell_its_settings_is_taken() {
    for (status, code) in [(501, "NotImplemented"), (405, "MethodNotAllowed"), (403, "AccessDenied")] {
        let server = Server::start().await;
        server.always(Operation::Versioning, Fault::Instead(status, code));
        server.always(Operation::Lifecycle, Fault::Instead(status, code));
        S3Store::connect(options(&server)).await.unwrap();
    }
}

#[tokio::test]
async fn a_file_that_holds_no_certificate_is_refused() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, "not a certificate").unwrap();
    let words = refusal(S3Options { ca_bundle: Some(path), ..options(&server) }).await;
    assert!(words.contains("ca.pem cannot be read: it holds no certificate"), "{words}");
    let words = refusal(S3Options { ca_bundle: Some(folder.path().join("none.pem")), ..options(&server) }).await;
    assert!(words.contains("none.pem cannot be read"), "{words}");
}
