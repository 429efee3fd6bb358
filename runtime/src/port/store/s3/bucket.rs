//! What a bucket does by itself: keep versions, and take objects away.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{BucketVersioningStatus, ExpirationStatus, LifecycleRule};

use super::answer::Failure;
use super::connect::ConnectError;

/// Looks at the bucket's settings.
pub(super) struct Bucket<'a> {
    pub(super) client: &'a Client,
    pub(super) name: &'a str,
    /// With what our keys start.
    pub(super) root: &'a str,
}

impl Bucket<'_> {
    /// Refuses a bucket that keeps versions, or did: on some servers the condition of a create does not exclude there,
    /// and what is deleted can come back.
    pub(super) async fn keeps_no_versions(&self) -> Result<(), ConnectError> {
        let status = match self.client.get_bucket_versioning().bucket(self.name).send().await {
            Ok(versioning) => versioning.status,
            Err(error) => return self.untold("versioning", error.into()),
        };
        let state = match status {
            None => return Ok(()),
            Some(BucketVersioningStatus::Suspended) => "suspended",
            Some(_) => "enabled",
        };
        Err(ConnectError::Versioned { bucket: self.name.to_owned(), state })
    }

    /// Refuses a bucket with a rule that takes away or moves what is ours.
    pub(super) async fn takes_nothing(&self) -> Result<(), ConnectError> {
        let rules = match self.client.get_bucket_lifecycle_configuration().bucket(self.name).send().await {
            Ok(lifecycle) => lifecycle.rules.unwrap_or_default(),
            Err(error) => match Failure::from(error) {
                failure if failure.is(404, "NoSuchLifecycleConfiguration") => return Ok(()),
                failure => return self.untold("life-cycle rules", failure),
            },
        };
        match rules.iter().find(|rule| takes(rule, self.root)) {
            None => Ok(()),
            Some(rule) => Err(ConnectError::Lifecycle {
                bucket: self.name.to_owned(),
                rule: rule.id().unwrap_or("without a name").to_owned(),
                root: self.root.to_owned(),
            }),
        }
    }

    /// A server that does not know the question, or does not answer it to us, is taken: most that do not know it do
    /// not have the thing either.
    fn untold(&self, what: &str, failure: Failure) -> Result<(), ConnectError> {
        match failure {
            Failure::Answered { status: 400 | 403 | 404 | 405 | 501, .. } => {
                let (bucket, saw) = (self.name, failure.words());
                tracing::warn!(
                    bucket,
                    what,
                    saw,
                    "the server does not tell a setting of the bucket: see that it is off"
                );
                Ok(())
            }
            failure => Err(ConnectError::Unavailable { bucket: self.name.to_owned(), saw: failure.words() }),
        }
    }
}

/// Whether a rule removes or moves objects whose keys start with `root`. One that needs a tag does not: ours have none.
/// Rules for old versions and unfinished uploads do not either, since there are none.
pub(super) fn takes(rule: &LifecycleRule, root: &str) -> bool {
    let acts = rule.expiration().is_some_and(|expiration| expiration.days().is_some() || expiration.date().is_some())
        || !rule.transitions().is_empty();
    *rule.status() == ExpirationStatus::Enabled && acts && !needs_tag(rule) && overlap(prefix(rule), root)
}

fn needs_tag(rule: &LifecycleRule) -> bool {
    let filter = rule.filter();
    filter.is_some_and(|filter| filter.tag().is_some() || filter.and().is_some_and(|and| !and.tags().is_empty()))
}

#[expect(deprecated, reason = "servers still answer with the prefix of before there were filters")]
fn prefix(rule: &LifecycleRule) -> &str {
    let filter = rule.filter();
    let inner = filter.and_then(|filter| filter.prefix().or_else(|| filter.and().and_then(|and| and.prefix())));
    inner.or(rule.prefix()).unwrap_or_default()
}

/// Whether some key starts with both.
fn overlap(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}
