//! Effects with a contract: what is promised of them decides what happens when nobody knows whether they happened.

use super::calls::{Mark, Turn, Waiting};
use super::json_of;
use super::step::record;
use crate::task::literal;
use crate::telemetry::convention::Operation;
use crate::telemetry::tracer;
use crate::{Ctx, Error, ErrorClass, ErrorKind, Result, Task};
use callboard_core::{Contract, Json, Note, Payload, TaskSpec};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use tracing::Instrument;

impl Ctx {
    /// A step with an effect outside that must not be repeated blindly: say what is promised of it, and [run](EffectStep::run)
    /// it.
    ///
    /// That it is about to run is durable before it does. If the process dies before its outcome is recorded, nobody knows
    /// whether it happened; what then follows is the contract:
    ///
    /// | contract | what follows |
    /// |---|---|
    /// | [`pure`](EffectStep::pure) | it runs again: it has no effect |
    /// | [`keyed`](EffectStep::keyed) | it runs again with the same [idempotency key](IdempotencyKey) |
    /// | [`checkable`](EffectStep::checkable) | its probe says whether it happened |
    /// | [`irreversible`](EffectStep::irreversible), the default | the task waits until a person [decides](crate::Callboard::decide) |
    ///
    /// With an [`undo`](EffectStep::undo) it is taken back when the run is cancelled or fails.
    pub fn effect<'a>(&self, name: impl AsRef<str>) -> EffectStep<'a> {
        let call = self.waiting("effect", name.as_ref());
        let derived = self.derived("callboard 2026 idempotency key of an effect", &call.key);
        let key = IdempotencyKey(blake3::Hash::from_bytes(derived).to_hex()[..32].into());
        EffectStep {
            site: Site { call, key },
            contract: Some(Contract::Irreversible),
            probe: None,
            look: None,
            undo: None,
        }
    }
}

/// Tells one effect from all others, and is the same in every attempt: for the other side, which does nothing twice under
/// one key. 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

type Probe<'a> = Box<dyn FnMut(Option<u64>) -> BoxFuture<'a, Result<Option<Json>>> + Send + 'a>;
type Look<'a> = Box<dyn FnMut() -> BoxFuture<'a, Option<u64>> + Send + 'a>;

/// An effect in the making.
#[must_use = "nothing happens before it is run"]
pub struct EffectStep<'a> {
    site: Site,
    /// `None` for what has no effect.
    contract: Option<Contract>,
    probe: Option<Probe<'a>>,
    /// Says before it begins behind what the probe is to look.
    look: Option<Look<'a>>,
    undo: Option<Result<TaskSpec>>,
}

/// Where an effect takes place.
struct Site {
    call: Waiting,
    key: IdempotencyKey,
}

impl<'a> EffectStep<'a> {
    /// Its key: the same in every attempt.
    pub(crate) fn key(&self) -> IdempotencyKey {
        self.site.key.clone()
    }

    /// It has no effect: it may run any number of times.
    pub fn pure(mut self) -> Self {
        self.contract = None;
        self
    }

    /// The other side does nothing twice under one idempotency key: hand it on.
    pub fn keyed(mut self) -> Self {
        self.contract = Some(Contract::Keyed);
        self
    }

    /// `probe` tells whether it happened: `Some` with its value if it did, `None` if it did not.
    ///
    /// An error of the probe fails the attempt; the next one asks again.
    pub fn checkable<T, F, R>(self, mut probe: F) -> Self
    where
        T: Serialize,
        F: FnMut() -> R + Send + 'a,
        R: Future<Output = Result<Option<T>>> + Send + 'a,
    {
        self.probed_by(move |_| probe())
    }

    /// The same with a probe that is told what `look` has said before the effect began, as far as it has said anything: there is
    /// nothing of it before that.
    pub(crate) fn checkable_behind<T, L, R>(
        mut self,
        mut look: impl FnMut() -> L + Send + 'a,
        probe: impl FnMut(Option<u64>) -> R + Send + 'a,
    ) -> Self
    where
        T: Serialize,
        L: Future<Output = Option<u64>> + Send + 'a,
        R: Future<Output = Result<Option<T>>> + Send + 'a,
    {
        self.look = Some(Box::new(move || look().boxed()));
        self.probed_by(probe)
    }

