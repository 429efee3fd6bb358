//! Waits: for a moment, a signal, a person, or the others.

use super::calls::{Turn, Waiting};
use super::json_of;
use crate::{Ctx, Error, Result};
use callboard_core::{Json, Millis, Note, Wait};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::time::Duration;

/// Waits longer than this are known to be long.
const LONG: Duration = Duration::from_secs(1);

impl Ctx {
    /// Sleeps until `duration` has passed, over restarts, and without an instance if that is long.
    ///
    /// The moment is fixed when it is called for the first time: who comes here again sleeps for what is left.
    ///
    /// # Errors
    ///
    /// `Cancelled` if the task was cancelled or its activation is over.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = Result<()>> + Send + use<> {
        let call = self.waiting("sleep", "");
        async move {
            let wait = Wait::Sleep { until: Millis::default() };
            wait_for::<Option<()>>(&call, wait, Some(duration), duration > LONG).await.map(drop)
        }
    }

    /// Waits for a signal to the run; await the result. See [`Run::signal`](crate::Run::signal).
    ///
    /// Signals of a name are given out in the order in which they came, one to each who waits. One that came before
    /// anybody waited is kept.
    pub fn signal<T: DeserializeOwned>(&self, name: impl Into<String>) -> Signal<T> {
        let name = name.into();
        Signal { call: self.waiting("signal", &name), name, limit: None, value: PhantomData }
    }

    /// Asks a person, and waits for the answer: `true` for yes. Await the result. See
    /// [`Run::approve`](crate::Run::approve).
    ///
    /// Each approval of a task has a number of its own, from 1. An answer that came before it was asked for is kept.
    pub fn approval(&self, prompt: impl Into<String>) -> Approval {
        Approval { call: self.waiting("approval", ""), prompt: prompt.into(), limit: None }
    }

    /// Waits at a barrier until so many tasks of the run have come to one of this name; await the result.
    ///
    /// Each brings a value, which all of them get. A task that comes to a barrier of the same name again means the next
    /// round. Where the first limit of those who wait passes, the barrier opens for all with who is there.
    pub fn barrier<T: Serialize>(&self, name: impl Into<String>, parties: u32, value: &T) -> Barrier<T> {
        let call = self.waiting("barrier", &name.into());
        Barrier { brings: json_of(value, &call.key), call, parties, limit: None, value: PhantomData }
    }
}

/// Waits, and reads what came.
async fn wait_for<T: DeserializeOwned>(
    call: &Waiting,
    wait: Wait,
    limit: Option<Duration>,
    is_long: bool,
) -> Result<T> {
    if let Turn::Outcome(outcome) = call.turn().await? {
        return outcome.read(&call.key);
    }
    if is_long {
        call.calls.is_long(&call.key);
    }
    call.calls.want(Note::Wait { key: call.key.clone(), wait, limit })?;
    call.outcome().await?.read(&call.key)
}

/// A wait for a signal; await it.
#[must_use = "nothing is waited for before it is awaited"]
pub struct Signal<T> {
    call: Waiting,
    name: String,
    limit: Option<Duration>,
    value: PhantomData<fn() -> T>,
}

impl<T> Signal<T> {
    /// How long it waits, from the first time that it does; for ever, if that is not said.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for Signal<T> {
    type Output = Result<T>;
    type IntoFuture = BoxFuture<'static, Result<T>>;

    /// # Errors
    ///
    /// Of class `Timeout` if no signal came in time; `Diverged` if what came is no `T`; `Cancelled` if the task was
    /// cancelled or its activation is over.
    fn into_future(self) -> Self::IntoFuture {
        async move {
            let wait = Wait::Signal { name: self.name.as_str().into(), until: None };
            wait_for(&self.call, wait, self.limit, self.limit.is_none_or(|limit| limit > LONG)).await
        }
        .boxed()
    }
}

/// A question to a person; await it.
#[must_use = "nothing is asked before it is awaited"]
pub struct Approval {
    call: Waiting,
    prompt: String,
    limit: Option<Duration>,
}

/// The longest prompt in bytes.
const PROMPT_BYTES_MAX: usize = 4 << 10;

impl Approval {
    /// How long it waits, from the first time that it does; for ever, if that is not said.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }
}

impl IntoFuture for Approval {
    type Output = Result<bool>;
    type IntoFuture = BoxFuture<'static, Result<bool>>;

    /// # Errors
    ///
    /// Of class `Timeout` if there was no answer in time; `Invalid` for a prompt of more than 4 KiB; `Cancelled` if the
    /// task was cancelled or its activation is over.
    fn into_future(self) -> Self::IntoFuture {
        async move {
            let (seen, limit) = (self.prompt.len(), PROMPT_BYTES_MAX);
            if seen > limit {
                let message =
                    format!("the prompt takes {seen} bytes, more than the limit of {limit} (prompt_bytes_max)");
                return Err(Error::invalid(message));
            }
            let wait = Wait::Approval { prompt: self.prompt.as_str().into(), number: 0, until: None };
            wait_for(&self.call, wait, self.limit, true).await
        }
        .boxed()
    }
}

/// A wait for the others; await it.
#[must_use = "nobody comes to it before it is awaited"]
pub struct Barrier<T> {
    call: Waiting,
    parties: u32,
    brings: Result<Json>,
    limit: Option<Duration>,
    value: PhantomData<fn() -> T>,
}

/// Who has met at a barrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met<T> {
    /// Whether all have come in time. If not, some are missing.
    pub whole: bool,
    /// The names of the tasks that have come, in that order, each with what it brought.
    pub arrived: Vec<(String, T)>,
}

/// A barrier as it is recorded.
#[derive(Deserialize)]
struct MetAt<T> {
    whole: bool,
    arrived: Vec<(String, T)>,
}

/// What a task may bring to a barrier, in bytes: all who meet there get all of it.
const BROUGHT_BYTES_MAX: usize = 64 << 10;

impl<T> Barrier<T> {
    /// How long it waits for the others; for ever, if that is not said.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for Barrier<T> {
    type Output = Result<Met<T>>;
    type IntoFuture = BoxFuture<'static, Result<Met<T>>>;

    /// # Errors
    ///
    /// `Invalid` for a value without a JSON form or with one of more than 64 KiB; `Diverged` if what another task brought
    /// is no `T`; `Cancelled` if the task was cancelled or its activation is over.
    fn into_future(self) -> Self::IntoFuture {
        async move {
            let value = self.brings?;
            let (seen, limit) = (value.as_str().len(), BROUGHT_BYTES_MAX);
            if seen > limit {
                let message =
                    format!("what is brought to the barrier takes {seen} bytes, more than the limit of {limit} (barrier_bytes_max)");
                return Err(Error::invalid(message));
            }
            let name = self.call.key.clone();
            let wait = Wait::Barrier { name, parties: self.parties, value, until: None };
            let met: MetAt<T> = wait_for(&self.call, wait, self.limit, false).await?;
            Ok(Met { whole: met.whole, arrived: met.arrived })
        }
        .boxed()
    }
}

impl<T> fmt::Debug for Signal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signal").field(&self.call.key).finish()
    }
}

impl fmt::Debug for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Approval").field(&self.call.key).field(&self.prompt).finish()
    }
}

impl<T> fmt::Debug for Barrier<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Barrier").field(&self.call.key).finish()
    }
}
