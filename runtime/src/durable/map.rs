//! The same for many: children side by side, and what they come to together.

use super::calls::{Key, Mark, Outcome, Turn, Waiting, diverged, error_of};
use super::child::asked;
use crate::join::{AtDeadline, Rule, Tally, Verdict};
use crate::task::author;
use crate::{Ctx, Error, Priority, Requirement, Result, Retry, Task};
use callboard_core::{Child as Asked, Millis, Note, Timeouts, Wait};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::future::{IntoFuture, poll_fn};
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// How many children are under way at a time, if that is not said.
const WIDTH: usize = 64;

impl Ctx {
    /// Asks for many tasks and waits for their outputs; await the result: the outputs in the order of the tasks.
    ///
    /// 64 are under way at a time, all of them have to succeed, and the first failure cancels the others, unless you say
    /// otherwise. Each is a child as of [`call`](Self::call).
    pub fn map<T: Task>(&self, tasks: impl IntoIterator<Item = T>) -> Mapping<T::Output> {
        let call = self.waiting("map", T::CAPABILITY);
        let one = |(n, task): (usize, T)| Ok(asked(member(&call.key, n), T::CAPABILITY, author(&task)?));
        let asked = tasks.into_iter().enumerate().map(one).collect();
        Mapping {
            asked,
            call,
            width: WIDTH,
            rule: Rule::All,
            deadline: None,
            at_deadline: AtDeadline::Fail,
            attempt: self.attempt(),
            output: PhantomData,
        }
    }
}

/// The key of child number `n`, from 0.
pub(super) fn member(base: &Key, n: usize) -> Key {
    format!("{base}[{n}]").into()
}

/// Many tasks that are asked for; await them for their outputs.
#[must_use = "nothing is asked for before it is awaited"]
pub struct Mapping<O> {
    call: Waiting,
    asked: Result<Vec<Asked>>,
    width: usize,
    rule: Rule,
    deadline: Option<Duration>,
    at_deadline: AtDeadline,
    /// The attempt that asks.
    attempt: u32,
    output: PhantomData<fn() -> O>,
}

/// What many tasks came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Joined<O> {
    /// The outputs, each with the number of its task, in the order of the tasks.
    pub outputs: Vec<(usize, O)>,
    /// The tasks that failed, in the order in which they did.
    pub failed: Vec<(usize, Error)>,
    /// The tasks that had not ended and were cancelled.
    pub unfinished: Vec<usize>,
}

impl<O> Mapping<O> {
    fn each(mut self, change: impl Fn(&mut Asked)) -> Self {
        self.asked.iter_mut().flatten().for_each(change);
        self
    }

    /// How many are under way at a time, 1 at least; 64 by default.
    pub fn width(mut self, width: usize) -> Self {
        self.width = width.max(1);
        self
    }

    /// Waits for all, and is content if so many of them succeed.
    pub fn min_ok(mut self, enough: usize) -> Self {
        self.rule = Rule::AtLeast(enough);
        self
    }

    /// Is content as soon as so many have succeeded, and cancels the others.
    pub fn first_ok(mut self, enough: usize) -> Self {
        self.rule = Rule::FirstOk(enough);
        self
    }

    /// Fails if it is not settled within `limit`, and cancels what goes on. Each attempt has that long;
    /// one that ends with this failure leaves the tasks to the next.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = Some(limit);
        self
    }

    /// After `limit` it takes what there is, and cancels what goes on. What [`min_ok`](Self::min_ok) asks for must be there.
    /// What was there at that moment stays all there was: the next attempt takes the same, or fails the same.
    pub fn partial_after(mut self, limit: Duration) -> Self {
        self.deadline = Some(limit);
        self.at_deadline = AtDeadline::Take;
        self
    }

    /// Says of each when a failed attempt is followed by another.
    pub fn retry(self, retry: Retry) -> Self {
        self.each(|asked| asked.spec.retry = Some(retry))
    }

    /// Says how urgent each is; as urgent as its parent by default.
    pub fn priority(self, priority: Priority) -> Self {
        self.each(|asked| asked.priority = Some(priority))
    }

    /// Limits each attempt of each.
    pub fn timeout(self, limit: Duration) -> Self {
        let attempt_ms = Some(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
        self.each(|asked| asked.spec.timeouts = Timeouts { attempt_ms, ..Timeouts::default() })
    }

    /// Says what the agents that perform them must have.
    pub fn requires(self, requirement: Requirement) -> Self {
        self.each(|asked| asked.spec.requires.add(requirement.clone()))
    }
}

impl<O: DeserializeOwned + 'static> Mapping<O> {
    /// Waits for them, and tells of each what came of it.
    ///
    /// # Errors
    ///
    /// As for awaiting it.
    pub async fn joined(self) -> Result<Joined<O>> {
        let asked = self.asked?;
        let mut tally = Tally::new(self.rule, asked.len(), self.at_deadline)?;
        let mut outputs = BTreeMap::new();
        let mut failures = BTreeMap::new();
        // A moment that has passed has passed for ever. What was taken then stays taken; where it was a failure, that holds
        // for the attempt, and the next has a deadline of its own.
        let deadline_of = match self.at_deadline {
            AtDeadline::Take => 1,
            AtDeadline::Fail => self.attempt,
        };
        let deadline = self.deadline.map(|limit| (limit, deadline_of));
        let mut crowd = Crowd::new(&self.call, asked, self.width, deadline);
        let mut verdict = tally.verdict();
        while verdict == Verdict::Open {
            verdict = match crowd.next().await? {
                End::Child(n, key, outcome) => {
                    let ok = outcome.is_value();
                    match outcome {
                        Outcome::Failed(failure) => drop(failures.insert(n, error_of(failure).of_another())),
                        value => drop(outputs.insert(n, value.read(&key)?)),
                    }
                    tally.ended(n, ok)
                }
                End::Deadline => tally.deadline(),
            };
        }
        crowd.disperse();
        if verdict == Verdict::Hopeless {
            let last = tally.failed_as_delivered().last().and_then(|n| failures.remove(n));
            let message = tally.to_string();
            return Err(match last {
                Some(error) => error.context(message),
                None => Error::timeout(format!("the deadline has passed: {message}")),
            });
        }
        let unfinished = tally.open().collect();
        let failed = tally.failed_as_delivered().iter().filter_map(|n| Some((*n, failures.remove(n)?))).collect();
        Ok(Joined { outputs: outputs.into_iter().collect(), failed, unfinished })
    }
}

