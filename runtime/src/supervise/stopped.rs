//! Why an actor stopped.

use std::fmt;

use ractor::{ActorProcessingErr, SpawnErr, SupervisionEvent};

/// Why a child stopped, or did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// It ended by itself or was asked to; the reason it gave, if any.
    Finished(Option<String>),
    /// It panicked, or returned an error that is no [`Failure`]; ractor does not tell the two apart, and both are bugs.
    Panicked(String),
    /// A handler returned a [`Failure`].
    Failed(Failure),
    /// It did not start: its start returned a [`Failure`].
    Refused(Failure),
    /// It was killed, or its task was aborted.
    Killed,
}

/// What an actor returns from a handler, or from its start, to stop for a reason its supervisor understands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub(crate) struct Failure {
    /// What the supervisor decides on.
    pub(crate) kind: FailureKind,
    /// For people.
    pub(crate) message: String,
}

/// The kinds of failure, in the words of the public errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// Something it needs is down or full.
    Unavailable,
    /// It has to begin again from what is stored.
    Conflict,
    /// A newer owner or holder exists.
    Fenced,
    /// Its settings or its input are wrong.
    Invalid,
    /// Something may or may not have happened.
    Unknown,
    /// Stored bytes break an invariant.
    Corrupt,
    /// Something it needs does not exist.
    NotFound,
    /// It is not allowed to.
    Denied,
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl Stopped {
    /// What a supervision event says, or `None` when it is not about an end.
    pub(super) fn of(event: SupervisionEvent) -> Option<Self> {
        match event {
            // What is killed leaves no state behind, unless it was idle: then it has "killed" for its reason.
            SupervisionEvent::ActorTerminated(_, None, _) => Some(Self::Killed),
            SupervisionEvent::ActorTerminated(_, Some(_), Some(reason)) if reason == "killed" => Some(Self::Killed),
            SupervisionEvent::ActorTerminated(_, Some(_), reason) => Some(Self::Finished(reason)),
            SupervisionEvent::ActorFailed(_, error) => Some(match failure(error) {
                Ok(failure) => Self::Failed(failure),
                Err(message) => Self::Panicked(message),
            }),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => None,
        }
    }

    /// The failure, if it was one.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) | Self::Refused(failure) => Some(failure),
            Self::Finished(_) | Self::Panicked(_) | Self::Killed => None,
        }
    }
}

impl From<SpawnErr> for Stopped {
    fn from(error: SpawnErr) -> Self {
        match error {
            SpawnErr::StartupFailed(error) => match failure(error) {
                Ok(failure) => Self::Refused(failure),
                Err(message) => Self::Panicked(message),
            },
            SpawnErr::ActorAlreadyStarted | SpawnErr::ActorAlreadyRegistered(_) => {
                Self::Refused(Failure::new(FailureKind::Invalid, error.to_string()))
            }
        }
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

fn failure(error: ActorProcessingErr) -> Result<Failure, String> {
    error.downcast::<Failure>().map(|failure| *failure).map_err(|other| other.to_string())
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished(None) => f.write_str("finished"),
            Self::Finished(Some(reason)) => write!(f, "finished: {reason}"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::Failed(failure) => write!(f, "failed: {failure}"),
            Self::Refused(failure) => write!(f, "did not start: {failure}"),
            Self::Killed => f.write_str("killed"),
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "unavailable",
            Self::Conflict => "conflict",
            Self::Fenced => "fenced",
            Self::Invalid => "invalid",
            Self::Unknown => "unknown",
            Self::Corrupt => "corrupt",
            Self::NotFound => "not found",
            Self::Denied => "denied",
        })
    }
}