    fn probed_by<T, R>(mut self, mut probe: impl FnMut(Option<u64>) -> R + Send + 'a) -> Self
    where
        T: Serialize,
        R: Future<Output = Result<Option<T>>> + Send + 'a,
    {
        self.contract = Some(Contract::Checkable);
        self.probe = Some(Box::new(move |since| {
            let probed = probe(since);
            async move { probed.await?.map(|value| json_of(&value, "a probe")).transpose() }.boxed()
        }));
        self
    }

    /// Only a person can tell whether it happened. This is what holds if nothing else is said.
    pub fn irreversible(mut self) -> Self {
        self.contract = Some(Contract::Irreversible);
        self
    }

    /// The task that takes it back, when the run is cancelled or fails. It is durable before the effect runs, so it knows
    /// the idempotency key and not the result. Effects are undone in the reverse of their order, one after the other.
    ///
    /// An effect of which nobody knows whether it happened is undone if it is [`keyed`](Self::keyed), so an undo must
    /// bear that there is nothing to undo; else somebody has to decide first.
    pub fn undo<U: Task>(mut self, undo: impl FnOnce(&IdempotencyKey) -> U) -> Self {
        let undo = Json::of(&undo(&self.site.key)).map(|input| TaskSpec::new("", U::CAPABILITY, literal(input)));
        self.undo = Some(undo.map_err(|error| {
            Error::new(ErrorKind::Invalid, "the task that undoes the effect has no JSON form").because(error)
        }));
        self
    }

    /// Runs it, unless its outcome is recorded.
    ///
    /// An error of `f` with a contract says that it **may have happened**, unless it is [terminal](Error::terminal), says
    /// when to [try again](Error::retry_after), or is of a kind that says that nothing did (`Unavailable`, `Invalid`,
    /// `Conflict`, `NotFound`, `Denied`). An irreversible effect then waits for a person, and the others are settled by
    /// the next attempt.
    ///
    /// # Errors
    ///
    /// That of `f` or of the probe; of class `Diverged` if what is recorded, or was decided, is no `T`; `Cancelled` if the
    /// task was cancelled or its activation is over.
    pub async fn run<T, F, R>(self, mut f: F) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Send,
        F: FnMut(IdempotencyKey) -> R + Send,
        R: Future<Output = Result<T>> + Send,
    {
        let Self { site, contract, mut probe, mut look, undo } = self;
        let undo = undo.transpose()?;
        let Some(contract) = contract else { return site.run_pure(f).await };
        loop {
            match site.call.turn().await? {
                Turn::Outcome(outcome) => return outcome.read(&site.call.key),
                Turn::Go(Some(Mark::Unknown)) => {
                    // A person decides; that it did not happen lets it run again.
                    if let Turn::Outcome(outcome) = site.call.news(|mark| *mark == Mark::NotDone).await? {
                        return outcome.read(&site.call.key);
                    }
                }
                Turn::Go(Some(Mark::Begun { here: false, since })) => match contract {
                    Contract::Keyed => return site.perform(contract, &mut f).await,
                    Contract::Checkable => match site.probed(&mut probe, since).await? {
                        Some(json) => return site.recorded(json).await,
                        None => return site.perform(contract, &mut f).await,
                    },
                    Contract::Irreversible => site.unknown("its outcome was not recorded: it was cut short").await?,
                },
                Turn::Go(Some(Mark::Begun { here: true, .. })) => match site.attempt(contract, &mut f).await? {
                    Some(value) => return Ok(value),
                    None => continue,
                },
                Turn::Go(_) => {
                    let undo = undo.clone().map(Arc::new);
                    let since = site.looked(&mut look).await;
                    site.call.calls.want(Note::Begin { key: site.call.key.clone(), contract, undo, since })?;
                    let begun = site.call.news(|mark| matches!(mark, Mark::Begun { here: true, .. })).await?;
                    if let Turn::Outcome(outcome) = begun {
                        return outcome.read(&site.call.key);
                    }
                }
            }
        }
    }
}

impl Site {
    async fn run_pure<T, F, R>(self, mut f: F) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Send,
        F: FnMut(IdempotencyKey) -> R + Send,
        R: Future<Output = Result<T>> + Send,
    {
        if let Turn::Outcome(outcome) = self.call.turn().await? {
            return outcome.read(&self.call.key);
        }
        self.call.ours().await?;
        let result = {
            let _running = self.call.calls.running();
            self.call.calls.runs(&self.call.key);
            f(self.key.clone()).instrument(tracer::call(Operation::Tool, &self.call.key)).await
        };
        record(&self.call, result).await
    }

