//! How far a vote has come.

use super::{Electing, Standing, Tie, Vote};
use crate::{Error, Result};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

/// A vote of a number of voters; those with equal keys have voted for the same.
///
/// It is told of each end in the order of delivery. Its first decision that is not `Open` is its last, but for a tie
/// that a judge breaks: an end after that closes the voter, so that nobody cancels it, and changes nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Ballot<K> {
    electing: Electing,
    /// By place, whether they have ended.
    ended: Vec<bool>,
    counts: BTreeMap<K, Count>,
    cast: usize,
    failed: usize,
    decision: Decision<K>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    votes: usize,
    /// The voter whose vote was delivered first.
    voter: usize,
    /// The number, among all votes, of the last one.
    reached: usize,
}

/// What the ends so far mean for a vote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Decision<K> {
    /// It is not decided yet.
    Open,
    /// This answer has won.
    Won(Candidate<K>),
    /// All of these have the most votes, the first to have them first: a judge is to be asked.
    Tied(Vec<Candidate<K>>),
    /// There is no winner, and none can come.
    Hung(Hung<K>),
}

/// An answer that has votes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate<K> {
    /// What was compared.
    pub(crate) key: K,
    /// The votes for it.
    pub(crate) votes: usize,
    /// The voter whose answer stands for it: the first one delivered.
    pub(crate) voter: usize,
}

/// Why there is no winner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hung<K> {
    /// The votes that were needed; `None` if the most votes would have done.
    pub(crate) wanted: Option<usize>,
    /// All voters.
    pub(crate) of: usize,
    /// Every answer, the most votes first.
    pub(crate) tally: Vec<Candidate<K>>,
    /// The voters that failed.
    pub(crate) failed: usize,
}

impl<K: Ord + Clone> Ballot<K> {
    /// A vote of `of` voters.
    ///
    /// # Errors
    ///
    /// `Invalid` if there is no voter, or if the quorum is 0 or more than `of`.
    pub(crate) fn new(electing: Electing, of: usize) -> Result<Self> {
        electing.check(of)?;
        let (ended, counts, decision) = (vec![false; of], BTreeMap::new(), Decision::Open);
        Ok(Self { electing, ended, counts, cast: 0, failed: 0, decision })
    }

    /// The decision so far.
    pub(crate) fn decision(&self) -> &Decision<K> {
        &self.decision
    }

    /// Voter number `voter` has given the answer with this key. Only its first end counts.
    ///
    /// # Panics
    ///
    /// If there is no such voter.
    pub(crate) fn cast(&mut self, voter: usize, key: K) -> &Decision<K> {
        if self.counts_end(voter) {
            let count = self.counts.entry(key).or_insert(Count { votes: 0, voter, reached: 0 });
            count.votes += 1;
            count.reached = self.cast;
            self.cast += 1;
            self.decision = self.decided();
        }
        &self.decision
    }

    /// Voter number `voter` has failed. Only its first end counts.
    ///
    /// # Panics
    ///
    /// If there is no such voter.
    pub(crate) fn failed(&mut self, voter: usize) -> &Decision<K> {
        if self.counts_end(voter) {
            self.failed += 1;
            self.decision = self.decided();
        }
        &self.decision
    }

    /// The deadline has passed: whoever has not ended does not vote.
    pub(crate) fn deadline(&mut self) -> &Decision<K> {
        if self.is_open() {
            self.decision = self.closed();
        }
        &self.decision
    }

    /// The judge has chosen candidate number `candidate` of a tie.
    ///
    /// # Errors
    ///
    /// `Failed` if there is no such candidate: the tie stands, and the judge may be asked again.
    ///
    /// # Panics
    ///
    /// If there is no tie.
    pub(crate) fn judged(&mut self, candidate: usize) -> Result<&Decision<K>> {
        let Decision::Tied(candidates) = &self.decision else { panic!("a judgement without a tie") };
        let Some(chosen) = candidates.get(candidate) else {
            let of = candidates.len();
            let message = format!("the judge chose candidate {candidate}: there are {of}, counted from 0");
            return Err(Error::retryable(message));
        };
        self.decision = Decision::Won(chosen.clone());
        Ok(&self.decision)
    }

