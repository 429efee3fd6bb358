//! The one error of the public API.

use crate::Cost;
use callboard_core::{Failure, FailureClass};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use std::{fmt, io};

/// A result with Callboard's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong: for a caller a [`kind`](Error::kind), for a handler a [`class`](Error::class), for a person words.
///
/// It works like anyhow's error: any `std::error::Error` turns into it by `?`, and is retryable then; it is therefore
/// no `std::error::Error` itself. If it is, or lies behind it, that the time of tokio's `timeout` or of an operation of
/// the system was up, its class is `Timeout`. [`Error::terminal`], [`Error::retry_after`], [`Error::timeout`] and
/// [`ResultExt::terminal`] say otherwise.
pub struct Error(Box<Inner>);

struct Inner {
    class: ErrorClass,
    kind: ErrorKind,
    message: String,
    causes: Vec<String>,
    /// Whether it is that of another task, or of what a breaker guards: the agent that passes it on is not to blame.
    is_of_another: bool,
    /// What the call that failed has cost, if that was said.
    cost: Option<Cost>,
    /// Which versions do not agree, if that is what is wrong.
    versions: Option<VersionConflict>,
}

/// A document is not at the version that a write rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionConflict {
    /// The version that was expected; 0 if there was to be none.
    pub expected: u64,
    /// The version that is there; 0 if there never was one.
    pub found: u64,
}

/// What a failure means for the next attempt: for handlers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorClass {
    /// Worth another attempt, perhaps not before `after`.
    Retryable {
        /// How long the failing side asked to be left alone.
        after: Option<Duration>,
    },
    /// Would fail again: no retry.
    Terminal,
    /// Took too long; worth another attempt.
    Timeout,
    /// A budget is spent: no retry.
    Budget,
    /// The task was cancelled: no retry.
    Cancelled,
    /// The code no longer matches what it has recorded: no retry.
    Diverged,
}

/// What the caller does next: for callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// Down or full: try again later. Nothing has happened.
    Unavailable,
    /// Something else is there already: reload, decide again.
    Conflict,
    /// A newer owner or holder exists: stop.
    Fenced,
    /// Fix the input or the settings.
    Invalid,
    /// May or may not have happened: look before repeating.
    Unknown,
    /// Stored bytes break an invariant: call a person.
    Corrupt,
    /// There is no such thing.
    NotFound,
    /// Not allowed.
    Denied,
    /// The task or the run ended without a result; the message says why.
    Failed,
    /// The task or the run was cancelled.
    Cancelled,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let class = match kind {
            ErrorKind::Unavailable | ErrorKind::Unknown | ErrorKind::Fenced => ErrorClass::Retryable { after: None },
            ErrorKind::Cancelled => ErrorClass::Cancelled,
            _ => ErrorClass::Terminal,
        };
        Self(Box::new(Inner {
            class,
            kind,
            message: message.into(),
            causes: Vec::new(),
            is_of_another: false,
            cost: None,
            versions: None,
        }))
    }

    /// An error that no other attempt would mend: the task fails at once.
    pub fn terminal(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Failed, message.to_string()).classed(ErrorClass::Terminal)
    }

    /// An error of kind `Invalid`: the input or the settings are to be mended. No other attempt would help.
    pub fn invalid(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Invalid, message.to_string())
    }

    /// An error that another attempt may mend.
    pub fn retryable(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Failed, message.to_string()).classed(ErrorClass::Retryable { after: None })
    }

    /// An error that another attempt may mend, but not before `after` has passed.
    pub fn retry_after(after: Duration, message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Failed, message.to_string()).classed(ErrorClass::Retryable { after: Some(after) })
    }

    /// An error that says that something took too long, and that another attempt may mend: of class
    /// [`Timeout`](ErrorClass::Timeout). For a [circuit breaker](crate::Ctx::guard) that is a slow call and no failure.
    pub fn timeout(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Failed, message.to_string()).classed(ErrorClass::Timeout)
    }

    /// It is not that of the agent that passes it on.
    pub(crate) fn of_another(mut self) -> Self {
        self.0.is_of_another = true;
        self
    }

    pub(crate) fn is_of_another(&self) -> bool {
        self.0.is_of_another
    }

    pub(crate) fn classed(mut self, class: ErrorClass) -> Self {
        self.0.class = class;
        self
    }

    pub(crate) fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The same with one more thing that lies behind it, or one more fault.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.0.causes.push(cause.to_string());
        self
    }

    /// The same because of an error, and of whatever lies behind that.
    pub(crate) fn caused_by(mut self, error: &dyn std::error::Error) -> Self {
        self.0.causes.extend(std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string));
        self
    }

    /// The same with `context` said first.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        let inner = std::mem::replace(&mut self.0.message, context.to_string());
        self.0.causes.insert(0, inner);
        self
    }

    /// The same with what a call of [`Ctx::spend`](crate::Ctx::spend) has cost that ended with it; where that is not said,
    /// it is as much as was reserved. Nowhere else it means anything.
    #[must_use]
    pub fn costing(mut self, cost: Cost) -> Self {
        self.0.cost = Some(cost);
        self
    }

    pub(crate) fn with_versions(mut self, expected: u64, found: u64) -> Self {
        self.0.versions = Some(VersionConflict { expected, found });
        self
    }

    /// Both versions, where a document is at another than was expected: of a `Conflict` of
    /// [`Document::save`](crate::Document::save) and [`delete`](crate::Document::delete).
    pub fn version_conflict(&self) -> Option<VersionConflict> {
        self.0.versions
    }

    pub(crate) fn take_cost(&mut self) -> Option<Cost> {
        self.0.cost.take()
    }

    /// What it means for the next attempt.
    pub fn class(&self) -> ErrorClass {
        self.0.class
    }

    /// What the caller does next.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether another attempt may mend it.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.class, ErrorClass::Retryable { .. } | ErrorClass::Timeout)
    }

    /// What was seen, without what lay behind it.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What lay behind it, outermost first.
    pub fn causes(&self) -> impl Iterator<Item = &str> {
        self.0.causes.iter().map(String::as_str)
    }

    pub(crate) fn into_failure(self) -> Failure {
        self.failure()
    }

    /// What the journal keeps of it.
    pub(crate) fn failure(&self) -> Failure {
        let (class, after) = match self.0.class {
            ErrorClass::Retryable { after } => (FailureClass::Retryable, after),
            ErrorClass::Terminal => (FailureClass::Terminal, None),
            ErrorClass::Timeout => (FailureClass::Timeout, None),
            ErrorClass::Budget => (FailureClass::Budget, None),
            ErrorClass::Cancelled => (FailureClass::Cancelled, None),
            ErrorClass::Diverged => (FailureClass::Diverged, None),
        };
        let retry_after_ms = after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        let text = |text: &str| text.chars().take(MESSAGE_CHARS_MAX).collect();
        // What lies at the root says more than what lies in between.
        let (all, last) = (self.0.causes.len(), self.causes().last());
        let kept = if all > CAUSES_MAX { CAUSES_MAX - 1 } else { all };
        let causes = self.causes().take(kept).chain(last.filter(|_| kept < all)).map(text).collect();
        Failure { class, message: text(&self.0.message), causes, retry_after_ms }
    }

    /// The error that was recorded as `failure`.
    pub(crate) fn of_failure(failure: Failure) -> Self {
        let class = class_of(&failure);
        let Failure { message, causes, .. } = failure;
        Self(Box::new(Inner { class, causes, ..*Self::new(ErrorKind::Failed, message).0 }))
    }

    /// The error of a task whose last failure was `failure`.
    pub(crate) fn of_task(task: &str, failure: &Failure) -> Self {
        let mut error = Self::new(ErrorKind::Failed, format!("task {task:?} failed")).classed(class_of(failure));
        error.0.causes.push(failure.message.clone());
        error.0.causes.extend(failure.causes.iter().cloned());
        error
    }
}

