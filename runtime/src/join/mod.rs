//! What several children come to together: joins, votes, and answers combined into one.
//!
//! All of it is pure. A [`Tally`] and a [`Ballot`] are told of ends in the order in which these are delivered, which is
//! the recorded order, so a replay comes to the same verdict at the same end.

mod aggregate;
mod answer;
mod ballot;
mod rule;
mod tally;
mod vote;

#[cfg(test)]
mod tests;

pub use aggregate::{Aggregate, Aggregation, Arrays, Conflict, Opinion, Prefer, aggregate};
pub(crate) use answer::Canonical;
pub(crate) use ballot::{Ballot, Decision};
#[cfg(test)]
use ballot::{Candidate, Hung};
pub(crate) use rule::{AtDeadline, Electing, Rule};
pub(crate) use tally::{Tally, Verdict};
pub use vote::{Standing, Tie, Vote};