    /// The voters that have not ended, in input order: after the decision, those to be cancelled.
    #[cfg(test)]
    pub(crate) fn open(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.ended.len()).filter(|&voter| !self.ended[voter])
    }

    /// The public result, where `won` is what the decision says and `winner` the answer of its voter.
    pub(crate) fn vote<T>(&self, won: &Candidate<K>, winner: T) -> Vote<T>
    where
        K: fmt::Debug,
    {
        let stands = |of: Candidate<K>| Standing { answer: format!("{:?}", of.key), votes: of.votes };
        let tally = self.standings().into_iter().map(stands).collect();
        Vote { winner, votes: won.votes, cast: self.cast, failed: self.failed, of: self.ended.len(), tally }
    }

    fn is_open(&self) -> bool {
        matches!(self.decision, Decision::Open)
    }

    /// Closes a voter; whether its end counts.
    fn counts_end(&mut self, voter: usize) -> bool {
        assert!(voter < self.ended.len(), "voter {voter} of {}", self.ended.len());
        let again = std::mem::replace(&mut self.ended[voter], true);
        !again && self.is_open()
    }

    fn decided(&self) -> Decision<K> {
        let awaited = self.ended.len() - self.cast - self.failed;
        let top = self.counts.values().map(|count| count.votes).max().unwrap_or(0);
        match self.electing.wanted(self.ended.len()) {
            None if awaited > 0 => Decision::Open,
            Some(wanted) if top < wanted && top + awaited >= wanted => Decision::Open,
            _ => self.closed(),
        }
    }

    /// The decision on what was cast, whoever is still awaited.
    fn closed(&self) -> Decision<K> {
        let mut tally = self.standings();
        let top = tally.first().map_or(0, |first| first.votes);
        let tied = tally.iter().take_while(|candidate| candidate.votes == top).count();
        let wanted = self.electing.wanted(self.ended.len());
        let wins = match self.electing {
            Electing::Plurality(Tie::First) => tied > 0,
            Electing::Plurality(Tie::Fail | Tie::Judge) => tied == 1,
            // It is decided at the vote that reaches it, so no second answer has as many.
            Electing::Majority | Electing::Quorum(_) => wanted.is_some_and(|wanted| top >= wanted),
        };
        match self.electing {
            _ if wins => Decision::Won(tally.swap_remove(0)),
            Electing::Plurality(Tie::Judge) if tied > 1 => {
                tally.truncate(tied);
                Decision::Tied(tally)
            }
            _ => Decision::Hung(Hung { wanted, of: self.ended.len(), tally, failed: self.failed }),
        }
    }

    /// Every answer: the most votes first, and among equals the one that had them first.
    fn standings(&self) -> Vec<Candidate<K>> {
        let mut counts: Vec<_> = self.counts.iter().collect();
        counts.sort_by_key(|(_, count)| (Reverse(count.votes), count.reached));
        let candidate =
            |(key, count): (&K, &Count)| Candidate { key: key.clone(), votes: count.votes, voter: count.voter };
        counts.into_iter().map(candidate).collect()
    }
}

/// Answers that the words of a hung vote name; of more, only the number.
const TOLD_MAX: usize = 8;
/// Characters of one answer in those words.
const TOLD_CHARS_MAX: usize = 80;

impl<K> Hung<K> {
    /// The error of a vote without a winner. The votes are recorded, so no other attempt would help.
    pub(crate) fn error(&self) -> Error
    where
        K: fmt::Debug,
    {
        Error::terminal(self)
    }

    fn head(&self) -> String {
        let top = self.tally.first().map_or(0, |first| first.votes);
        match self.wanted {
            Some(wanted) => format!("no answer has {wanted} of {} votes", self.of),
            None if self.tally.is_empty() => format!("none of {} voters has voted", self.of),
            None => {
                let tied = self.tally.iter().take_while(|candidate| candidate.votes == top).count();
                format!("{tied} answers are tied with {top} of {} votes", self.of)
            }
        }
    }
}

/// `no answer has 3 of 5 votes: "ok" 2, "bad" 2, 1 failed`.
impl<K: fmt::Debug> fmt::Display for Hung<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |candidate: &Candidate<K>| format!("{} {}", shortened(&candidate.key), candidate.votes);
        let mut parts: Vec<String> = self.tally.iter().take(TOLD_MAX).map(told).collect();
        if let more @ 1.. = self.tally.len().saturating_sub(TOLD_MAX) {
            parts.push(format!("{more} more answers"));
        }
        if self.failed > 0 {
            parts.push(format!("{} failed", self.failed));
        }
        let cast: usize = self.tally.iter().map(|candidate| candidate.votes).sum();
        if let unfinished @ 1.. = self.of - cast - self.failed {
            parts.push(format!("{unfinished} unfinished"));
        }
        write!(f, "{}: {}", self.head(), parts.join(", "))
    }
}

fn shortened(key: &impl fmt::Debug) -> String {
    let said = format!("{key:?}");
    match said.char_indices().nth(TOLD_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &said[..end]),
        None => said,
    }
}
