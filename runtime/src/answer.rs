//! Answers from outside: signals to runs, approvals, and what a person knows of an effect.

use crate::board::Callboard;
use crate::node::Node;
use crate::query::{ApprovalId, EffectId, OpenApproval, Pending, UnknownEffect};
use crate::run::{Run, checked};
use crate::{Error, ErrorKind, Result};
use callboard_core::{Answer, Decision, Json, Payload, RunId, TaskIndex};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

impl Run {
    /// Sends a signal to the run: whoever [waits](crate::Ctx::signal) for one of this name the longest gets the value. If
    /// nobody does it is kept, in order, until somebody does. Durable when it answers, and sent once.
    ///
    /// # Errors
    ///
    /// `Conflict` if the run has ended; `NotFound` if it is not there; `Invalid` for a name that is empty or longer than
    /// 256 bytes, or a value without a JSON form or over the limits of an output; `Unavailable` if nothing was sent, or if the
    /// run keeps as many as it may; `Unknown` if that is not known.
    pub async fn signal<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        if name.is_empty() || name.len() > SIGNAL_BYTES_MAX {
            let message = format!("the name of a signal has 1 to {SIGNAL_BYTES_MAX} bytes, not {}", name.len());
            return Err(Error::invalid(message));
        }
        let value = self.node().given(value, "the value of the signal").await?;
        let signal = Answer::Signal { id: crate::chance::timed_id(), name: name.into(), value };
        self.node().partitions.answer(self.id(), signal).await
    }

    /// Says yes to the approval that is open in this run, or else to the next that is asked for; await the result.
    ///
    /// Where several are open, say [which](Answering::approval) is meant.
    pub fn approve(&self) -> Answering {
        Answering::new(self, true)
    }

    /// Says no; as [`approve`](Self::approve).
    pub fn reject(&self) -> Answering {
        Answering::new(self, false)
    }
}

impl Callboard {
    /// The approvals that wait for an answer, of all runs; await the result for a page.
    pub fn approvals(&self) -> Pending<OpenApproval> {
        Pending::new(self.0.clone())
    }

    /// Says yes to an approval, or to one that is not asked for yet; await the result.
    pub fn approve(&self, approval: ApprovalId) -> Answering {
        self.run(approval.run).approve().approval(approval)
    }

    /// Says no; as [`approve`](Self::approve).
    pub fn reject(&self, approval: ApprovalId) -> Answering {
        self.run(approval.run).reject().approval(approval)
    }

    /// The effects of which nobody knows whether they happened, of all runs; await the result for a page. Say of each
    /// what you find out: [`decide`](Self::decide).
    pub fn unknown_effects(&self) -> Pending<UnknownEffect> {
        Pending::new(self.0.clone())
    }

    /// Says whether an effect happened of which nobody knew; await the result, after saying
    /// [`happened`](Deciding::happened) or [`did_not_happen`](Deciding::did_not_happen).
    pub fn decide(&self, effect: EffectId) -> Deciding {
        Deciding { node: self.0.clone(), effect, by: None }
    }
}

/// The longest name of a signal in bytes.
const SIGNAL_BYTES_MAX: usize = 256;

impl Node {
    /// A value from outside, as the journal has it.
    async fn given<T: Serialize>(&self, value: &T, what: &str) -> Result<Payload> {
        let json = Json::of(value)
            .map_err(|error| Error::new(ErrorKind::Invalid, format!("{what} has no JSON form")).because(error))?;
        self.floor().payload(&json).await.map_err(|error| error.context(format!("{what} can not be sent")))
    }
}

/// The answer to an approval; await it. Durable when it answers.
#[must_use = "nothing is answered before it is awaited"]
pub struct Answering {
    node: Arc<Node>,
    run: RunId,
    task: Option<Which>,
    number: Option<u32>,
    approved: bool,
    by: Option<Arc<str>>,
}

/// Which task is meant.
enum Which {
    Named(String),
    At(TaskIndex),
}

impl Answering {
    fn new(run: &Run, approved: bool) -> Self {
        Self { node: run.node().clone(), run: run.id(), task: None, number: None, approved, by: None }
    }

    /// It is this approval that is meant.
    pub fn approval(mut self, approval: ApprovalId) -> Self {
        (self.run, self.task, self.number) = (approval.run, Some(Which::At(approval.task)), Some(approval.number));
        self
    }

    /// It is the task of this name that is meant: its open approval, or else its next.
    pub fn task(mut self, name: impl Into<String>) -> Self {
        self.task = Some(Which::Named(name.into()));
        self
    }

    /// Says who answers, or why, in 4 KiB at most.
    pub fn by(mut self, by: impl Into<Arc<str>>) -> Self {
        self.by = Some(by.into());
        self
    }
}

impl IntoFuture for Answering {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'static, Result<()>>;

    /// # Errors
    ///
    /// `Conflict` if the run or the task has ended, if the approval has its answer, or if several are open and it was not
    /// said which is meant (the message names them); `NotFound` if there is no such run or task; `Unavailable` if nothing
    /// was answered; `Unknown` if that is not known.
    fn into_future(self) -> Self::IntoFuture {
        async move {
            let by = self.by.map(checked).transpose()?;
            let task = match self.task {
                Some(Which::Named(name)) => Some(self.node.partitions.task_named(self.run, &name).await?),
                Some(Which::At(task)) => Some(task),
                None => None,
            };
            let (id, number, approved) = (crate::chance::timed_id(), self.number, self.approved);
            self.node.partitions.answer(self.run, Answer::Approval { id, task, number, approved, by }).await
        }
        .boxed()
    }
}

/// What somebody knows of an effect. Durable when it answers.
#[must_use = "nothing is decided before it is said whether it happened"]
pub struct Deciding {
    node: Arc<Node>,
    effect: EffectId,
    by: Option<Arc<str>>,
}

impl Deciding {
    /// Says who decides, or why, in 4 KiB at most.
    pub fn by(mut self, by: impl Into<Arc<str>>) -> Self {
        self.by = Some(by.into());
        self
    }

    /// It happened, with this result: what the effect would have given back. `()` if that is nothing.
    ///
    /// # Errors
    ///
    /// `Conflict` if its outcome is not unknown (any more); `NotFound` if there is no such run or task; `Invalid` for a
    /// result without a JSON form; `Unavailable` if nothing was decided; `Unknown` if that is not known.
    pub async fn happened<T: Serialize>(self, result: &T) -> Result<()> {
        let result = self.node.given(result, "the result of the effect").await?;
        self.decide(Decision::Happened(result)).await
    }

    /// It did not happen: it may run again.
    ///
    /// # Errors
    ///
    /// As [`happened`](Self::happened).
    pub async fn did_not_happen(self) -> Result<()> {
        self.decide(Decision::DidNotHappen).await
    }

    async fn decide(self, decision: Decision) -> Result<()> {
        let by = self.by.map(checked).transpose()?;
        let EffectId { run, task, call: key } = self.effect;
        self.node.partitions.answer(run, Answer::Effect { task, key, decision, by }).await
    }
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").field("run", &self.run).field("approved", &self.approved).finish_non_exhaustive()
    }
}

impl fmt::Debug for Deciding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deciding").field("effect", &self.effect).finish_non_exhaustive()
    }
}
