//! Where a bucket is, and how long it may take to answer.

use crate::settings::Addressing;
use std::path::PathBuf;
use std::time::Duration;

/// The longest prefix: a key of S3 has at most 1,024 bytes, and a name of an object 512.
const PREFIX_BYTES_MAX: usize = 500;

/// Where a bucket is, and how it is asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct S3Options {
    /// The bucket. It exists.
    pub bucket: String,
    /// What stands before the name of every object, without a slash at its end; it may be empty.
    pub prefix: String,
    /// The server, such as `https://s3.example.org`. Without it `AWS_ENDPOINT_URL` says it, or else it is Amazon's.
    pub endpoint: Option<String>,
    /// The region. Without it `AWS_REGION` or a profile says it; at an endpoint that is not Amazon's any will do.
    pub region: Option<String>,
    /// How the bucket is named in a request.
    pub addressing: Addressing,
    /// How long one request may take, 5 s by default; a read may be tried three times, and a large one takes as long again.
    pub timeout: Duration,
    /// A file with the certificates of the authorities that are trusted in the place of the machine's own. Without it
    /// `AWS_CA_BUNDLE` says it.
    pub ca_file: Option<PathBuf>,
    /// Whom we are. Without it the standard chain says it: the environment, a profile, a container, a machine.
    pub credentials: Option<S3Credentials>,
}

/// A key of S3.
#[derive(Clone)]
pub struct S3Credentials {
    /// Its id, which is no secret.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

impl std::fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Credentials").field("id", &self.id).finish_non_exhaustive()
    }
}

impl S3Options {
    /// The place that `url` names: `s3://BUCKET` or `s3://BUCKET/PREFIX`.
    ///
    /// # Errors
    ///
    /// What it is not, in words.
    pub fn at(url: &str) -> Result<Self, String> {
        let wanted = |why: &str| format!("a bucket is written \"s3://BUCKET\" or \"s3://BUCKET/PREFIX\": {why}");
        let rest = url.strip_prefix("s3://").ok_or_else(|| wanted("it has another scheme"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        let in_bucket = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_');
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(in_bucket) {
            return Err(wanted(&format!("{bucket:?} is no name of a bucket (3 to 63 of a-z 0-9 - . _)")));
        }
        if prefix.len() > PREFIX_BYTES_MAX {
            return Err(wanted(&format!("its prefix has {} bytes, more than {PREFIX_BYTES_MAX}", prefix.len())));
        }
        if !prefix.is_empty() && !prefix.split('/').all(super::super::name::is_segment) {
            return Err(wanted(&format!("its prefix {prefix:?} is not of segments of [A-Za-z0-9._=-]")));
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: None,
            region: None,
            addressing: Addressing::Auto,
            timeout: Duration::from_secs(5),
            ca_file: None,
            credentials: None,
        })
    }

    /// The key of a name, or the start of keys that start with it.
    pub(super) fn key(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }

    /// The name of a key.
    pub(super) fn name<'a>(&self, key: &'a str) -> Option<&'a str> {
        if self.prefix.is_empty() {
            return Some(key);
        }
        key.strip_prefix(&*self.prefix)?.strip_prefix('/')
    }
}
