//! Where a test has an instance die.

use callboard_core::{Noted, Speaker};

/// A place in the life of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    /// The code of a step has run, and its outcome is not recorded yet.
    Unrecorded,
    /// The beginning of a call is recorded.
    Begun,
    /// The outcome of a call is recorded, and the handler has not seen it yet.
    Recorded,
}

impl Spot {
    pub(crate) fn of(what: &Noted) -> Self {
        match what {
            Noted::Value(_) | Noted::Failed(_) => Self::Recorded,
            _ => Self::Begun,
        }
    }
}

/// Decides where an instance dies.
pub(crate) trait Trap: Send + Sync + std::fmt::Debug {
    /// Whether the instance dies here, at the call `key` of a task of this capability.
    fn springs(&self, capability: &str, speaker: &Speaker, key: &str, spot: Spot) -> bool;
}
