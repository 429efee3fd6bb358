//! Children: tasks that a handler asks of others.

use super::calls::{Key, Mark, Outcome, Turn, Waiting, diverged};
use crate::task::{author, literal};
use crate::{Ctx, Error, ErrorKind, In, Priority, Requirement, Result, Retry, Task};
use callboard_core::{Child as Asked, Json, Note, TaskIndex, TaskSpec, Timeouts};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

impl Ctx {
    /// Asks for a task and waits for its output; await the result.
    ///
    /// The task is a child: it belongs to the run of this one, is cancelled with it, and its output is durable for it. As
    /// urgent as this task, unless you say otherwise. While this task waits long its instance is free for others, so a
    /// task may call its own capability.
    pub fn call<T: Task>(&self, task: T) -> Calling<T::Output> {
        self.calling("call", T::CAPABILITY, author(&task))
    }

    /// Asks for a task without its types; as [`call`](Self::call).
    pub fn call_json(&self, capability: impl Into<String>, input: Json) -> Calling<Json> {
        self.calling("call", &capability.into(), Ok(literal(input)))
    }

    /// Asks for a task and goes on: await this for a handle once the task is there, and the handle for its output.
    ///
    /// A child that nobody waits for goes on when this task has completed; the run ends when all have.
    pub fn submit<T: Task>(&self, task: T) -> Submitting<T::Output> {
        Submitting(self.calling("submit", T::CAPABILITY, author(&task)))
    }

    pub(super) fn calling<O>(&self, kind: &str, capability: &str, input: Result<Json>) -> Calling<O> {
        let call = self.waiting(kind, capability);
        let asked = input.map(|input| asked(call.key.clone(), capability, input));
        Calling { call, asked, output: PhantomData }
    }
}

/// A task to be asked for.
pub(super) fn asked(key: Key, capability: &str, input: Json) -> Asked {
    let hash = Some(hash_of(capability, &input));
    Asked { key, alias: None, hash, priority: None, spec: TaskSpec::new("", capability, input) }
}

/// The hash of a request, which does not depend on the order of the members of its objects.
fn hash_of(capability: &str, input: &Json) -> Arc<str> {
    let canonical = serde_json::from_str::<serde_json::Value>(input.as_str()).map(|value| value.to_string());
    let mut hasher = blake3::Hasher::new_derive_key("callboard 2026 request of a child");
    hasher.update(&(capability.len() as u64).to_le_bytes());
    hasher.update(capability.as_bytes());
    hasher.update(canonical.unwrap_or_else(|_| input.as_str().to_owned()).as_bytes());
    hasher.finalize().to_hex()[..32].into()
}

/// A task that is asked for; await it for its output.
#[must_use = "nothing is asked for before it is awaited"]
pub struct Calling<O> {
    pub(super) call: Waiting,
    asked: Result<Asked>,
    output: PhantomData<fn() -> O>,
}

impl<O> Calling<O> {
    fn change(mut self, change: impl FnOnce(&mut Asked)) -> Self {
        if let Ok(asked) = &mut self.asked {
            change(asked);
        }
        self
    }

    /// Says when a failed attempt is followed by another.
    pub fn retry(self, retry: Retry) -> Self {
        self.change(|asked| asked.spec.retry = Some(retry))
    }

    /// Says how urgent it is; as urgent as its parent by default.
    pub fn priority(self, priority: Priority) -> Self {
        self.change(|asked| asked.priority = Some(priority))
    }

    /// Limits each attempt; time in which it is parked does not count.
    pub fn timeout(self, limit: Duration) -> Self {
        let timeouts =
            Timeouts { attempt_ms: Some(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)), ..Timeouts::default() };
        self.change(|asked| asked.spec.timeouts = timeouts)
    }

    /// Says what the agent that performs it must have; see [`Node::requires`](crate::Node::requires).
    pub fn requires(self, requirement: Requirement) -> Self {
        self.change(|asked| asked.spec.requires.add(requirement))
    }

    /// Starts it only when the task of this name in the run has completed, too.
    ///
    /// Where tasks would wait for one another for ever, the call fails with the whole cycle in its message, or the least
    /// urgent task on the cycle does: see [`Settings::on_cycle`](crate::Settings::on_cycle).
    pub fn after(self, task: impl Into<String>) -> Self {
        let task = task.into();
        self.change(|asked| asked.spec.after.push(task))
    }

    /// Starts it only when this other child has completed, too.
    pub fn after_child<P>(self, child: &Child<P>) -> Self {
        let name = child.reference();
        self.after(name)
    }

    /// Asks for it, and waits until that is durable.
    async fn submitted(call: &Waiting, asked: Result<Asked>) -> Result<Turn> {
        let asked = asked?;
        let hash = asked.hash.clone();
        let turn = match call.turn_or_mark().await? {
            Turn::Go(None) => {
                call.calls.want(Note::Children(vec![asked]))?;
                call.news(|mark| matches!(mark, Mark::Submitted { .. })).await?
            }
            turn => turn,
        };
        check(call, turn, hash.as_ref())
    }
}

