//! Who is told what a journal holds.

use super::position::Position;

/// Folds a journal into a state: the snapshot's lines, then the batches after it, in order.
///
/// Lines are whole: each ends with a line feed. Nothing may be released (answered, dispatched) before the call that
/// replays has returned without an error.
pub(crate) trait Replay: Send {
    /// Forgets everything; the walk starts again from a snapshot or from nothing.
    fn reset(&mut self);

    /// Takes the next lines of the snapshot.
    ///
    /// # Errors
    /// For lines that cannot be understood: the partition is refused.
    fn snapshot(&mut self, lines: &[u8]) -> Result<(), ReplayError>;

    /// Takes the batch at `at`.
    ///
    /// # Errors
    /// For events that cannot be understood: the partition is refused, never the event skipped (L14).
    fn batch(&mut self, at: Position, lines: &[u8]) -> Result<(), ReplayError>;
}

/// Why lines cannot be replayed: an unknown kind of event, or a text that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct ReplayError {
    /// What was found.
    pub(crate) reason: String,
}

impl ReplayError {
    /// An error that says `reason`.
    pub(crate) fn new(reason: impl std::fmt::Display) -> Self {
        Self { reason: reason.to_string() }
    }
}
