//! How far a join has come.

use super::{AtDeadline, Rule};
use crate::Result;
use std::fmt;

/// What the ends so far mean for a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    /// It is not settled yet.
    Open,
    /// The rule is satisfied: the join goes on with what is ok.
    Enough,
    /// The rule can no longer be satisfied: the join has failed.
    Hopeless,
}

/// A join over a number of children under a rule.
///
/// It is told of each end in the order of delivery. Its first verdict that is not `Open` is its last: an end after that
/// closes the child, so that nobody cancels it, and changes nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    rule: Rule,
    at_deadline: AtDeadline,
    /// By place.
    children: Vec<Child>,
    /// Those that are ok, as delivered.
    ok: Vec<usize>,
    /// Those that failed, as delivered.
    failed: Vec<usize>,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Child {
    Open,
    Ok,
    Failed,
    /// Ended after the verdict.
    Late,
}

impl Tally {
    /// A join over `of` children. It may be settled at once: see [`verdict`](Self::verdict).
    ///
    /// # Errors
    ///
    /// `Invalid` if the rule asks for more than `of` children, or for the first 0.
    pub(crate) fn new(rule: Rule, of: usize, at_deadline: AtDeadline) -> Result<Self> {
        rule.check(of)?;
        let children = vec![Child::Open; of];
        let mut tally =
            Self { rule, at_deadline, children, ok: Vec::new(), failed: Vec::new(), verdict: Verdict::Open };
        tally.verdict = tally.judged();
        Ok(tally)
    }

    /// The verdict so far.
    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Child number `child` has ended. Only its first end counts.
    ///
    /// # Panics
    ///
    /// If there is no such child.
    pub(crate) fn ended(&mut self, child: usize, ok: bool) -> Verdict {
        assert!(child < self.children.len(), "child {child} of {}", self.children.len());
        if self.children[child] != Child::Open {
            return self.verdict;
        }
        if self.verdict != Verdict::Open {
            self.children[child] = Child::Late;
            return self.verdict;
        }
        let (end, ends) = if ok { (Child::Ok, &mut self.ok) } else { (Child::Failed, &mut self.failed) };
        self.children[child] = end;
        ends.push(child);
        self.verdict = self.judged();
        self.verdict
    }

    /// The deadline has passed: what is open now comes too late.
    pub(crate) fn deadline(&mut self) -> Verdict {
        if self.verdict == Verdict::Open {
            self.verdict = match (self.at_deadline, self.rule) {
                (AtDeadline::Fail, _) => Verdict::Hopeless,
                (AtDeadline::Take, Rule::AtLeast(wanted)) if self.ok.len() < wanted => Verdict::Hopeless,
                (AtDeadline::Take, _) => Verdict::Enough,
            };
        }
        self.verdict
    }

    /// The children that have not ended, in input order: after the verdict, those to be cancelled.
    pub(crate) fn open(&self) -> impl Iterator<Item = usize> + '_ {
        self.in_state(Child::Open)
    }

    /// The children that were ok by the verdict, in input order.
    #[cfg(test)]
    pub(crate) fn ok(&self) -> impl Iterator<Item = usize> + '_ {
        self.in_state(Child::Ok)
    }

    /// The same in the order of delivery.
    #[cfg(test)]
    pub(crate) fn ok_as_delivered(&self) -> &[usize] {
        &self.ok
    }

    /// The children that had failed by the verdict, in the order of delivery.
    pub(crate) fn failed_as_delivered(&self) -> &[usize] {
        &self.failed
    }

    fn in_state(&self, state: Child) -> impl Iterator<Item = usize> + '_ {
        (0..self.children.len()).filter(move |&child| self.children[child] == state)
    }

    /// The verdict on what is counted, as if there were no deadline.
    fn judged(&self) -> Verdict {
        let of = self.children.len();
        let (wanted, awaited) = (self.rule.wanted(of), of - self.ok.len() - self.failed.len());
        match self.rule {
            _ if self.ok.len() + awaited < wanted => Verdict::Hopeless,
            Rule::FirstOk(_) if self.ok.len() >= wanted => Verdict::Enough,
            Rule::All | Rule::AtLeast(_) if awaited == 0 => Verdict::Enough,
            _ => Verdict::Open,
        }
    }
}

/// How it stood at the verdict, in words for an error.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.children.len();
        let (ok, failed) = (self.ok.len(), self.failed.len());
        let (wanted, unfinished) = (self.rule.wanted(of), of - ok - failed);
        write!(f, "{wanted} of {of} wanted: {ok} ok, {failed} failed, {unfinished} unfinished")
    }
}
