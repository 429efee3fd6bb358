//! Votes: the same question to several, and the answer that has enough of them.

use super::calls::{Outcome, Waiting};
use super::child::asked;
use super::map::{Crowd, End, member};
use crate::join::{Ballot, Canonical, Decision, Electing, Tie, Vote};
use crate::task::author;
use crate::{Ctx, Error, Requirement, Result, Retry, Task};
use callboard_core::{Child as Asked, Json, Note, Timeouts};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

/// How many are asked, if that is not said.
const VOTERS: usize = 3;

type KeyOf<O, K> = Box<dyn Fn(&O, &Json, &str) -> Result<K> + Send>;
type JudgeOf<O> = Box<dyn FnOnce(Vec<O>) -> Result<Asked> + Send>;

impl Ctx {
    /// Asks several agents the same and takes the answer that has enough votes; await the result.
    ///
    /// Three are asked and more than half of them have to agree, unless you say otherwise. Two answers are the same if
    /// their JSON is, or if [`by`](Voting::by) says so. Who is not needed any more is cancelled.
    pub fn vote<T: Task>(&self, task: T) -> Voting<T::Output, Canonical> {
        let call = self.waiting("vote", T::CAPABILITY);
        let question = author(&task).map(|input| asked(call.key.clone(), T::CAPABILITY, input));
        let key: KeyOf<T::Output, Canonical> = Box::new(|_, json, who| Canonical::of(who, json));
        Voting { call, question, voters: VOTERS, electing: Electing::Majority, deadline: None, key, judge: None }
    }
}

/// A question to several agents; await it for the answer that wins.
#[must_use = "nobody is asked before it is awaited"]
pub struct Voting<O, K> {
    call: Waiting,
    question: Result<Asked>,
    voters: usize,
    electing: Electing,
    deadline: Option<Duration>,
    key: KeyOf<O, K>,
    judge: Option<JudgeOf<O>>,
}

impl<O, K> Voting<O, K> {
    fn change(mut self, change: impl FnOnce(&mut Asked)) -> Self {
        if let Ok(asked) = &mut self.question {
            change(asked);
        }
        self
    }

    /// How many are asked; 3 by default.
    pub fn voters(mut self, voters: usize) -> Self {
        self.voters = voters;
        self
    }

    /// An answer wins as soon as more than half of all voters have given it. This is what holds if nothing else is said.
    pub fn majority(mut self) -> Self {
        self.electing = Electing::Majority;
        self
    }

    /// An answer wins as soon as so many have given it.
    pub fn quorum(mut self, votes: usize) -> Self {
        self.electing = Electing::Quorum(votes);
        self
    }

    /// All are waited for, and the answer with the most votes wins; `tie` says what happens if several have as many.
    pub fn plurality(mut self, tie: Tie) -> Self {
        self.electing = Electing::Plurality(tie);
        self
    }

    /// All are waited for, and the answer with the most votes wins. Of several with as many a judge chooses: the task that
    /// `judge` makes of them, whose output is the number of the one that wins, from 0.
    pub fn judge<J: Task<Output = usize>>(mut self, judge: impl FnOnce(Vec<O>) -> J + Send + 'static) -> Self {
        self.electing = Electing::Plurality(Tie::Judge);
        let key: super::calls::Key = format!("{}/judge", self.call.key).into();
        self.judge = Some(Box::new(move |answers| Ok(asked(key, J::CAPABILITY, author(&judge(answers))?))));
        self
    }

