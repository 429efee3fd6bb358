//! The two clients: one creates, and never tries again behind our back; one reads and deletes, and does.

use super::error::ConnectError;
use super::options::S3Options;
use crate::settings::Addressing;
use aws_config::Region;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore};
use std::path::PathBuf;
use std::time::Duration;

/// So often a read is tried.
const READS_MAX: u32 = 3;
/// The longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// The clients of one bucket.
#[derive(Debug)]
pub(super) struct Clients {
    /// For creates: one request each, whatever comes of it. A retry would answer "exists" to the create that succeeded.
    pub(super) create: Client,
    /// For everything that may be asked twice.
    pub(super) ask: Client,
}

impl Clients {
    pub(super) async fn of(options: &S3Options) -> Result<Self, ConnectError> {
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
        if let Some(region) = &options.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &options.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(key) = &options.credentials {
            loader = loader.credentials_provider(Credentials::new(&*key.id, &*key.secret, None, None, "callboard"));
        }
        if let Some(client) = trusting(options)? {
            loader = loader.http_client(client);
        }
        let shared = loader.load().await;
        let is_elsewhere = shared.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        let region = match shared.region() {
            Some(region) => region.clone(),
            // Only a part of the signature there; Amazon's own would send us to another place.
            None if is_elsewhere => Region::from_static("us-east-1"),
            None => {
                return Err(ConnectError::Unfit {
                    bucket: options.bucket.clone(),
                    saw: "nobody has said in which region it is: set store.region, or AWS_REGION".to_owned(),
                });
            }
        };
        let by_path = match options.addressing {
            Addressing::Auto => is_elsewhere,
            Addressing::Path => true,
            Addressing::Virtual => false,
        };
        let config = aws_sdk_s3::config::Builder::from(&shared)
            .region(region)
            .force_path_style(by_path)
            // Every object of the journal carries its own digest, and older servers do not know these headers.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            // Each request has its time limit; a slow one is not a stalled one.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        let create = config.clone().retry_config(RetryConfig::disabled()).timeout_config(limits(options.timeout, 1));
        // A client without retries takes nothing from the budget of retries that the other has.
        let retries = RetryConfig::standard().with_max_attempts(READS_MAX);
        let ask = config.retry_config(retries).timeout_config(limits(options.timeout, READS_MAX));
        Ok(Self { create: Client::from_conf(create.build()), ask: Client::from_conf(ask.build()) })
    }
}

fn limits(attempt: Duration, attempts: u32) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(attempt.min(CONNECT_MAX))
        .operation_attempt_timeout(attempt)
        .operation_timeout(attempt * attempts)
        .build()
}

/// A client that trusts the authorities of a file, if one is named.
fn trusting(options: &S3Options) -> Result<Option<SharedHttpClient>, ConnectError> {
    let bundle = || std::env::var_os("AWS_CA_BUNDLE").filter(|file| !file.is_empty()).map(PathBuf::from);
    let Some(file) = options.ca_file.clone().or_else(bundle) else { return Ok(None) };
    let unfit = |saw: String| ConnectError::Unfit { bucket: options.bucket.clone(), saw };
    let pem = std::fs::read(&file)
        .map_err(|error| unfit(format!("the certificates in {} can not be read: {error}", file.display())))?;
    let trusted = TrustStore::empty().with_pem_certificate(pem);
    let context = TlsContext::builder()
        .with_trust_store(trusted)
        .build()
        .map_err(|error| unfit(format!("the certificates in {} are of no use: {error}", file.display())))?;
    let provider = tls::Provider::Rustls(CryptoMode::AwsLc);
    Ok(Some(aws_smithy_http_client::Builder::new().tls_provider(provider).tls_context(context).build_https()))
}
