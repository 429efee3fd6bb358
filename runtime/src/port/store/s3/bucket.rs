//! What is looked at before a bucket is trusted.
//!
//! On some servers a create excludes nobody in a bucket with versions: each is a version of its own. And a rule that
//! deletes objects by their age deletes a journal.

use super::client::Clients;
use super::error::{ConnectError, Seen, Sent};
use super::options::S3Options;
use aws_sdk_s3::types::{BucketVersioningStatus, ExpirationStatus, LifecycleRule};

/// Whether the bucket is there, lets us in, and keeps what it is given.
pub(super) async fn examine(clients: &Clients, options: &S3Options) -> Result<(), ConnectError> {
    let bucket = &options.bucket;
    if let Err(error) = clients.ask.head_bucket().bucket(bucket).send().await {
        return Err(unreachable(options, Seen::of(&error)));
    }
    keeps_no_versions(clients, options).await?;
    deletes_nothing(clients, options).await
}

/// Words for a bucket that does not answer as it should.
fn unreachable(options: &S3Options, seen: Seen) -> ConnectError {
    let (bucket, words) = (options.bucket.clone(), &seen.words);
    match seen.status {
        Some(404) => {
            let saw = format!("there is no such bucket ({words}); make it, or set store.url, store.endpoint or store.addressing");
            ConnectError::Unfit { bucket, saw }
        }
        Some(301 | 307 | 308) => {
            let saw = format!("it is in another region ({words}): set store.region");
            ConnectError::Unfit { bucket, saw }
        }
        Some(401 | 403) => {
            let saw = format!("{words}; look at the key (AWS_ACCESS_KEY_ID), at what it may do, and at this machine's clock");
            ConnectError::Denied { bucket, saw }
        }
        Some(status) if status < 500 && status != 429 => {
            ConnectError::Unfit { bucket, saw: format!("{words}; is that a server of S3?") }
        }
        None if seen.was_sent == Sent::No || words.contains("credentials") => {
            let saw = format!("{words}; nobody has said who we are: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile");
            ConnectError::Denied { bucket, saw }
        }
        _ => ConnectError::Unavailable { bucket, saw: format!("{words}; is it up, and is store.endpoint right?") },
    }
}

async fn keeps_no_versions(clients: &Clients, options: &S3Options) -> Result<(), ConnectError> {
    let found = match clients.ask.get_bucket_versioning().bucket(&options.bucket).send().await {
        Ok(found) => found,
        Err(error) => return unknown(options, "whether the bucket keeps versions", Seen::of(&error)),
    };
    let (bucket, remedy) = (options.bucket.clone(), "a journal needs a bucket that never had versions: make a new one");
    match found.status() {
        None => Ok(()),
        Some(BucketVersioningStatus::Suspended) => {
            Err(ConnectError::Unfit { bucket, saw: format!("its versions are suspended, and old ones remain; {remedy}") })
        }
        Some(_) => Err(ConnectError::Unfit { bucket, saw: format!("it keeps versions; {remedy}") }),
    }
}

async fn deletes_nothing(clients: &Clients, options: &S3Options) -> Result<(), ConnectError> {
    let found = match clients.ask.get_bucket_lifecycle_configuration().bucket(&options.bucket).send().await {
        Ok(found) => found,
        Err(error) => {
            let seen = Seen::of(&error);
            // The way to say that there is none.
            let has_none = seen.status == Some(404) || seen.is("NoSuchLifecycleConfiguration");
            return if has_none { Ok(()) } else { unknown(options, "whether the bucket deletes by age", seen) };
        }
    };
    match found.rules().iter().find(|rule| spoils(rule, &options.key(""))) {
        None => Ok(()),
        Some(rule) => {
            let (bucket, id) = (options.bucket.clone(), rule.id().unwrap_or("without a name"));
            let saw = format!("its lifecycle rule {id:?} deletes or moves objects by their age: remove it, or keep it off the prefix {:?}", options.prefix);
            Err(ConnectError::Unfit { bucket, saw })
        }
    }
}

/// A server that does not know the question may be right all the same; the probe is what decides.
fn unknown(options: &S3Options, what: &str, seen: Seen) -> Result<(), ConnectError> {
    match seen.status {
        Some(400..500 | 501) => {
            tracing::info!(bucket = options.bucket, saw = seen.words, "the store does not say {what}");
            Ok(())
        }
        _ => Err(unreachable(options, seen)),
    }
}

/// Whether a rule may delete or move an object whose key starts with `ours`.
fn spoils(rule: &LifecycleRule, ours: &str) -> bool {
    let acts = rule.expiration().is_some() || !rule.transitions().is_empty();
    acts && rule.status() == &ExpirationStatus::Enabled && meets(prefix_of(rule), ours)
}

/// Whether some key starts with both.
fn meets(theirs: &str, ours: &str) -> bool {
    theirs.starts_with(ours) || ours.starts_with(theirs)
}

/// The start of the keys that a rule is for; what else it asks for (a tag, a size) may be true of an object of ours.
fn prefix_of(rule: &LifecycleRule) -> &str {
    #[expect(deprecated, reason = "old rules have their prefix there")]
    let old = rule.prefix();
    let filter = rule.filter();
    let and = filter.and_then(|filter| filter.and()).and_then(|and| and.prefix());
    filter.and_then(|filter| filter.prefix()).or(and).or(old).unwrap_or_default()
}
