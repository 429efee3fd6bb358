//! The real SDK against a server of a few lines that does as it is told.

mod connect;
mod faults;
mod requests;
mod server;
mod whole;
mod words;

use std::sync::Arc;
use std::time::Duration;

use super::{S3Key, S3Options, S3Store};
use server::Server;

/// Generous, for tests in which no limit is meant to be met.
const GENEROUS: Duration = Duration::from_secs(60);

/// Options for `server`, with limits that are not met.
fn options(server: &Server) -> S3Options {
    let key = S3Key { id: "id".to_owned(), secret: "secret".to_owned(), token: None };
    S3Options {
        endpoint: Some(server.url()),
        region: Some("default".to_owned()),
        key: Some(key),
        connect_timeout: GENEROUS,
        dial_timeout: GENEROUS,
        write_timeout: GENEROUS,
        read_attempt_timeout: GENEROUS,
        read_timeout: GENEROUS,
        ..S3Options::from_url("s3://bucket/some/prefix").unwrap()
    }
}

async fn store(server: &Server) -> Arc<S3Store> {
    Arc::new(S3Store::connect(options(server)).await.unwrap())
}