    /// Who has not answered within `limit` does not vote.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = Some(limit);
        self
    }

    /// Answers are the same if this says the same of them.
    pub fn by<L>(self, key: impl Fn(&O) -> L + Send + 'static) -> Voting<O, L> {
        let Self { call, question, voters, electing, deadline, judge, .. } = self;
        Voting { call, question, voters, electing, deadline, judge, key: Box::new(move |answer, _, _| Ok(key(answer))) }
    }

    /// Says of each when a failed attempt is followed by another.
    pub fn retry(self, retry: Retry) -> Self {
        self.change(|asked| asked.spec.retry = Some(retry))
    }

    /// Limits each attempt of each.
    pub fn timeout(self, limit: Duration) -> Self {
        let attempt_ms = Some(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
        self.change(|asked| asked.spec.timeouts = Timeouts { attempt_ms, ..Timeouts::default() })
    }

    /// Says what the agents that are asked must have.
    pub fn requires(self, requirement: Requirement) -> Self {
        self.change(|asked| asked.spec.requires.add(requirement))
    }
}

impl<O, K> Voting<O, K>
where
    O: DeserializeOwned + Send,
    K: Ord + Clone + fmt::Debug + Send,
{
    async fn held(self) -> Result<Vote<O>> {
        let Self { call, question, voters, electing, deadline, key, judge } = self;
        let question = question?;
        let mut ballot = Ballot::new(electing, voters)?;
        let voter = |n| Asked { key: member(&call.key, n), ..question.clone() };
        let mut crowd = Crowd::new(&call, (0..voters).map(voter).collect(), voters, deadline.map(|limit| (limit, 1)));
        let mut answers = BTreeMap::new();
        while let Decision::Open = ballot.decision() {
            match crowd.next().await? {
                End::Child(n, child, Outcome::Value(json)) => {
                    let answer: O = Outcome::Value(json.clone()).read(&child)?;
                    let key = key(&answer, &json, &format!("voter {n}"))?;
                    answers.insert(n, answer);
                    let _decision = ballot.cast(n, key);
                }
                End::Child(n, _, Outcome::Failed(_)) => drop(ballot.failed(n)),
                End::Deadline => drop(ballot.deadline()),
            }
        }
        crowd.disperse();
        let numbers: Vec<usize> = match ballot.decision() {
            Decision::Tied(candidates) => candidates.iter().map(|candidate| candidate.voter).collect(),
            _ => Vec::new(),
        };
        if let (false, Some(judge)) = (numbers.is_empty(), judge) {
            let tied: Vec<O> = numbers.iter().filter_map(|n| answers.remove(n)).collect();
            let asked = judge(tied)?;
            let judged = Waiting { calls: call.calls.clone(), key: asked.key.clone() };
            call.calls.want(Note::Children(vec![asked]))?;
            let chosen: usize = judged.outcome().await?.read(&judged.key).map_err(Error::of_another)?;
            let _decision = ballot.judged(chosen)?;
            // The judge took the answers; the one that wins is read again.
            if let Some(n) = numbers.get(chosen) {
                let key = member(&call.key, *n);
                let again = Waiting { calls: call.calls.clone(), key };
                answers.insert(*n, again.outcome().await?.read(&again.key)?);
            }
        }
        match ballot.decision() {
            Decision::Won(won) => match answers.remove(&won.voter) {
                Some(winner) => Ok(ballot.vote(won, winner)),
                None => Err(Error::terminal("the answer that won is gone")),
            },
            Decision::Hung(hung) => Err(hung.error()),
            Decision::Tied(_) | Decision::Open => {
                Err(Error::invalid("a tie is to be judged: say by whom, with `judge`"))
            }
        }
    }
}

impl<O, K> IntoFuture for Voting<O, K>
where
    O: DeserializeOwned + Send + 'static,
    K: Ord + Clone + fmt::Debug + Send + 'static,
{
    type Output = Result<Vote<O>>;
    type IntoFuture = BoxFuture<'static, Result<Vote<O>>>;

    /// # Errors
    ///
    /// Terminal if no answer has enough votes, with how many each has; `Invalid` for a quorum that can not be reached;
    /// that of the judge; `Cancelled` if the task was cancelled or its activation is over.
    fn into_future(self) -> Self::IntoFuture {
        self.held().boxed()
    }
}

impl<O, K> fmt::Debug for Voting<O, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Voting").field(&self.call.key).finish()
    }
}