/// Whether what is recorded of a call was asked for with the same request.
fn check(call: &Waiting, turn: Turn, hash: Option<&Arc<str>>) -> Result<Turn> {
    match call.calls.mark(&call.key) {
        Some(Mark::Submitted { hash: Some(recorded), .. }) if Some(&recorded) != hash => Err(diverged(format!(
            "the call {:?} is recorded with another request: the code has changed, or is not deterministic",
            call.key
        ))),
        _ => Ok(turn),
    }
}

impl<O: DeserializeOwned + 'static> IntoFuture for Calling<O> {
    type Output = Result<O>;
    type IntoFuture = BoxFuture<'static, Result<O>>;

    /// # Errors
    ///
    /// That of the child's last attempt, with its class; `Diverged` if another request is recorded under its key, or an
    /// output that is no `O`; `Invalid` for what can not be asked for; `Cancelled` if a task was cancelled or the
    /// activation is over. It holds for this attempt: the next one asks again.
    fn into_future(self) -> Self::IntoFuture {
        async move {
            let Self { call, asked, .. } = self;
            match Self::submitted(&call, asked).await? {
                Turn::Outcome(outcome) => outcome.read(&call.key),
                Turn::Go(_) => call.outcome().await?.read(&call.key),
            }
            .map_err(Error::of_another)
        }
        .boxed()
    }
}

/// A task that is submitted; await it for a handle.
#[must_use = "nothing is submitted before it is awaited"]
pub struct Submitting<O>(Calling<O>);

impl<O> Submitting<O> {
    /// Changes what is said of it, as for [`Ctx::call`].
    pub fn with(self, change: impl FnOnce(Calling<O>) -> Calling<O>) -> Self {
        Self(change(self.0))
    }
}

impl<O: 'static> IntoFuture for Submitting<O> {
    type Output = Result<Child<O>>;
    type IntoFuture = BoxFuture<'static, Result<Child<O>>>;

    /// # Errors
    ///
    /// `Diverged` if another request is recorded under its key; the reason why it can not be submitted; `Cancelled`.
    fn into_future(self) -> Self::IntoFuture {
        async move {
            let Calling { call, asked, .. } = self.0;
            let turn = Calling::<O>::submitted(&call, asked).await?;
            match (call.calls.mark(&call.key), turn) {
                (Some(Mark::Submitted { child, .. }), _) => Ok(Child { call, child, output: PhantomData }),
                // It was refused, and that is recorded.
                (_, Turn::Outcome(Outcome::Failed(failure))) => Err(super::calls::error_of(failure)),
                _ => Err(Error::new(ErrorKind::Corrupt, "a child has an outcome and was never submitted")),
            }
        }
        .boxed()
    }
}

/// A child that goes on by itself; await it for its output. Dropping it cancels nothing.
pub struct Child<O> {
    call: Waiting,
    child: TaskIndex,
    output: PhantomData<fn() -> O>,
}

impl<O> Child<O> {
    /// What stands for its output in the input of another task.
    pub fn out(&self) -> In<O> {
        In::from_task(self.reference())
    }

    fn reference(&self) -> String {
        format!("#{}", self.child)
    }

    /// Cancels it, with everything that it has asked for. Waits for nothing.
    pub fn cancel(self) {
        self.call.calls.withdraw(vec![self.call.key.clone()]);
    }
}

impl<O: DeserializeOwned + 'static> IntoFuture for Child<O> {
    type Output = Result<O>;
    type IntoFuture = BoxFuture<'static, Result<O>>;

    /// # Errors
    ///
    /// As for [`Calling`].
    fn into_future(self) -> Self::IntoFuture {
        async move { self.call.outcome().await?.read(&self.call.key).map_err(Error::of_another) }.boxed()
    }
}

impl<O> fmt::Debug for Calling<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Calling").field(&self.call.key).finish()
    }
}

impl<O> fmt::Debug for Submitting<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Submitting").field(&self.0.call.key).finish()
    }
}

impl<O> fmt::Debug for Child<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Child").field(&self.call.key).finish()
    }
}
