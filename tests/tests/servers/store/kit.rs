//! A radosgw for all of these tests, and buckets in it.

use callboard::port::store::s3::{Addressing, S3Key, S3Options};
use callboard_chaos::servers::{Certificate, RadosGw, RadosGwOptions};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Mutex;

/// A server, and what it lies in.
pub(super) struct Gateway {
    pub(super) server: RadosGw,
    /// Who has signed its certificate.
    pub(super) authority: PathBuf,
    _folder: TempDir,
}

impl Gateway {
    /// One that nobody else has.
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate = Certificate::make(&folder.path().join("tls")).await.unwrap();
        let authority = certificate.ca();
        let options = RadosGwOptions { certificate: Some(certificate), more: Vec::new() };
        let server = RadosGw::start_with(&folder.path().join("server"), options).await.unwrap();
        Self { server, authority, _folder: folder }
    }
}

/// The one that the tests share which do it no harm; it ends with the last of them.
pub(super) async fn gateway() -> Arc<Gateway> {
    static SHARED: Mutex<Weak<Gateway>> = Mutex::const_new(Weak::new());
    let mut shared = SHARED.lock().await;
    if let Some(gateway) = shared.upgrade() {
        return gateway;
    }
    let gateway = Arc::new(Gateway::start().await);
    *shared = Arc::downgrade(&gateway);
    gateway
}

/// A new bucket, with limits that a busy machine does not meet.
pub(super) async fn options(gateway: &Gateway, bucket: &str) -> S3Options {
    gateway.server.make_bucket(bucket).await.unwrap();
    nowhere(gateway, bucket)
}

/// The same for a bucket that is not made.
pub(super) fn nowhere(gateway: &Gateway, bucket: &str) -> S3Options {
    let key = gateway.server.key();
    let generous = Duration::from_secs(60);
    S3Options {
        endpoint: Some(gateway.server.url()),
        region: Some(RadosGw::REGION.to_owned()),
        addressing: Addressing::Path,
        key: Some(S3Key { id: key.id.clone(), secret: key.secret.clone(), token: None }),
        connect_timeout: generous,
        dial_timeout: generous,
        write_timeout: generous,
        read_attempt_timeout: generous,
        read_timeout: generous,
        ..S3Options::new(bucket, "some/prefix").unwrap()
    }
}
