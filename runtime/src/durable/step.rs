//! Steps: code whose outcome is recorded.

use super::calls::{Key, Outcome, Turn, Waiting};
use super::json_of;
use crate::{Ctx, Error, Result, Retry};
use callboard_core::sabotage::{self, Sabotage};
use callboard_core::{Failure, Millis, Note, Payload, RunId, TaskIndex, TaskRef};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

impl Ctx {
    /// Runs `f` once and records what it comes to; whoever comes here again gets that back.
    ///
    /// The value is durable when this returns. Its key is the name and its occurrence in this [scope](Self::scope), fixed
    /// by this call and not by the first poll. **Until it is recorded the step may run more than once**: if the process
    /// dies between the effect and the record, the next activation runs it again. Where that matters, say more of it with
    /// [`effect`](Self::effect).
    ///
    /// `f` begins when the task is known to be its holder's own, which waits for the acceptance of the task to be durable and
    /// for no longer than that while nothing fails; with the store away it does not begin.
    ///
    /// An error of `f` is the error of this call for the rest of the attempt, also after a restart; the next attempt runs
    /// the step again.
    ///
    /// # Errors
    ///
    /// That of `f`; of class `Diverged` if what is recorded is no `T`; `Cancelled` if the task was cancelled or its
    /// activation is over.
    pub fn step<T, F, R>(&self, name: impl AsRef<str>, f: F) -> impl Future<Output = Result<T>> + Send
    where
        T: Serialize + DeserializeOwned + Send,
        F: FnOnce() -> R + Send,
        R: Future<Output = Result<T>> + Send,
    {
        let call = self.waiting("step", name.as_ref());
        async move {
            let call = call.polled();
            if let Turn::Outcome(outcome) = call.turn().await?
                && !sabotage::is(Sabotage::RecordedStepsIgnored)
            {
                return outcome.read(&call.key);
            }
            call.ours().await?;
            let result = {
                let _running = call.calls.running();
                call.calls.runs(&call.key);
                call.calls.in_step(&call.key, f()).await
            };
            record(&call, result).await
        }
    }

    /// Runs `f` until it succeeds, its error is not retryable, or `retry` is spent, and records what that comes to.
    ///
    /// The waits between the tries are not durable: the task keeps its instance, and a restart begins with the first try.
    /// Everything else is as for [`step`](Self::step).
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step), with the error of the last try.
    pub fn step_retry<T, F, R>(
        &self,
        name: impl AsRef<str>,
        retry: Retry,
        mut f: F,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: Serialize + DeserializeOwned + Send,
        F: FnMut() -> R + Send,
        R: Future<Output = Result<T>> + Send,
    {
        let call = self.waiting("step", name.as_ref());
        let task = self.task_ref();
        async move {
            let mut running = None;
            let mut tried = 0;
            let result = loop {
                if let Turn::Outcome(outcome) = call.turn().await? {
                    return outcome.read(&call.key);
                }
                call.ours().await?;
                running.get_or_insert_with(|| call.calls.running());
                tried += 1;
                call.calls.runs(&call.key);
                let error = match call.calls.in_step(&call.key, f()).await {
                    Ok(value) => break Ok(value),
                    Err(error) => error,
                };
                let failure = error.failure();
                let Some(delay) = retry.delay(task, tried, &failure) else { break Err(error) };
                tracing::debug!(%task, key = %call.key, tried, ?delay, error = %failure, "the step is tried again");
                tokio::time::sleep(delay).await;
            };
            drop(running);
            record(&call, result).await
        }
    }

    /// What time it is, recorded: whoever comes here again gets the same moment.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step).
    pub fn now(&self) -> impl Future<Output = Result<SystemTime>> + Send {
        let call = self.waiting("now", "");
        let clock = self.clock();
        async move {
            let Millis(at) = match call.turn().await? {
                Turn::Outcome(outcome) => outcome.read(&call.key)?,
                Turn::Go(_) => record(&call, Ok(clock.now())).await?,
            };
            Ok(UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or(0)))
        }
    }

    /// A number that looks random and is the same for whoever comes here again: it is derived from the task and from how
    /// often this was called in this scope. Costs nothing, and is no secret.
    pub fn random(&self) -> u64 {
        let key = self.key("random", "");
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.derived("callboard 2026 random number of a task", &key)[..8]);
        u64::from_le_bytes(bytes)
    }

    /// 32 bytes that only this call of this task has.
    pub(super) fn derived(&self, purpose: &'static str, key: &Key) -> [u8; 32] {
        let TaskRef { run, task: TaskIndex(index) } = self.task_ref();
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        hasher.update(RunId::as_bytes(&run));
        hasher.update(&index.to_le_bytes());
        hasher.update(key.as_bytes());
        *hasher.finalize().as_bytes()
    }

    /// Says how far the task is, in words or numbers of your own: whoever looks at the run sees it.
    ///
    /// Nobody waits for it to be durable, and of several at once only the last is kept. What is played back says nothing.
    ///
    /// # Errors
    ///
    /// `Invalid` for what has no JSON form, or one of more than 4 KiB.
    pub fn progress(&self, progress: impl Serialize) -> Result<()> {
        let json = json_of(&progress, "the progress")?;
        let (seen, limit) = (json.as_str().len(), PROGRESS_BYTES_MAX);
        if seen > limit {
            return Err(Error::invalid(format!(
                "the progress takes {seen} bytes, more than the limit of {limit} (progress_bytes_max)"
            )));
        }
        self.calls().set_progress(json);
        Ok(())
    }
}

/// The longest progress in bytes: it is kept with the task and told with its events.
const PROGRESS_BYTES_MAX: usize = 4 << 10;

/// Has the outcome of a call recorded, and gives back what is recorded.
pub(super) async fn record<T: Serialize + DeserializeOwned>(call: &Waiting, result: Result<T>) -> Result<T> {
    let is_of_another = result.as_ref().err().is_some_and(Error::is_of_another);
    let note = match result.and_then(|value| json_of(&value, &call.key)) {
        Ok(json) => Note::Value(call.key.clone(), Payload::Json(json)),
        Err(error) => failed(&call.key, error.into_failure()),
    };
    call.calls.want(note)?;
    let recorded = call.outcome().await?.read(&call.key);
    recorded.map_err(|error| if is_of_another { error.of_another() } else { error })
}

pub(super) fn failed(key: &Key, failure: Failure) -> Note {
    Note::Failed { key: key.clone(), failure, unsure: false }
}

impl Outcome {
    /// Whether the call has a value.
    pub(crate) fn is_value(&self) -> bool {
        matches!(self, Self::Value(_))
    }
}
