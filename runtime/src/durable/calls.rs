//! The durable calls of one activation: what its handler has asked for, and what has come of it.
//!
//! It stands between the handler, which makes calls and polls their futures, and the driver, which gives it what is
//! recorded, one outcome at a time, and sends on what the handler wants to be recorded. While the record is played back
//! nothing is sent and no step runs.

mod table;
#[cfg(test)]
mod tests;
mod waiting;

pub(crate) use waiting::{Running, Waiting};

use super::key::{self, KEY_BYTES_MAX};
use super::root::Root;
use super::trap::{Sight, Witness, recorded_by};
use crate::telemetry::convention::Operation;
use crate::telemetry::tracer;
use crate::{Error, ErrorClass, ErrorKind, Result};
use callboard_core::{Entry, Failure, FailureClass, Json, Note, TaskIndex};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
pub(crate) use table::Given;
use table::{Call, Held, Table, keys, mark_of};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::Instrument;

/// The name of a call in the journal.
pub(crate) type Key = Arc<str>;

/// The calls of one activation.
#[derive(Debug)]
pub(crate) struct Calls {
    table: Mutex<Table>,
    /// Who is told what code runs, in a test.
    witness: Option<Witness>,
    /// Tells whoever keeps the lease that it is wanted.
    lease: Notify,
    /// When the activation began.
    began: Instant,
}

/// Why a handler is dropped before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It has taken too long, or was silent for too long.
    TimeIsUp,
    /// It is parked, its task was cancelled, or is not its own any more.
    Other,
}

/// Where an activation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// What was recorded is given back.
    Replaying,
    /// All of it was given back.
    Live,
    /// The task was cancelled: every call says so.
    Cancelled,
    /// The activation is over.
    Over,
}

/// How long a handler that waits is kept before it is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// A while: what it waits for may come soon.
    Short,
    /// Not at all: it is known to take long.
    None,
}

/// What is recorded of the beginning of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mark {
    /// A task was submitted.
    Submitted { child: TaskIndex, hash: Option<Arc<str>> },
    /// An effect was begun; `here` if that was in this activation. A probe looks behind `since`.
    Begun { here: bool, since: Option<u64> },
    /// Whether an effect happened is unknown.
    Unknown,
    /// An effect did not happen.
    NotDone,
    /// It waits.
    Waits,
    /// What it may cost is reserved.
    Reserved,
    /// What was reserved for it is not any more.
    Charged,
}

/// What a call came to.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Value(Json),
    Failed(Failure),
}

/// What a call that may have an outcome does next.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It came to this.
    Outcome(Outcome),
    /// Nothing is recorded of its outcome, and it may go on.
    Go(Option<Mark>),
}