    /// Runs it where it may run again.
    async fn perform<T, F, R>(&self, contract: Contract, f: &mut F) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Send,
        F: FnMut(IdempotencyKey) -> R + Send,
        R: Future<Output = Result<T>> + Send,
    {
        match self.attempt(contract, f).await? {
            Some(value) => Ok(value),
            None => Err(Error::new(ErrorKind::Corrupt, "an effect that can be settled waits for a person")),
        }
    }

    /// Runs it; `None` if nobody knows what came of it and a person has to decide.
    async fn attempt<T, F, R>(&self, contract: Contract, f: &mut F) -> Result<Option<T>>
    where
        T: Serialize + DeserializeOwned + Send,
        F: FnMut(IdempotencyKey) -> R + Send,
        R: Future<Output = Result<T>> + Send,
    {
        // While we were on the way here somebody may have been told that nobody knows, and have decided.
        self.call.ours().await?;
        let result = {
            let _running = self.call.calls.running();
            self.call.calls.runs(&self.call.key);
            f(self.key.clone()).instrument(tracer::call(Operation::Tool, &self.call.key)).await
        };
        let error = match result {
            Ok(value) => {
                let json = json_of(&value, &self.call.key)?;
                return self.recorded(json).await.map(Some);
            }
            Err(error) => error,
        };
        let unsure = may_have_happened(&error);
        if unsure && contract == Contract::Irreversible {
            self.unknown(&format!("it ended with an error: {error:#}")).await?;
            return Ok(None);
        }
        let failed = Note::Failed { key: self.call.key.clone(), failure: error.into_failure(), unsure };
        self.call.calls.want(failed)?;
        self.call.outcome().await?.read(&self.call.key).map(Some)
    }

    async fn recorded<T: DeserializeOwned>(&self, json: Json) -> Result<T> {
        self.call.calls.want(Note::Value(self.call.key.clone(), Payload::Json(json)))?;
        self.call.outcome().await?.read(&self.call.key)
    }

    async fn looked(&self, look: &mut Option<Look<'_>>) -> Option<u64> {
        let _running = self.call.calls.running();
        look.as_mut()?().await
    }

    async fn probed(&self, probe: &mut Option<Probe<'_>>, since: Option<u64>) -> Result<Option<Json>> {
        let _running = self.call.calls.running();
        match probe {
            Some(probe) => probe(since).await,
            None => Ok(None),
        }
    }

    /// Says that nobody knows, and waits until that is recorded.
    async fn unknown(&self, reason: &str) -> Result<()> {
        let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
        self.call.calls.is_long(&self.call.key);
        self.call.calls.want(Note::Unknown { key: self.call.key.clone(), reason: reason.into() })?;
        self.call.news(|mark| matches!(mark, Mark::Unknown | Mark::NotDone)).await.map(drop)
    }
}

/// The longest reason why nobody knows, in characters.
const REASON_CHARS_MAX: usize = 1_000;

/// Whether an effect that ended with this error may have happened all the same.
fn may_have_happened(error: &Error) -> bool {
    let says_no = matches!(
        error.kind(),
        ErrorKind::Unavailable | ErrorKind::Invalid | ErrorKind::Conflict | ErrorKind::NotFound | ErrorKind::Denied
    );
    !says_no && !matches!(error.class(), ErrorClass::Terminal | ErrorClass::Retryable { after: Some(_) })
}

impl fmt::Debug for EffectStep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EffectStep")
            .field("key", &self.site.call.key)
            .field("contract", &self.contract)
            .finish_non_exhaustive()
    }
}
