//! Why an attempt did not end well.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// What a failure means for the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// Worth another try.
    Retryable,
    /// Would fail again: no retry.
    Terminal,
    /// Took too long; worth another try.
    Timeout,
    /// The handler panicked; worth another try, on a fresh instance.
    Panic,
    /// A budget is spent: no retry.
    Budget,
    /// The task was cancelled: no retry.
    Cancelled,
    /// The code no longer matches what it has recorded: no retry.
    Diverged,
}

impl FailureClass {
    /// Whether another attempt may help.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Retryable | Self::Timeout | Self::Panic)
    }

    /// The word for it in the journal, in logs and in labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retryable => "retryable",
            Self::Terminal => "terminal",
            Self::Timeout => "timeout",
            Self::Panic => "panic",
            Self::Budget => "budget",
            Self::Cancelled => "cancelled",
            Self::Diverged => "diverged",
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One failed attempt, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// What it means for the next attempt.
    pub class: FailureClass,
    /// What was seen.
    pub message: String,
    /// What lay behind it, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// How long, in milliseconds, the failing side asked to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Failure {
    /// A failure of `class` with a message and nothing behind it.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), causes: Vec::new(), retry_after_ms: None }
    }

    /// How long the failing side asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after_ms.map(Duration::from_millis)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}
