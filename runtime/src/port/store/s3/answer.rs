//! What became of a request, from what the SDK saw of it.

use std::error::Error as StdError;
use std::fmt::Write;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::port::store::Error;

/// What a 400 says about a request that was not carried out, now or ever. A 400 may also be `RequestTimeout`, or the
/// word of something between us and the server, so the rest is unclear.
const REFUSALS: [&str; 14] = [
    "AuthorizationHeaderMalformed",
    "BadDigest",
    "EntityTooLarge",
    "ExpiredToken",
    "IllegalLocationConstraintException",
    "InvalidArgument",
    "InvalidBucketName",
    "InvalidDigest",
    "InvalidRequest",
    "InvalidToken",
    "InvalidURI",
    "KeyTooLongError",
    "MalformedXML",
    "XAmzContentSHA256Mismatch",
];

/// Why a request has no plain answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server said no.
    Answered {
        /// Of HTTP.
        status: u16,
        /// S3's word for it, such as `NoSuchKey`; empty if there was none.
        code: String,
        /// S3's explanation, or nothing.
        message: String,
        /// The region that the bucket is in, where the server names it.
        region: Option<String>,
    },
    /// The server said nothing, or nothing that can be read, for this reason.
    Unanswered(String),
    /// The request could not be made.
    Unsent(String),
}

impl Failure {
    /// An answer that S3 does not give.
    pub(super) fn strange(saw: &str) -> Self {
        Self::Unanswered(format!("not S3, or something between: {saw}"))
    }

    /// An answer that ended too early.
    pub(super) fn cut(error: &(dyn StdError + 'static)) -> Self {
        Self::Unanswered(format!("the answer was cut short: {}", chain(error)))
    }

    /// Somebody else has the key.
    pub(super) fn is_precondition_failed(&self) -> bool {
        matches!(self, Self::Answered { status: 412, code, .. } if code.is_empty() || code == "PreconditionFailed")
    }

    /// Another request for the same key was under way.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Answered { status: 409, .. })
    }

    /// The key is free, and the bucket is there.
    pub(super) fn is_no_such_key(&self) -> bool {
        self.is(404, "NoSuchKey")
    }

    /// Whether the server answered by this status and word.
    pub(super) fn is(&self, wanted: u16, word: &str) -> bool {
        matches!(self, Self::Answered { status, code, .. } if *status == wanted && code == word)
    }

    /// Whether this says that the only request had no effect and never will.
    fn is_refusal(&self) -> bool {
        match self {
            Self::Unsent(_) => true,
            Self::Unanswered(_) => false,
            Self::Answered { status: 403 | 301, .. } => true,
            Self::Answered { status: 404, code, .. } => code == "NoSuchBucket",
            Self::Answered { status: 400, code, .. } => REFUSALS.contains(&code.as_str()),
            Self::Answered { .. } => false,
        }
    }

    /// For a request that was the only one, or one that only looks.
    pub(super) fn error(self) -> Error {
        if self.is_refusal() { Error::Refused { reason: self.words() } } else { self.unclear() }
    }

    /// For a request that was not the only one.
    pub(super) fn unclear(self) -> Error {
        Error::Unclear { reason: self.words() }
    }

    /// What was seen, in one line.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Answered { status, code, message, .. } => {
                let said = [code.as_str(), message].into_iter().filter(|word| !word.is_empty());
                said.fold(format!("the server answered {status}"), |words, word| format!("{words}, {word}"))
            }
            Self::Unanswered(reason) => reason.clone(),
            Self::Unsent(reason) => format!("the request could not be made: {reason}"),
        }
    }
}

impl<E: ProvideErrorMetadata + StdError + 'static> From<SdkError<E, HttpResponse>> for Failure {
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match &error {
            SdkError::ServiceError(context) => {
                let said = |word: Option<&str>| word.unwrap_or_default().to_owned();
                Self::Answered {
                    status: context.raw().status().as_u16(),
                    code: said(context.err().code()),
                    message: said(context.err().message()),
                    region: context.raw().headers().get("x-amz-bucket-region").map(str::to_owned),
                }
            }
            SdkError::ConstructionFailure(_) => Self::Unsent(chain(&error)),
            _ => Self::Unanswered(chain(&error)),
        }
    }
}

/// An error and all that is below it, in one line.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut words = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        let _ = write!(words, ": {error}");
        below = error.source();
    }
    words
}
