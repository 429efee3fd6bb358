//! What a vote comes to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens when all have voted and more than one answer has the most votes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tie {
    /// The answer wins that had so many votes first, in the order in which the votes came in.
    #[default]
    First,
    /// The vote fails.
    Fail,
    /// A judge chooses among the answers with the most votes.
    Judge,
}

/// The result of a vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Vote<T> {
    /// Of the answers that won, the one that came in first.
    pub winner: T,
    /// The votes for it.
    pub votes: usize,
    /// The votes that came in before it was decided, for whatever answer.
    pub cast: usize,
    /// The voters that had failed by then.
    pub failed: usize,
    /// All voters; those who neither voted nor failed were not waited for.
    pub of: usize,
    /// Every answer with its votes: the most votes first, and among equals the one that had them first.
    pub tally: Vec<Standing>,
}

/// An answer and its votes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Standing {
    /// What was compared, as `{:?}` shows it.
    pub answer: String,
    /// The votes for it.
    pub votes: usize,
}
