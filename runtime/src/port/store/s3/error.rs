//! What the answers of S3 mean.
//!
//! Of a create everything is unclear that may have reached the server: a connection that ended, a time limit, any status
//! of 500 and above, a conflict. Refused is only what a server says before it does anything.

use super::super::Error;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::config::http::HttpResponse;

/// Why a bucket can not be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// It can not be reached, or does not answer: try again later.
    #[error("the bucket {bucket} does not answer: {saw}")]
    Unavailable {
        /// The bucket.
        bucket: String,
        /// What was seen, and what to look at.
        saw: String,
    },
    /// It is there, and we are not let in.
    #[error("the bucket {bucket} does not let us in: {saw}")]
    Denied {
        /// The bucket.
        bucket: String,
        /// What was seen, and what to look at.
        saw: String,
    },
    /// It is not there, or must not be used for a journal.
    #[error("the bucket {bucket} is not fit for a journal: {saw}")]
    Unfit {
        /// The bucket.
        bucket: String,
        /// What was seen, and what to do.
        saw: String,
    },
}

/// What was seen of a request that did not succeed.
#[derive(Debug)]
pub(super) struct Seen {
    /// The status of HTTP, if there was one.
    pub(super) status: Option<u16>,
    /// The code of S3, if there was one.
    pub(super) code: Option<String>,
    /// Whether it is certain that nothing was sent.
    pub(super) was_sent: Sent,
    /// All of it in words.
    pub(super) words: String,
}

/// Whether a request has left us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Perhaps,
    No,
}

impl Seen {
    pub(super) fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let service = error.as_service_error();
        let code = service.and_then(|error| error.code()).map(str::to_owned);
        let was_sent = if matches!(error, SdkError::ConstructionFailure(_)) { Sent::No } else { Sent::Perhaps };
        let words = match (status, &code, service.and_then(|error| error.message())) {
            (Some(status), Some(code), Some(message)) => format!("status {status}, {code}: {message}"),
            (Some(status), Some(code), None) => format!("status {status}, {code}"),
            (Some(status), None, _) => format!("status {status}"),
            (None, ..) => chain(error),
        };
        Self { status, code, was_sent, words }
    }

    pub(super) fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Whether the server has said that it did nothing and will not.
    fn is_refusal(&self) -> bool {
        // 408 and 429 ask for another try, 409 tells of one that is under way.
        let said_no = self.status.is_some_and(|status| (300..500).contains(&status) && !matches!(status, 408 | 409 | 429));
        said_no || self.was_sent == Sent::No
    }

    /// As an answer of the store.
    pub(super) fn into_error(self) -> Error {
        if self.is_refusal() { Error::Refused { reason: self.words } } else { Error::Unclear { reason: self.words } }
    }
}

/// An error with all that lies behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(behind) = source {
        let more = behind.to_string();
        if !words.ends_with(&more) {
            words = format!("{words}: {more}");
        }
        source = behind.source();
    }
    words
}