impl Calls {
    pub(crate) fn new(witness: Option<Witness>) -> Self {
        let table = Table {
            phase: Phase::Live,
            occurrences: HashMap::new(),
            calls: HashMap::new(),
            awaited: HashSet::new(),
            outbox: Vec::new(),
            progress: None,
            running: 0,
            withdrawing: false,
            ours_until: None,
            wants_lease: false,
            delivered: 0,
            consumed: 0,
            given: Given::default(),
            is_peeking: false,
            held: HashMap::new(),
            in_step: None,
            cut: None,
            are_of_another: false,
        };
        Self { table: Mutex::new(table), witness, lease: Notify::new(), began: Instant::now() }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // For the handler.

    /// The key of a call that is made now.
    pub(crate) fn key(&self, scope: &str, kind: &str, name: &str) -> Key {
        let stem = key::stem(scope, kind, name);
        let mut table = self.lock();
        let n = table.occurrences.entry(stem.clone()).or_default();
        *n += 1;
        key::occurrence(stem, *n).into()
    }

    /// The key of a call by the order of first polls, which is wrong: see [`Sabotage::OccurrenceAtFirstPoll`].
    fn key_at_poll(&self, key: &Key) -> Key {
        let stem = key.split_once('#').map_or(&**key, |(stem, _)| stem);
        let mut table = self.lock();
        let n = table.occurrences.entry(format!("polled {stem}")).or_default();
        *n += 1;
        key::occurrence(stem.to_owned(), *n).into()
    }

    pub(crate) fn set_progress(&self, progress: Json) {
        let mut table = self.lock();
        if table.phase == Phase::Live {
            table.progress = Some(progress);
        }
    }

    /// Waits for the outcome of a call, or until it may go on: everything that is recorded was given back, and of this
    /// call there is nothing.
    pub(crate) fn poll_turn(&self, key: &Key, cx: &Context<'_>) -> Poll<Result<Turn>> {
        let mut table = self.lock();
        let phase = table.phase;
        let is_peeking = table.is_peeking;
        let call = table.made(key);
        let turn = match (phase, &call.outcome) {
            (Phase::Cancelled | Phase::Over, _) => Err(over(phase)),
            (_, Some(outcome)) => Ok(Turn::Outcome(outcome.clone())),
            (Phase::Live, None) if !is_peeking => Ok(Turn::Go(call.mark.clone())),
            (Phase::Live | Phase::Replaying, None) => {
                table.waits(key, cx);
                return Poll::Pending;
            }
        };
        table.gives(key, &turn);
        Poll::Ready(turn)
    }

    /// Whether what leaves no record may begin now: everything that is recorded was given back.
    ///
    /// # Errors
    ///
    /// `Cancelled` if the activation is over or its task was cancelled.
    pub(crate) fn may_begin(&self) -> Result<bool> {
        let table = self.lock();
        match table.phase {
            Phase::Live => Ok(!table.is_peeking),
            Phase::Replaying => Ok(false),
            phase => Err(over(phase)),
        }
    }

    /// Waits until the task is known to be the handler's own: what a step or an effect does must not begin while another
    /// holder may have done and recorded it.
    pub(crate) fn poll_ours(&self, key: &Key, cx: &Context<'_>) -> Poll<Result<()>> {
        let mut table = self.lock();
        let phase = table.phase;
        if matches!(phase, Phase::Cancelled | Phase::Over) {
            return Poll::Ready(Err(over(phase)));
        }
        if table.is_ours() && !table.is_peeking {
            table.rest(key);
            return Poll::Ready(Ok(()));
        }
        table.waits(key, cx);
        table.wants_lease = !table.is_ours();
        self.lease.notify_one();
        Poll::Pending
    }

    /// Waits until a call has an outcome, or has been marked in a way that `until` wants to hear of.
    pub(crate) fn poll_news(&self, key: &Key, cx: &Context<'_>, until: impl Fn(&Mark) -> bool) -> Poll<Result<Turn>> {
        let mut table = self.lock();
        let phase = table.phase;
        let call = table.made(key);
        let turn = match (phase, &call.outcome) {
            (Phase::Cancelled | Phase::Over, _) => Err(over(phase)),
            (_, Some(outcome)) => Ok(Turn::Outcome(outcome.clone())),
            (_, None) if call.mark.as_ref().is_some_and(until) => Ok(Turn::Go(call.mark.clone())),
            (_, None) => {
                table.waits(key, cx);
                return Poll::Pending;
            }
        };
        table.gives(key, &turn);
        Poll::Ready(turn)
    }

    /// Waits until a gate that has turned a call away is worth another try. The handler may be parked meanwhile.
    pub(crate) fn poll_held(
        &self,
        key: &Key,
        gate: &Arc<str>,
        has_begun: &mut bool,
        cx: &Context<'_>,
    ) -> Poll<Result<()>> {
        let mut table = self.lock();
        let phase = table.phase;
        if matches!(phase, Phase::Cancelled | Phase::Over) {
            return Poll::Ready(Err(over(phase)));
        }
        if std::mem::replace(has_begun, true) && !table.held.contains_key(key) {
            table.rest(key);
            return Poll::Ready(Ok(()));
        }
        let step = table.in_step.clone();
        table.held.entry(key.clone()).or_insert_with(|| Held { gate: gate.clone(), step });
        table.made(key).is_long = true;
        table.waits(key, cx);
        Poll::Pending
    }

    /// Polls the code of a step: what it comes to meanwhile is of that step.
    pub(crate) async fn in_step<F: Future>(&self, key: &Key, code: F) -> F::Output {
        let mut code = std::pin::pin!(code.instrument(tracer::call(Operation::Step, key)));
        std::future::poll_fn(|cx| {
            let before = self.lock().in_step.replace(key.clone());
            let polled = code.as_mut().poll(cx);
            self.lock().in_step = before;
            polled
        })
        .await
    }

    /// Notes that what a call waits for is known to take long.
    pub(crate) fn is_long(&self, key: &Key) {
        self.lock().calls.entry(key.clone()).or_default().is_long = true;
    }

    /// What is recorded of the beginning of a call.
    pub(crate) fn mark(&self, key: &Key) -> Option<Mark> {
        self.lock().calls.get(key).and_then(|call| call.mark.clone())
    }

    /// Wants something to be recorded.
    ///
    /// # Errors
    ///
    /// `Cancelled` if the activation is over or its task was cancelled; `Invalid` for a key that is too long.
    pub(crate) fn want(&self, note: Note) -> Result<()> {
        let longest = keys(&note).into_iter().map(|key| key.len()).max().unwrap_or_default();
        if longest > KEY_BYTES_MAX {
            let message = format!(
                "the key of a durable call takes {longest} bytes with its scopes, more than the limit of {KEY_BYTES_MAX}"
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let mut table = self.lock();
        match table.phase {
            Phase::Live | Phase::Replaying => {
                for key in recorded_by(&note) {
                    table.made(key);
                }
                if !table.is_peeking {
                    table.outbox.push(note);
                }
                Ok(())
            }
            phase => Err(over(phase)),
        }
    }

    /// Notes that the code of a step runs, until what it gives is dropped.
    pub(crate) fn running(self: &Arc<Self>) -> Running {
        let mut table = self.lock();
        table.running += 1;
        table.given.fresh += 1;
        Running(self.clone())
    }

    /// How much the handler has been given so far.
    pub(crate) fn given(&self) -> Given {
        self.lock().given
    }

    /// The code of this step runs now.
    pub(crate) fn runs(&self, key: &Key) {
        if let Some(witness) = &self.witness {
            witness.saw(Sight::Runs(key));
        }
    }

    /// Polls something, and tells the number of the last outcome that it was given, 0 if it was given none.
    pub(crate) fn consuming<T>(&self, poll: impl FnOnce() -> T) -> (T, u64) {
        let before = std::mem::take(&mut self.lock().consumed);
        let polled = poll();
        let mut table = self.lock();
        let consumed = table.consumed;
        table.consumed = before.max(consumed);
        (polled, consumed)
    }

    /// The same for something that is to begin nothing.
    pub(crate) fn peeking<T>(&self, poll: impl FnOnce() -> T) -> (T, u64) {
        let before = std::mem::replace(&mut self.lock().is_peeking, true);
        let polled = self.consuming(poll);
        self.lock().is_peeking = before;
        polled
    }

    /// Which of the outcomes that were delivered is that of this call.
    pub(crate) fn number(&self, key: &Key) -> u64 {
        self.lock().calls.get(key).map_or(0, |call| call.number)
    }

    /// Drops `what`, and takes back the calls that end with it.
    pub(crate) fn withdrawing<T>(&self, what: T) {
        self.lock().withdrawing = true;
        drop(what);
        self.lock().withdrawing = false;
    }

    /// Takes calls back: children are cancelled, waits withdrawn, what was not sent is not sent.
    pub(crate) fn withdraw(&self, keys: Vec<Key>) {
        let mut table = self.lock();
        table.withdraw(keys);
    }

    /// When the activation began.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// Why the handler is being dropped, if it is.
    pub(crate) fn cut(&self) -> Option<Cut> {
        self.lock().cut
    }

    /// It was somebody else for whom the handler has waited in vain.
    pub(crate) fn are_of_another(&self) {
        self.lock().are_of_another = true;
    }

    /// Nobody waits for a call any more.
    pub(crate) fn dropped(&self, key: &Key) {
        let mut table = self.lock();
        table.held.remove(key);
        table.rest(key);
        let is_open = table.calls.get(key).is_some_and(|call| call.outcome.is_none());
        if is_open && table.withdrawing {
            table.withdraw(vec![key.clone()]);
        }
    }

    // For the driver.

    /// Begins a playback: nothing is sent and no step runs until it is over.
    pub(crate) fn replay(&self) {
        self.lock().phase = Phase::Replaying;
    }

    /// The task is the handler's own until then: what waits for that may begin.
    pub(crate) fn is_ours(&self, until: Instant) {
        let mut table = self.lock();
        table.ours_until = Some(until);
        if table.is_ours() && std::mem::take(&mut table.wants_lease) {
            table.wake_all();
        }
    }

    /// Waits until a step waits for the task to be the handler's own.
    pub(crate) async fn wants_lease(&self) {
        while !self.lock().wants_lease {
            self.lease.notified().await;
        }
    }

    /// The gate at which a call of the handler waits, if one does.
    pub(crate) fn gate(&self) -> Option<Arc<str>> {
        self.lock().held.values().next().map(|held| held.gate.clone())
    }

    /// Whatever waits at a gate tries again.
    pub(crate) fn try_gates(&self) {
        let mut table = self.lock();
        for key in std::mem::take(&mut table.held).into_keys() {
            if let Some(waker) = table.calls.get_mut(&key).and_then(|call| call.waker.take()) {
                waker.wake();
            }
        }
    }

    /// Everything that was recorded has been given back: calls may go on.
    pub(crate) fn go_live(&self) {
        let mut table = self.lock();
        if table.phase == Phase::Replaying {
            table.phase = Phase::Live;
            table.wake_all();
        }
    }

    /// Gives the handler one entry; true if that is anything it can see. An outcome comes with it, its value fetched.
    pub(crate) fn deliver(&self, entry: &Entry, outcome: Option<Outcome>) -> bool {
        let mut table = self.lock();
        let here = table.phase == Phase::Live;
        table.delivered += 1;
        let number = table.delivered;
        let call = table.calls.entry(entry.key.clone()).or_default();
        match (mark_of(&entry.what, here), outcome) {
            (Some(mark), _) => call.mark = Some(mark),
            // What a call came to first is what its handler has seen.
            (None, Some(outcome)) if call.outcome.is_none() => {
                (call.outcome, call.number, call.is_replayed) = (Some(outcome), number, !here);
            }
            (None, _) => {}
        }
        match call.waker.take() {
            Some(waker) => {
                waker.wake();
                true
            }
            None => false,
        }
    }

    /// Notes an entry that the handler has not waited for: it has ended.
    pub(crate) fn untold(&self, entry: &Entry) {
        let mut table = self.lock();
        let call = table.calls.entry(entry.key.clone()).or_default();
        call.mark = mark_of(&entry.what, false);
        // An outcome leaves nothing to be taken back.
        call.is_asked &= call.mark.is_some();
    }

    /// What the handler wants to be recorded and is not, and how far it says that it is.
    pub(crate) fn take_outbox(&self) -> (Vec<Note>, Option<Json>) {
        let mut table = self.lock();
        let outbox = std::mem::take(&mut table.outbox);
        let wanted: Vec<Note> = outbox.into_iter().filter_map(|note| table.still_wanted(note)).collect();
        table.sent(&wanted);
        (wanted, table.progress.take())
    }

    /// What is to be taken back, of all that the handler wants: it has ended, so nothing else counts any more.
    pub(crate) fn take_withdrawals(&self) -> Vec<Note> {
        let mut table = self.lock();
        let outbox = std::mem::take(&mut table.outbox);
        let withdrawals = outbox.into_iter().filter(|note| matches!(note, Note::Withdraw(_)));
        withdrawals.filter_map(|note| table.still_wanted(note)).collect()
    }

    /// Every call says from now on that the task was cancelled; false if the handler waits for none, and so would not
    /// hear of it.
    pub(crate) fn cancel(&self) -> bool {
        let mut table = self.lock();
        let heard = !table.awaited.is_empty();
        table.phase = Phase::Cancelled;
        table.outbox.clear();
        table.wake_all();
        heard
    }

    /// The handler is going to be dropped.
    pub(crate) fn is_cut(&self, cut: Cut) {
        self.lock().cut = Some(cut);
    }

    /// Whether somebody else is to blame for how it has ended.
    pub(crate) fn were_of_another(&self) -> bool {
        self.lock().are_of_another
    }

    /// The activation is over.
    pub(crate) fn end(&self) {
        let mut table = self.lock();
        table.phase = Phase::Over;
        table.outbox.clear();
        table.wake_all();
    }

    /// Whether the handler has made this call.
    #[cfg(feature = "test")]
    pub(crate) fn is_made(&self, key: &Key) -> bool {
        self.lock().calls.get(key).is_some_and(|call| call.is_made)
    }

    /// What the handler wants and nothing is recorded of, in order of the keys.
    #[cfg(feature = "test")]
    pub(crate) fn unrecorded(&self) -> Vec<Key> {
        let (wanted, _progress) = self.take_outbox();
        let mut keys: Vec<Key> = wanted.iter().flat_map(recorded_by).cloned().collect();
        let table = self.lock();
        let is_new = |call: &Call| call.mark.is_none() && call.outcome.is_none();
        keys.extend(table.awaited().filter(|(_, call)| is_new(call)).map(|(key, _)| key.clone()));
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Whether the handler waits for anything but durable calls.
    #[cfg(feature = "test")]
    pub(crate) fn waits_for_others(&self, root: &Root) -> bool {
        root.kept() != self.lock().kept_of(root)
    }

    /// Whether everything that the handler waits for is durable, so that it may be parked, and how soon.
    pub(crate) fn can_park(&self, root: &Root) -> Option<Patience> {
        let table = self.lock();
        if table.awaited.is_empty()
            || table.running > table.held_steps()
            || !table.outbox.is_empty()
            || table.phase != Phase::Live
        {
            return None;
        }
        let is_durable = |call: &Call| {
            matches!(call.mark, Some(Mark::Submitted { .. } | Mark::Waits | Mark::Unknown)) && call.outcome.is_none()
        };
        let ours = table.kept_of(root);
        let patience = if table.awaited().all(|(_, call)| call.is_long) { Patience::None } else { Patience::Short };
        (table.awaited().all(|(key, call)| is_durable(call) || table.held.contains_key(key)) && root.kept() == ours)
            .then_some(patience)
    }
}

/// Why a call comes to nothing.
fn over(phase: Phase) -> Error {
    match phase {
        Phase::Cancelled => Error::new(ErrorKind::Cancelled, "the task was cancelled"),
        _ => Error::new(ErrorKind::Cancelled, "the activation of this context is over"),
    }
}

impl Outcome {
    /// The value as the handler's type.
    ///
    /// # Errors
    ///
    /// The failure that was recorded; of class `Diverged` if the value is of another type.
    pub(crate) fn read<T: serde::de::DeserializeOwned>(self, key: &Key) -> Result<T> {
        match self {
            Self::Value(json) => serde_json::from_str(json.as_str()).map_err(|error| {
                let type_name = std::any::type_name::<T>();
                diverged(format!("what is recorded under {key:?} is no {type_name}")).because(error)
            }),
            Self::Failed(failure) => Err(error_of(failure)),
        }
    }
}

/// The code no longer matches what it has recorded.
pub(crate) fn diverged(message: String) -> Error {
    Error::new(ErrorKind::Conflict, message).classed(ErrorClass::Diverged)
}

/// A recorded failure as the error that it was.
pub(crate) fn error_of(failure: Failure) -> Error {
    let kind = match failure.class {
        FailureClass::Cancelled => ErrorKind::Cancelled,
        _ => ErrorKind::Failed,
    };
    Error::of_failure(failure).of_kind(kind)
}
