//! The two clients: one that sends a request once, and one that sends it again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryPartition;
use aws_sdk_s3::config::{
    Builder, Credentials, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::connect::ConnectError;
use super::options::{Addressing, S3Key, S3Options};

/// Servers close an idle connection after 5 to 65 s; a request that meets that moment is lost, so be the first.
const IDLE: Duration = Duration::from_secs(4);
/// Tries of a request that only looks, in all, and the first wait between two.
const TRIES: u32 = 3;
const WAIT: Duration = Duration::from_millis(50);
const WAIT_MAX: Duration = Duration::from_secs(1);
/// The region when nobody names one.
const REGION: &str = "us-east-1";

/// What the options and the environment come to.
pub(super) struct Clients {
    pub(super) once: Client,
    pub(super) again: Client,
    /// Of both.
    pub(super) sdk: SdkConfig,
    /// In words, for errors.
    pub(super) server: String,
}

/// Reads the environment and the files of AWS, where the options leave something out.
pub(super) async fn clients(options: &S3Options) -> Result<Clients, ConnectError> {
    let sdk = load(options).await?;
    let endpoint = options.endpoint.clone().or_else(of_s3).or_else(|| sdk.endpoint_url().map(str::to_owned));
    let path = match options.addressing {
        Addressing::Auto => endpoint.is_some(),
        Addressing::Path => true,
        Addressing::Virtual => false,
    };
    let once = shared(&sdk, options, path).retry_config(RetryConfig::disabled());
    let once = once.timeout_config(timeouts(options).build());
    let again = RetryConfig::standard().with_max_attempts(TRIES).with_initial_backoff(WAIT).with_max_backoff(WAIT_MAX);
    let again = shared(&sdk, options, path)
        .retry_config(again)
        .retry_partition(RetryPartition::new("callboard-store-reads"))
        .timeout_config(timeouts(options).operation_attempt_timeout(options.read_attempt_timeout).build());
    let server = endpoint.unwrap_or_else(|| "AWS".to_owned());
    Ok(Clients { once: Client::from_conf(once.build()), again: Client::from_conf(again.build()), sdk, server })
}

async fn load(options: &S3Options) -> Result<SdkConfig, ConnectError> {
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http(options)?);
    if let Some(S3Key { id, secret, token }) = &options.key {
        loader = loader.credentials_provider(Credentials::new(id, secret, token.clone(), None, "options"));
    }
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &options.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    Ok(loader.load().await)
}

/// What both clients have.
///
/// No checksum header where none is demanded: older servers refuse it, and the body is in the signature anyway. What
/// the server has a checksum of is verified on the way back. That a stream does not stall is watched by our own limits
/// alone: one clock for a request, not two.
fn shared(sdk: &SdkConfig, options: &S3Options, path: bool) -> Builder {
    let mut builder = Builder::from(sdk)
        .force_path_style(path)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenSupported)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if sdk.region().is_none() {
        builder = builder.region(Region::from_static(REGION));
    }
    if let Some(endpoint) = &options.endpoint {
        builder = builder.endpoint_url(endpoint);
    }
    builder
}

/// The limit on a whole request is the store's, not the SDK's, because that of the SDK ends where a body begins.
fn timeouts(options: &S3Options) -> aws_config::timeout::TimeoutConfigBuilder {
    TimeoutConfig::builder().connect_timeout(options.dial_timeout)
}

/// The endpoint of S3 alone, which the SDK reads too, but does not tell.
fn of_s3() -> Option<String> {
    std::env::var("AWS_ENDPOINT_URL_S3").ok()
}

fn http(options: &S3Options) -> Result<SharedHttpClient, ConnectError> {
    let mut trusted = TrustStore::default();
    let bundle = options.ca_bundle.clone().or_else(|| std::env::var_os("AWS_CA_BUNDLE").map(PathBuf::from));
    if let Some(path) = bundle {
        trusted.add_pem_certificate(certificates(&path)?);
    }
    let wrong = |error: &dyn std::fmt::Display| ConnectError::Options { reason: error.to_string() };
    let context = TlsContext::builder().with_trust_store(trusted).build().map_err(|error| wrong(&error))?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .pool_idle_timeout(IDLE)
        .build_https())
}

/// The bytes of a file of certificates. The SDK panics on what is none, so they are read here first.
fn certificates(path: &Path) -> Result<Vec<u8>, ConnectError> {
    let fault = |reason: String| ConnectError::CaBundle { path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| fault(error.to_string()))?;
        roots.add(certificate).map_err(|error| fault(error.to_string()))?;
    }
    if roots.is_empty() { Err(fault("it holds no certificate".to_owned())) } else { Ok(pem) }
}
