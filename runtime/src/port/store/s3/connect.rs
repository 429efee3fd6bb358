//! The first look at server and bucket, and its errors in words.

use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::ProvideCredentials;

use super::S3Store;
use super::answer::{Failure, chain};
use super::bucket::Bucket;
use super::client::{Clients, clients};
use super::key::{Keys, in_order};
use super::options::{S3Options, UrlError};

/// Why a bucket cannot be used as a store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// There can be no such bucket or prefix.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Something else in the options.
    #[error("the options of the store do not fit: {reason}")]
    Options {
        /// What was seen.
        reason: String,
    },
    /// The file of certificates.
    #[error("the certificates in {} cannot be read: {reason}", path.display())]
    CaBundle {
        /// The file.
        path: PathBuf,
        /// What was seen.
        reason: String,
    },
    /// Nobody says who we are.
    #[error(
        "no credentials for the bucket {bucket}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in \
         AWS_PROFILE, or give the machine a role; {saw}"
    )]
    NoCredentials {
        /// The bucket.
        bucket: String,
        /// What each place said.
        saw: String,
    },
    /// The server does not know the key, or the secret is another one.
    #[error("{server} does not take our key for the bucket {bucket}: check the access key and its secret; {saw}")]
    WrongKey {
        /// The server.
        server: String,
        /// The bucket.
        bucket: String,
        /// What it said.
        saw: String,
    },
    /// The key is right, and may not.
    #[error(
        "access to the bucket {bucket} was denied: allow s3:ListBucket on the bucket and s3:GetObject, s3:PutObject and \
         s3:DeleteObject on its objects; {saw}"
    )]
    Denied {
        /// The bucket.
        bucket: String,
        /// What the server said.
        saw: String,
    },
    /// It is not there.
    #[error("there is no bucket {bucket} at {server}: make it, or correct its name")]
    NoBucket {
        /// The server.
        server: String,
        /// The bucket.
        bucket: String,
    },
    /// It is elsewhere.
    #[error("the bucket {bucket} is in another region{}: set AWS_REGION; {saw}", named(region.as_ref()))]
    WrongRegion {
        /// The bucket.
        bucket: String,
        /// Where it is, if the server said so.
        region: Option<String>,
        /// What the server said.
        saw: String,
    },
    /// The clocks differ too much for a signature.
    #[error("the clocks of this machine and of {server} differ by too much: set this machine's clock; {saw}")]
    ClockSkew {
        /// The server.
        server: String,
        /// What it said.
        saw: String,
    },
    /// Nobody answers, or somebody else does.
    #[error("no answer of S3 from {server}: is it running, and is this its address? {saw}")]
    NoAnswer {
        /// The server.
        server: String,
        /// What was seen instead.
        saw: String,
    },
    /// It takes too long.
    #[error("no answer from S3 about the bucket {bucket} within {limit:?}: try again later")]
    Slow {
        /// The bucket.
        bucket: String,
        /// How long it was waited.
        limit: Duration,
    },
    /// The server is there and answers something else.
    #[error("the bucket {bucket} cannot be looked at: {saw}; try again later")]
    Unavailable {
        /// The bucket.
        bucket: String,
        /// What the server said.
        saw: String,
    },
    /// The bucket keeps versions.
    #[error(
        "versioning of the bucket {bucket} is {state}: on some servers two creates of one name both succeed then, so use \
         a bucket that never had it"
    )]
    Versioned {
        /// The bucket.
        bucket: String,
        /// `enabled` or `suspended`.
        state: &'static str,
    },
    /// The bucket takes objects away.
    #[error(
        "the life-cycle rule {rule:?} of the bucket {bucket} would remove or move what is stored below {root:?}: take it \
         off, or restrict it to another prefix"
    )]
    Lifecycle {
        /// The bucket.
        bucket: String,
        /// The rule's name.
        rule: String,
        /// With what our keys start.
        root: String,
    },
}

fn named(region: Option<&String>) -> String {
    region.map(|region| format!(", {region}")).unwrap_or_default()
}

/// See [`S3Store::connect`].
pub(super) async fn connect(options: S3Options) -> Result<S3Store, ConnectError> {
    options.check()?;
    let (limit, bucket) = (options.connect_timeout, options.bucket.clone());
    let connected = tokio::time::timeout(limit, look(options)).await;
    connected.unwrap_or(Err(ConnectError::Slow { bucket, limit }))
}

async fn look(options: S3Options) -> Result<S3Store, ConnectError> {
    let Clients { once, again, sdk, server } = clients(&options).await?;
    let bucket = options.bucket.as_str();
    if let Some(provider) = sdk.credentials_provider() {
        let none = |saw| ConnectError::NoCredentials { bucket: bucket.to_owned(), saw };
        provider.provide_credentials().await.map_err(|error| none(chain(&error)))?;
    }
    let keys = Keys::below(&options.prefix);
    list_one(&again, bucket, keys.root()).await.map_err(|failure| explain(&failure, &server, bucket))?;
    let settings = Bucket { client: &again, name: bucket, root: keys.root() };
    settings.keeps_no_versions().await?;
    settings.takes_nothing().await?;
    Ok(S3Store {
        once,
        again,
        keys,
        bucket: options.bucket,
        object_bytes_max: options.object_bytes_max,
        write_timeout: options.write_timeout,
        read_timeout: options.read_timeout,
    })
}

/// Lists one key: the answer to a HEAD has no body, so could not say why it is a no.
async fn list_one(client: &Client, bucket: &str, root: &str) -> Result<(), Failure> {
    let page = client.list_objects_v2().bucket(bucket).prefix(root).max_keys(1).send().await?;
    in_order(page, root, None).map(drop).map_err(|error| Failure::Unanswered(error.to_string()))
}

fn explain(failure: &Failure, server: &str, bucket: &str) -> ConnectError {
    let (server, bucket, saw) = (server.to_owned(), bucket.to_owned(), failure.words());
    let Failure::Answered { status, code, region, .. } = failure else {
        return ConnectError::NoAnswer { server, saw };
    };
    match (*status, code.as_str()) {
        (_, "RequestTimeTooSkewed") => ConnectError::ClockSkew { server, saw },
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken") => {
            ConnectError::WrongKey { server, bucket, saw }
        }
        (_, "NoSuchBucket") => ConnectError::NoBucket { server, bucket },
        (301 | 307, _) | (_, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
            ConnectError::WrongRegion { bucket, region: region.clone(), saw }
        }
        // The SDK calls a 404 without words `NotFound`.
        (_, "" | "NotFound") => ConnectError::NoAnswer { server, saw },
        (401 | 403, _) => ConnectError::Denied { bucket, saw },
        _ => ConnectError::Unavailable { bucket, saw },
    }
}
