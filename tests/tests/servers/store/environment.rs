//! What the environment says, in a process of its own, because a process has only one.

use super::kit::{gateway, options};
use callboard::port::store::s3::{ConnectError, S3Options, S3Store};
use callboard::port::store::{Create, Store};
use callboard_chaos::servers::RadosGw;
use std::process::Command;

/// Set in the child alone, to the bucket.
const BUCKET: &str = "CALLBOARD_TEST_BUCKET";

/// This binary again, with one test alone and an environment of its own.
fn child(test: &str, bucket: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let home = std::env::temp_dir().join("no such home");
    command.args(["--exact", "--nocapture", test]).env(BUCKET, bucket).env("HOME", home);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

/// Asserts that the test passes there.
async fn passes(mut child: Command) {
    let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Server, region, key and certificates; with the addressing that follows from a named server.
#[tokio::test]
async fn it_says_where_and_who() {
    if let Ok(bucket) = std::env::var(BUCKET) {
        let options = S3Options::from_url(&format!("s3://{bucket}/from/environment")).unwrap();
        let store = S3Store::connect(options).await.unwrap();
        assert_eq!(store.create("a", "a".into()).await.unwrap(), Create::Created);
        return;
    }
    let gateway = gateway().await;
    options(&gateway, "told").await;
    let mut child = child("store::environment::it_says_where_and_who", "told");
    let key = gateway.server.key();
    child.env("AWS_ENDPOINT_URL", gateway.server.tls_url().unwrap()).env("AWS_REGION", RadosGw::REGION);
    child.env("AWS_ACCESS_KEY_ID", &key.id).env("AWS_SECRET_ACCESS_KEY", &key.secret);
    child.env("AWS_CA_BUNDLE", &gateway.authority);
    passes(child).await;
    let there = gateway.server.send("GET", "/told/from/environment/a", "").await.unwrap();
    assert_eq!((there.status, there.body.as_str()), (200, "a"));
}

#[tokio::test]
async fn it_says_nothing() {
    if let Ok(bucket) = std::env::var(BUCKET) {
        let refused = S3Store::connect(S3Options::new(&bucket, "").unwrap()).await.unwrap_err();
        assert!(matches!(refused, ConnectError::NoCredentials { .. }), "{refused}");
        assert!(refused.to_string().contains("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"), "{refused}");
        return;
    }
    passes(child("store::environment::it_says_nothing", "untold")).await;
}
