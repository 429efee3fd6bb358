//! Where the bucket is, and how to reach it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::port::store::name;
pub use crate::settings::Addressing;

/// A key has at most 1,024 bytes; what the longest name leaves, without the slash between.
const PREFIX_BYTES_MAX: usize = 1_024 - name::NAME_BYTES_MAX - 1;

/// Bucket, server and limits of a [`S3Store`](super::S3Store). What is left out comes from the standard variables and
/// files of AWS (`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_PROFILE`, `~/.aws/config` and so on).
#[derive(Clone, Debug)]
pub struct S3Options {
    /// The bucket, which must exist.
    pub bucket: String,
    /// What stands before each name in the bucket, without a slash at the end; empty for nothing. At most 511 bytes,
    /// well formed as a name.
    pub prefix: String,
    /// The server, such as `https://HOST:9000`; left out: by the environment, else AWS.
    pub endpoint: Option<String>,
    /// The region; left out: by the environment, else `us-east-1`, which most other servers take for theirs.
    pub region: Option<String>,
    /// Where the bucket stands in an address.
    pub addressing: Addressing,
    /// The key; left out: by the standard chain of environment, profile, web identity, container and instance.
    pub key: Option<S3Key>,
    /// A file of certificates (PEM) to trust beside the system's; left out: `AWS_CA_BUNDLE`.
    pub ca_bundle: Option<PathBuf>,
    /// For all of [`connect`](super::S3Store::connect). 20 s.
    pub connect_timeout: Duration,
    /// For one connection, TCP and TLS. 3 s.
    pub dial_timeout: Duration,
    /// For a create or a delete until it is answered; a large object has 1 s more for each MiB. 5 s.
    pub write_timeout: Duration,
    /// For one of the up to three tries of a get or a page of a list, until its answer begins. 5 s.
    pub read_attempt_timeout: Duration,
    /// For all tries of a get or a page of a list together; a large object has 1 s more for each MiB. 15 s.
    pub read_timeout: Duration,
    /// A larger object is refused, in both directions. 256 MiB; S3 takes up to 5 GB at once.
    pub object_bytes_max: usize,
}

/// With what a client shows who it is. Its `Debug` does not show the secret.
#[derive(Clone)]
pub struct S3Key {
    /// The access key.
    pub id: String,
    /// The secret key.
    pub secret: String,
    /// The session token, of temporary keys.
    pub token: Option<String>,
}

impl fmt::Debug for S3Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a text names no place in S3.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("{0:?} is no place in S3: write s3://BUCKET or s3://BUCKET/PREFIX")]
    Scheme(String),
    /// Not a name for a bucket.
    #[error(
        "{0:?} is no name of a bucket: it has 3 to 63 of a-z, 0-9, `-` and `.`, and starts and ends with a letter or a \
         digit"
    )]
    Bucket(String),
    /// Not a prefix of ours.
    #[error(
        "{prefix:?} cannot be the prefix in the bucket: it has at most {PREFIX_BYTES_MAX} bytes in segments of \
         [A-Za-z0-9._=-], with one `/` between"
    )]
    Prefix {
        /// What was written.
        prefix: String,
    },
}

impl S3Options {
    /// A bucket and a prefix, with the defaults of everything else.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if there can be no such bucket or prefix.
    pub fn new(bucket: &str, prefix: &str) -> Result<Self, UrlError> {
        let options = Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: None,
            region: None,
            addressing: Addressing::Auto,
            key: None,
            ca_bundle: None,
            connect_timeout: Duration::from_secs(20),
            dial_timeout: Duration::from_secs(3),
            write_timeout: Duration::from_secs(5),
            read_attempt_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(15),
            object_bytes_max: 256 << 20,
        };
        options.check().map(|()| options)
    }

    /// `s3://BUCKET` or `s3://BUCKET/PREFIX`; a slash at the end means nothing.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if the text is none of these.
    pub fn from_url(url: &str) -> Result<Self, UrlError> {
        let place = url.strip_prefix("s3://").ok_or_else(|| UrlError::Scheme(url.to_owned()))?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        Self::new(bucket, prefix.strip_suffix('/').unwrap_or(prefix))
    }

    /// Whether bucket and prefix can be ones.
    pub(super) fn check(&self) -> Result<(), UrlError> {
        if !is_bucket(&self.bucket) {
            return Err(UrlError::Bucket(self.bucket.clone()));
        }
        let prefix = &self.prefix;
        let fits = prefix.len() <= PREFIX_BYTES_MAX && prefix.split('/').all(name::is_segment);
        if fits || prefix.is_empty() { Ok(()) } else { Err(UrlError::Prefix { prefix: prefix.clone() }) }
    }
}

fn is_bucket(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(byte))
        && edge(bytes.first())
        && edge(bytes.last())
}
