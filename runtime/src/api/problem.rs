//! An error as an answer: a problem document (RFC 9457).

use super::code::Code;
use crate::{Error, ErrorKind, VersionConflict};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

/// When a client may ask again what was refused as unavailable, in seconds.
const RETRY_AFTER: &str = "1";

/// An error as it is answered.
#[derive(Debug)]
pub(super) struct Problem {
    code: Code,
    detail: String,
    seen: Vec<String>,
    next: String,
    versions: Option<Versions>,
}

/// What a problem says of the versions of a document.
#[derive(Clone, Copy, Debug)]
pub(super) enum Versions {
    /// One was expected, and another found; 0 for none.
    Conflict { expected: u64, found: u64 },
    /// This one says that it is deleted.
    Deleted { deleted_in: u64 },
}

/// A problem document (RFC 9457); `code`, `seen`, `try` and the versions are ours.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Document<'a> {
    /// `urn:callboard:` and the code.
    r#type: String,
    /// What it is, in a few words.
    title: &'a str,
    /// As the answer has it.
    status: u16,
    /// What was wrong with this request.
    detail: &'a str,
    #[schemars(with = "Code")]
    code: &'a str,
    /// What was seen.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    seen: &'a [String],
    /// What to do next.
    r#try: &'a str,
    /// Of a document, the version that was expected; 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<u64>,
    /// Of a document, the version that is there; 0 for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<u64>,
    /// Of a document, the version that says that it is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_in: Option<u64>,
}

impl Problem {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), seen: Vec::new(), next: code.next().to_owned(), versions: None }
    }

    /// The same with one more thing that was seen.
    pub(super) fn seen(mut self, seen: impl Into<String>) -> Self {
        self.seen.push(seen.into());
        self
    }

    /// The same with another command to try.
    pub(super) fn next(self, next: impl Into<String>) -> Self {
        Self { next: next.into(), ..self }
    }

    /// The same of these versions.
    pub(super) fn versions(self, versions: Versions) -> Self {
        Self { versions: Some(versions), ..self }
    }

    /// The same when it is met behind a change that is made and durable, by whoever looks at what came of that. It must not sound as if
    /// nothing had happened: who is told so does it again.
    pub(super) fn behind(self) -> Self {
        let detail = format!("it is done, and durable, but how it stands now could not be read: {}", self.detail);
        Self { seen: self.seen, ..Self::new(Code::Unknown, detail) }
    }

    /// Whether it is of this kind.
    pub(super) fn is(&self, code: Code) -> bool {
        self.code == code
    }

    /// An error of a submission: what is invalid there is the workflow.
    pub(super) fn of_workflow(error: Error) -> Self {
        let code = if error.kind() == ErrorKind::Invalid { Code::Workflow } else { Code::of(error.kind()) };
        Self::of(code, &error)
    }

    pub(super) fn of(code: Code, error: &Error) -> Self {
        error.causes().fold(Self::new(code, error.message()), Self::seen)
    }
}

impl Code {
    /// The code of an error of this kind, where nothing more is known of it.
    pub const fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Unavailable | ErrorKind::Fenced => Self::Unavailable,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Invalid => Self::Usage,
            ErrorKind::Unknown => Self::Unknown,
            ErrorKind::Corrupt => Self::Corrupt,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Denied => Self::Denied,
            ErrorKind::Failed => Self::Failed,
            ErrorKind::Cancelled => Self::Cancelled,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error.version_conflict() {
            None => Self::of(Code::of(error.kind()), &error),
            Some(VersionConflict { expected, found }) => {
                Self::of(Code::OtherVersion, &error).versions(Versions::Conflict { expected, found })
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (expected, found, deleted_in) = match self.versions {
            None => (None, None, None),
            Some(Versions::Conflict { expected, found }) => (Some(expected), Some(found), None),
            Some(Versions::Deleted { deleted_in }) => (None, None, Some(deleted_in)),
        };
        let document = Document {
            r#type: format!("urn:callboard:{}", self.code),
            title: self.code.title(),
            status: self.code.status(),
            detail: &self.detail,
            code: self.code.as_str(),
            seen: &self.seen,
            r#try: &self.next,
            expected,
            found,
            deleted_in,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        // For whoever writes down what came of the request.
        response.extensions_mut().insert(self.code);
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_met_behind_a_change_does_not_sound_as_if_nothing_had_happened() {
        for kind in [ErrorKind::Unavailable, ErrorKind::NotFound, ErrorKind::Unknown] {
            let error = Error::new(kind, "the partition is down").because("its owner has gone");
            let problem = Problem::from(error).behind();
            assert_eq!(problem.code, Code::Unknown);
            assert!(problem.detail.starts_with("it is done, and durable"), "{}", problem.detail);
            assert!(problem.detail.ends_with("the partition is down"), "{}", problem.detail);
            assert_eq!(problem.seen, ["its owner has gone"]);
        }
    }
}