impl<O: DeserializeOwned + Send + 'static> IntoFuture for Mapping<O> {
    type Output = Result<Vec<O>>;
    type IntoFuture = BoxFuture<'static, Result<Vec<O>>>;

    /// # Errors
    ///
    /// That of the last child that failed, with what was wanted in front, if that can not be reached any more; of class
    /// `Timeout` if the deadline has passed; `Invalid` if it never could be; `Diverged` if other requests are recorded;
    /// `Cancelled` if the task was cancelled or its activation is over.
    fn into_future(self) -> Self::IntoFuture {
        async move { Ok(self.joined().await?.outputs.into_iter().map(|(_, output)| output).collect()) }.boxed()
    }
}

/// Children that are under way side by side, so many at a time.
pub(super) struct Crowd {
    base: Key,
    waiting: std::collections::VecDeque<(usize, Asked)>,
    open: BTreeMap<usize, (Waiting, Option<Arc<str>>)>,
    deadline: Option<Waiting>,
    /// Calls that may go on when it is over.
    calls: Arc<super::calls::Calls>,
    /// How long it has, and the attempt to which that belongs.
    limit: Option<(Duration, u32)>,
    width: usize,
}

/// What comes next in a crowd.
pub(super) enum End {
    /// Child number so and so has ended.
    Child(usize, Key, Outcome),
    /// The deadline has passed.
    Deadline,
}

impl Crowd {
    pub(super) fn new(call: &Waiting, asked: Vec<Asked>, width: usize, limit: Option<(Duration, u32)>) -> Self {
        let waiting = asked.into_iter().enumerate().collect();
        let (base, calls) = (call.key.clone(), call.calls.clone());
        Self { base, waiting, open: BTreeMap::new(), deadline: None, calls, limit, width }
    }

    /// The next end, in the order in which they are recorded.
    pub(super) async fn next(&mut self) -> Result<End> {
        self.fill()?;
        let Self { open, deadline, calls, .. } = self;
        let (n, outcome) = poll_fn(|cx| {
            let all = open.iter().map(|(n, (call, _))| (Some(*n), call));
            let all = all.chain(deadline.iter().map(|call| (None, call)));
            let ended = all.filter_map(|(n, call)| match calls.poll_news(&call.key, cx, |_| false) {
                Poll::Ready(turn) => Some((calls.number(&call.key), n, turn)),
                Poll::Pending => None,
            });
            // Several may have been recorded while the handler was busy elsewhere.
            match ended.min_by_key(|(number, _, _)| *number) {
                Some((_, n, turn)) => Poll::Ready((n, turn)),
                None => Poll::Pending,
            }
        })
        .await;
        let outcome = match outcome? {
            Turn::Outcome(outcome) => outcome,
            Turn::Go(_) => return Err(Error::terminal("a child went on without an outcome")),
        };
        let Some((n, (call, hash))) = n.and_then(|n| Some((n, self.open.remove(&n)?))) else {
            self.deadline = None;
            return Ok(End::Deadline);
        };
        if let Some(Mark::Submitted { hash: Some(recorded), .. }) = self.calls.mark(&call.key)
            && Some(&recorded) != hash.as_ref()
        {
            return Err(diverged(format!(
                "the call {:?} is recorded with another request: the code has changed, or is not deterministic",
                call.key
            )));
        }
        Ok(End::Child(n, call.key.clone(), outcome))
    }

    /// Asks for as many as may be under way.
    fn fill(&mut self) -> Result<()> {
        if let Some((limit, attempt)) = self.limit.take() {
            let key: Key = super::key::occurrence(format!("{}/deadline", self.base), attempt).into();
            self.calls.want(Note::Wait {
                key: key.clone(),
                wait: Wait::Sleep { until: Millis::default() },
                limit: Some(limit),
            })?;
            self.deadline = Some(Waiting { calls: self.calls.clone(), key });
        }
        let mut more = Vec::new();
        while self.open.len() < self.width
            && let Some((n, asked)) = self.waiting.pop_front()
        {
            let call = Waiting { calls: self.calls.clone(), key: asked.key.clone() };
            self.open.insert(n, (call, asked.hash.clone()));
            more.push(asked);
        }
        if more.is_empty() { Ok(()) } else { self.calls.want(Note::Children(more)) }
    }

    /// Nobody waits for those that go on: they are cancelled.
    pub(super) fn disperse(self) {
        let mut keys: Vec<Key> = self.open.values().map(|(call, _)| call.key.clone()).collect();
        keys.extend(self.deadline.as_ref().map(|call| call.key.clone()));
        if !keys.is_empty() {
            self.calls.withdraw(keys);
        }
    }
}

impl<O> fmt::Debug for Mapping<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mapping").field(&self.call.key).finish()
    }
}
