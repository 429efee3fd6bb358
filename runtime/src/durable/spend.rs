//! Calls that cost something: reserved before they are made, and settled with what they came to.

use super::calls::{Mark, Turn, Waiting};
use super::json_of;
use crate::{Cost, Ctx, Error, Result};
use callboard_core::{Note, Payload, Wait};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a call came to, and what it has really cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent<T> {
    /// Its value.
    pub value: T,
    /// What it has cost.
    pub cost: Cost,
}

impl Ctx {
    /// Runs `f` once when the budget of the run has room for `at_most`, and records what it comes to together with what
    /// it has really cost. For everything else it is a [`step`](Self::step).
    ///
    /// `at_most` is reserved, durably, before `f` begins: so calls that run side by side never spend more together than the
    /// budget, but by what one has cost beyond its own reservation. Where there is no room the call waits, first come first
    /// served, until others cost less than they have reserved or [somebody adds to the budget](crate::Run::top_up); a call
    /// that costs more than the whole budget waits for that, too. The task is parked meanwhile, as for any long wait.
    ///
    /// What `f` ends with an error has cost what the error [says](Error::costing), or else all that was reserved; so has a
    /// call that is cut short (a crash, a loss, a cancellation): the money may be gone. Its next try is reserved anew.
    ///
    /// Guards and limits go around it, for a handler that is parked within it is charged what was reserved:
    /// `ctx.guard("llm:groq", || ctx.spend(..))`.
    ///
    /// In a run without a budget nothing waits, and what is spent is counted all the same.
    ///
    /// # Errors
    ///
    /// That of `f`; `Invalid` if `at_most` can not be counted; of class `Diverged` if what is recorded is no `T`;
    /// `Cancelled` if the task was cancelled or its activation is over.
    pub fn spend<T, F, R>(&self, name: impl AsRef<str>, at_most: Cost, f: F) -> impl Future<Output = Result<T>> + Send
    where
        T: Serialize + DeserializeOwned + Send,
        F: FnOnce() -> R + Send,
        R: Future<Output = Result<Spent<T>>> + Send,
    {
        let call = self.waiting("spend", name.as_ref());
        async move {
            let cost = at_most.said()?;
            let is_reserved = |mark: &Mark| *mark == Mark::Reserved;
            if let Turn::Outcome(outcome) = reserved(&call, cost, is_reserved).await? {
                return outcome.read(&call.key);
            }
            call.ours().await?;
            let result = {
                let _running = call.calls.running();
                call.calls.runs(&call.key);
                f().await
            };
            call.calls.want(settled(&call, cost, result))?;
            call.outcome().await?.read(&call.key)
        }
    }
}

/// Waits until there is an outcome, or the call is reserved.
async fn reserved(call: &Waiting, cost: callboard_core::Cost, is_reserved: impl Fn(&Mark) -> bool) -> Result<Turn> {
    match call.turn().await? {
        Turn::Go(Some(Mark::Reserved)) => return Ok(Turn::Go(Some(Mark::Reserved))),
        Turn::Outcome(outcome) => return Ok(Turn::Outcome(outcome)),
        Turn::Go(Some(Mark::Waits)) => {}
        Turn::Go(_) => {
            let wait = Wait::Budget { cost, until: None };
            call.calls.want(Note::Wait { key: call.key.clone(), wait, limit: None })?;
        }
    }
    call.news(is_reserved).await
}

/// What a call came to, with what it cost. A cost that can not be counted is as much as was reserved: the value is there, and
/// to make the call again would cost once more.
fn settled<T: Serialize>(call: &Waiting, at_most: callboard_core::Cost, result: Result<Spent<T>>) -> Note {
    let key = call.key.clone();
    let counted = |cost: Result<callboard_core::Cost>| {
        cost.unwrap_or_else(|error| {
            tracing::warn!(%key, error = format!("{error:#}"), "what a call has cost can not be counted; what was reserved counts");
            at_most
        })
    };
    let (result, cost) = match result {
        Ok(Spent { value, cost }) => {
            let json = json_of(&value, &call.key);
            (json.map(Payload::Json).map_err(Error::into_failure), counted(cost.said()))
        }
        Err(mut error) => {
            let cost = error.take_cost().map_or(at_most, |cost| counted(cost.said()));
            (Err(error.into_failure()), cost)
        }
    };
    Note::Settled { key, result, cost }
}
