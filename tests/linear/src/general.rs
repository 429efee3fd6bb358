//! The checker that searches for an order.

use crate::op::{Content, Op, Outcome, What};
use std::collections::HashSet;

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order.
    Linearizable,
    /// There is none.
    Not,
    /// Too much was to be looked at.
    GaveUp,
}

/// The most operations that a history may have, without those that say nothing.
const OPS_MAX: usize = 128;
/// So many states are looked at.
const STATES_MAX: usize = 1_000_000;

/// Searches for an order of a document's history, without a look at the numbers of versions.
///
/// # Panics
///
/// If it has more than 128 operations that say something.
#[must_use]
pub fn general(history: &[Op]) -> Verdict {
    let says_something = |op: &&Op| match op.outcome {
        Outcome::Refused => false,
        Outcome::Unknown => op.is_write(),
        _ => true,
    };
    let ops: Vec<&Op> = history.iter().filter(says_something).collect();
    assert!(ops.len() <= OPS_MAX, "{} operations are too many to search", ops.len());
    let mut search = Search { ops, seen: HashSet::new() };
    match search.goes_on(0, None) {
        true => Verdict::Linearizable,
        false if search.seen.len() < STATES_MAX => Verdict::Not,
        false => Verdict::GaveUp,
    }
}

struct Search<'a> {
    ops: Vec<&'a Op>,
    /// What was done, and what the document says then: no order of the rest was found.
    seen: HashSet<(u128, Content)>,
}

impl Search<'_> {
    /// Whether what is not done yet can be done in some order.
    fn goes_on(&mut self, done: u128, content: Content) -> bool {
        let left = |(n, _): &(usize, &&Op)| done & (1 << n) == 0;
        // Whatever is next was called before any of the others was over.
        let until = self.ops.iter().enumerate().filter(left).map(|(_, op)| op.over()).min().unwrap_or(u64::MAX);
        if until == u64::MAX {
            return true; // what is left may never have happened
        }
        if self.seen.len() >= STATES_MAX || !self.seen.insert((done, content)) {
            return false;
        }
        let next = self.ops.iter().enumerate().filter(left).filter(|(_, op)| op.called < until);
        let next: Vec<_> = next.flat_map(|(n, op)| after(op, content).into_iter().map(move |then| (n, then))).collect();
        next.into_iter().any(|(n, then)| self.goes_on(done | 1 << n, then))
    }
}

/// What the document may say after an operation, if that can be when it says `content`.
fn after(op: &Op, content: Content) -> Vec<Content> {
    match (&op.what, &op.outcome) {
        (What::Read | What::Touch, Outcome::Read { content: read, .. }) if *read == content => vec![content],
        (What::Cas { saw, .. }, Outcome::Conflict) if *saw != content => vec![content],
        (_, Outcome::Written { .. } | Outcome::Unknown) => {
            let tries = op.tries().into_iter();
            let is_so = |saw: Content| matches!(op.what, What::Set(_)) || saw == content;
            tries.filter(|made| is_so(made.saw)).map(|made| made.makes).collect()
        }
        _ => Vec::new(),
    }
}