/// What a recorded failure means for the next attempt.
fn class_of(failure: &Failure) -> ErrorClass {
    match failure.class {
        FailureClass::Retryable | FailureClass::Panic => ErrorClass::Retryable { after: failure.retry_after() },
        FailureClass::Terminal => ErrorClass::Terminal,
        FailureClass::Timeout => ErrorClass::Timeout,
        FailureClass::Budget => ErrorClass::Budget,
        FailureClass::Cancelled => ErrorClass::Cancelled,
        FailureClass::Diverged => ErrorClass::Diverged,
    }
}

/// The longest message of a failure in the journal.
const MESSAGE_CHARS_MAX: usize = 4_096;
/// The longest chain of causes in the journal.
const CAUSES_MAX: usize = 16;

/// Whether it is, or lies behind it, that something took too long.
fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        error.is::<tokio::time::error::Elapsed>()
            || error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    })
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let causes = std::iter::successors(error.source(), |error| error.source()).map(ToString::to_string).collect();
        let class = if is_timeout(&error) { ErrorClass::Timeout } else { ErrorClass::Retryable { after: None } };
        Self(Box::new(Inner {
            class,
            kind: ErrorKind::Failed,
            message: error.to_string(),
            causes,
            is_of_another: false,
            cost: None,
            versions: None,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if f.alternate() {
            self.causes().try_for_each(|cause| write!(f, ": {cause}"))?;
        }
        Ok(())
    }
}

/// What `main` prints: the message, then what lay behind it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        self.causes().try_for_each(|cause| write!(f, "\n  because {cause}"))
    }
}

/// What to do with a foreign error, said at the `?`.
pub trait ResultExt<T> {
    /// Makes the error terminal: no other attempt would mend it.
    ///
    /// # Errors
    ///
    /// The same error, never retried.
    fn terminal(self) -> Result<T>;

    /// Says first what was being done.
    ///
    /// # Errors
    ///
    /// The same error with `context` in front.
    fn context(self, context: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Error>> ResultExt<T> for std::result::Result<T, E> {
    fn terminal(self) -> Result<T> {
        self.map_err(|error| error.into().classed(ErrorClass::Terminal))
    }

    fn context(self, context: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.into().context(context))
    }
}
