//! Addresses, keys and life-cycle rules.

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleAndOperator,
    LifecycleRuleFilter, NoncurrentVersionExpiration, Tag, Transition, builders::LifecycleRuleBuilder,
};

use crate::port::store::s3::bucket::takes;
use crate::port::store::s3::key::Keys;
use crate::port::store::s3::{S3Key, S3Options};

#[test]
fn addresses() {
    let good = |url: &str| S3Options::from_url(url).map(|options| (options.bucket, options.prefix)).unwrap();
    assert_eq!(good("s3://callboard-state"), ("callboard-state".to_owned(), String::new()));
    assert_eq!(good("s3://callboard-state/"), ("callboard-state".to_owned(), String::new()));
    assert_eq!(good("s3://b.c/team/a=1/"), ("b.c".to_owned(), "team/a=1".to_owned()));
    let longest = format!("s3://bucket/{}", "x".repeat(511));
    assert_eq!(good(&longest).1.len(), 511);
    for (url, words) in [
        ("bucket", "\"bucket\" is no place in S3: write s3://BUCKET or s3://BUCKET/PREFIX"),
        ("S3://bucket", "is no place in S3"),
        ("s3://", "\"\" is no name of a bucket"),
        ("s3:///prefix", "\"\" is no name of a bucket"),
        ("s3://ab", "\"ab\" is no name of a bucket: it has 3 to 63"),
        ("s3://Bucket", "is no name of a bucket"),
        ("s3://-bucket", "starts and ends with a letter or a digit"),
        ("s3://user@bucket", "is no name of a bucket"),
        ("s3://bucket//a", "\"/a\" cannot be the prefix"),
        ("s3://bucket/a//b", "\"a//b\" cannot be the prefix"),
        ("s3://bucket/../b", "\"../b\" cannot be the prefix"),
        ("s3://bucket/a b", "\"a b\" cannot be the prefix"),
        ("s3://bucket/a?region=b", "cannot be the prefix"),
        (&format!("{longest}x"), "it has at most 511 bytes"),
    ] {
        let said = S3Options::from_url(url).unwrap_err().to_string();
        assert!(said.contains(words), "{url}: {said}");
    }
}

#[test]
fn a_secret_is_not_shown() {
    let key = S3Key { id: "id".to_owned(), secret: "hidden".to_owned(), token: Some("hidden".to_owned()) };
    let options = S3Options { key: Some(key), ..S3Options::from_url("s3://bucket").unwrap() };
    assert!(!format!("{options:?}").contains("hidden"));
}

#[test]
fn names_and_keys() {
    let keys = Keys::below("some/prefix");
    assert_eq!(keys.of("a/b"), "some/prefix/a/b");
    assert_eq!(keys.name("some/prefix/a/b").as_deref(), Some("a/b"));
    for foreign in ["some/prefix/", "some/prefix/a b", "some/prefix/a/", "other/a", "some/prefix"] {
        assert_eq!(keys.name(foreign), None, "{foreign}");
    }
    assert_eq!(Keys::below("").of("a"), "a");
}

#[test]
fn a_start_outside_the_prefix_is_not_sent() {
    let start = |prefix, after| Keys::below("r").start(prefix, after);
    assert_eq!(start("a/", ""), Some(None));
    assert_eq!(start("a/", "a"), Some(None));
    assert_eq!(start("a/", "a/"), Some(Some("r/a/".to_owned())));
    assert_eq!(start("a/", "a/b"), Some(Some("r/a/b".to_owned())));
    assert_eq!(start("a/", "a0"), None, "all of a/ comes before a0");
    assert_eq!(start("a/", "b"), None);
    assert_eq!(start("", ""), Some(None));
    assert_eq!(start("", "a"), Some(Some("r/a".to_owned())));
}

fn rule() -> LifecycleRuleBuilder {
    LifecycleRule::builder().status(ExpirationStatus::Enabled)
}

fn expires() -> LifecycleRuleBuilder {
    rule().expiration(LifecycleExpiration::builder().days(1).build())
}

fn below(prefix: &str) -> LifecycleRuleFilter {
    LifecycleRuleFilter::builder().prefix(prefix).build()
}

#[test]
fn rules_that_take_what_is_ours() {
    let takes = |rule: LifecycleRuleBuilder| takes(&rule.build().unwrap(), "some/prefix/");
    let tag = || Tag::builder().key("a").value("b").build().unwrap();
    let and = |and: LifecycleRuleAndOperator| LifecycleRuleFilter::builder().and(and).build();
    let ours = LifecycleRuleAndOperator::builder().prefix("some/");
    #[expect(deprecated)]
    let of_old = |prefix: &str| expires().prefix(prefix);

    assert!(takes(expires()));
    assert!(takes(expires().filter(below(""))));
    assert!(takes(expires().filter(below("so"))));
    assert!(takes(expires().filter(below("some/prefix/partitions/"))), "a part of ours is ours");
    assert!(takes(expires().filter(and(ours.clone().object_size_greater_than(9).build()))));
    assert!(takes(of_old("some/prefix")));
    assert!(takes(rule().transitions(Transition::builder().days(1).build())));

    assert!(!takes(expires().filter(below("other/"))));
    assert!(!takes(of_old("other/")));
    assert!(!takes(expires().status(ExpirationStatus::Disabled)));
    assert!(!takes(expires().filter(LifecycleRuleFilter::builder().tag(tag()).build())));
    assert!(!takes(expires().filter(and(ours.tags(tag()).build()))));
    let unfinished = AbortIncompleteMultipartUpload::builder().days_after_initiation(1).build();
    assert!(!takes(rule().abort_incomplete_multipart_upload(unfinished)));
    let marker = LifecycleExpiration::builder().expired_object_delete_marker(true).build();
    assert!(!takes(rule().expiration(marker)));
    assert!(!takes(rule().noncurrent_version_expiration(NoncurrentVersionExpiration::builder().build())));
}
