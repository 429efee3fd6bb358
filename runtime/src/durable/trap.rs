//! What a test sees of handlers, and where it has them die.

use super::calls::Key;
use callboard_core::{Note, Noted, Speaker, Wait};
use std::sync::Arc;

/// A place in the life of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Spot {
    /// The beginning of an effect or of a paid call is about to be recorded, and is not: its code has not run.
    Unbegun,
    /// Something is about to be recorded, and is not: the code of a step has run, and what it came to is lost here.
    Unrecorded,
    /// The beginning of a call is recorded, and the handler has not seen it yet.
    Begun,
    /// The outcome of a call is recorded, and the handler has not seen it yet.
    Recorded,
}

impl Spot {
    /// The place before this is recorded.
    pub(crate) fn before(note: &Note) -> Self {
        match note {
            Note::Begin { .. } | Note::Wait { wait: Wait::Budget { .. }, .. } => Self::Unbegun,
            _ => Self::Unrecorded,
        }
    }

    pub(crate) fn of(what: &Noted) -> Self {
        match what {
            Noted::Value(_) | Noted::Failed(_) => Self::Recorded,
            _ => Self::Begun,
        }
    }
}

/// The "call" that stands for the beginning of a handler: [`Spot::Begun`] when its task is accepted.
pub(crate) const BEGIN: &str = "begin";
/// The "call" that stands for the end of a handler: [`Spot::Unrecorded`] when it has a result that nobody knows yet.
pub(crate) const END: &str = "end";

/// What is seen of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight<'a> {
    /// An activation begins.
    Begins,
    /// The code of this step runs.
    Runs(&'a str),
    /// The activation has ended with the task parked.
    Parked,
    /// The activation was cut short by a test.
    Crashed,
    /// The activation has ended in any other way.
    Over,
}

/// Watches the handlers of a node, and decides where they die.
pub(crate) trait Trap: Send + Sync + std::fmt::Debug {
    /// Whether the instance dies here, at the call `key` of a task of this capability.
    fn springs(&self, capability: &str, speaker: &Speaker, key: &str, spot: Spot) -> bool;

    /// Something was seen of the handler of a task of this capability.
    fn saw(&self, capability: &str, speaker: &Speaker, what: Sight<'_>);
}

/// Tells a trap what it may see of one handler.
#[derive(Clone, Debug)]
pub(crate) struct Witness {
    pub(crate) trap: Arc<dyn Trap>,
    pub(crate) capability: Arc<str>,
    pub(crate) speaker: Speaker,
}

impl Witness {
    pub(crate) fn saw(&self, what: Sight<'_>) {
        self.trap.saw(&self.capability, &self.speaker, what);
    }
}

/// The calls of which a note wants something to be recorded.
pub(crate) fn recorded_by(note: &Note) -> Vec<&Key> {
    match note {
        Note::Value(key, _)
        | Note::Failed { key, .. }
        | Note::Begin { key, .. }
        | Note::Unknown { key, .. }
        | Note::Settled { key, .. }
        | Note::Wait { key, .. } => vec![key],
        Note::Children(children) => children.iter().map(|child| &child.key).collect(),
        Note::Withdraw(_) | Note::Progress(_) | Note::Park { .. } => Vec::new(),
    }
}
