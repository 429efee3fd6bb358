//! The durable calls of one activation: what its handler has asked for, and what has come of it.
//!
//! It stands between the handler, which makes calls and polls their futures, and the driver, which gives it what is
//! recorded, one outcome at a time, and sends on what the handler wants to be recorded. While the record is played back
//! nothing is sent and no step runs.

use super::key::{self, KEY_BYTES_MAX};
use super::root::Root;
use super::trap::{Sight, Witness, recorded_by};
use crate::{Error, ErrorClass, ErrorKind, Result};
use callboard_core::sabotage::{self, Sabotage};
use callboard_core::{Child, Entry, Failure, FailureClass, Json, Note, Noted, TaskIndex};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;
use tokio::time::Instant;

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
}

#[derive(Debug)]
struct Table {
    phase: Phase,
    /// How often each stem was called.
    occurrences: HashMap<String, u32>,
    calls: HashMap<Key, Call>,
    /// Those of the calls that a future of the handler waits for: few, however many there were.
    awaited: HashSet<Key>,
    outbox: Vec<Note>,
    /// What the handler has said last of how far it is, if that is not sent.
    progress: Option<Json>,
    /// Steps whose code runs.
    running: usize,
    /// Whether calls that are dropped now are taken back.
    withdrawing: bool,
    /// Until when the task is known to be the handler's own; `None` where nobody else can have it.
    ours_until: Option<Instant>,
    /// Whether a step waits for that.
    wants_lease: bool,
    /// How many outcomes were delivered.
    delivered: u64,
    /// The number of the last of those that were given to the handler since this was looked at.
    consumed: u64,
    /// Whether only what is recorded already is given: nothing is asked for, and nothing begins.
    is_peeking: bool,
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

/// What is known of a call.
#[derive(Debug, Default)]
struct Call {
    /// What is recorded of its beginning.
    mark: Option<Mark>,
    outcome: Option<Outcome>,
    /// Which of the delivered outcomes that is, from 1.
    number: u64,
    /// Whether the handler has made it, in this activation.
    is_made: bool,
    /// Whether what it waits for is known to take long.
    is_long: bool,
    /// Whether this activation has sent on what it asks for.
    is_asked: bool,
    waker: Option<Waker>,
}

/// What is recorded of the beginning of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mark {
    /// A task was submitted.
    Submitted { child: TaskIndex, hash: Option<Arc<str>> },
    /// An effect was begun; `here` if that was in this activation.
    Begun { here: bool },
    /// Whether an effect happened is unknown.
    Unknown,
    /// An effect did not happen.
    NotDone,
    /// It waits.
    Waits,
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
            is_peeking: false,
        };
        Self { table: Mutex::new(table), witness, lease: Notify::new() }
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
        self.lock().running += 1;
        Running(self.clone())
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

    /// Nobody waits for a call any more.
    pub(crate) fn dropped(&self, key: &Key) {
        let mut table = self.lock();
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
                (call.outcome, call.number) = (Some(outcome), number);
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
        if table.awaited.is_empty() || table.running > 0 || !table.outbox.is_empty() || table.phase != Phase::Live {
            return None;
        }
        let is_durable = |call: &Call| {
            matches!(call.mark, Some(Mark::Submitted { .. } | Mark::Waits | Mark::Unknown)) && call.outcome.is_none()
        };
        let ours = table.kept_of(root);
        let patience = if table.awaited().all(|(_, call)| call.is_long) { Patience::None } else { Patience::Short };
        (table.awaited().all(|(_, call)| is_durable(call)) && root.kept() == ours).then_some(patience)
    }
}

impl Table {
    /// A future of the handler waits for this call.
    fn waits(&mut self, key: &Key, cx: &Context<'_>) {
        let call = self.calls.entry(key.clone()).or_default();
        if call.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            call.waker = Some(cx.waker().clone());
        }
        if !self.awaited.contains(key) {
            self.awaited.insert(key.clone());
        }
    }

    /// Whether the task is known to be the handler's own.
    fn is_ours(&self) -> bool {
        self.ours_until.is_none_or(|until| Instant::now() < until)
    }

    /// The handler is given what came of a call.
    fn gives(&mut self, key: &Key, turn: &Result<Turn>) {
        if let Ok(Turn::Outcome(_)) = turn {
            self.consumed = self.consumed.max(self.calls.get(key).map_or(0, |call| call.number));
        }
        self.rest(key);
    }

    /// Nothing waits for it any more.
    fn rest(&mut self, key: &Key) {
        if self.awaited.remove(key)
            && let Some(call) = self.calls.get_mut(key)
        {
            call.waker = None;
        }
    }

    fn awaited(&self) -> impl Iterator<Item = (&Key, &Call)> {
        self.awaited.iter().filter_map(|key| Some((key, self.calls.get(key)?)))
    }

    /// A call that the handler makes.
    fn made(&mut self, key: &Key) -> &mut Call {
        let call = self.calls.entry(key.clone()).or_default();
        call.is_made = true;
        call
    }

    /// How many of the calls that the handler waits for keep its own waker.
    fn kept_of(&self, root: &Root) -> usize {
        let keeps = |call: &Call| call.waker.as_ref().is_some_and(|waker| waker.will_wake(root.waker()));
        self.awaited().filter(|(_, call)| keeps(call)).count()
    }

    fn wake_all(&mut self) {
        self.calls.values_mut().filter_map(|call| call.waker.take()).for_each(Waker::wake);
    }

    fn withdraw(&mut self, keys: Vec<Key>) {
        if matches!(self.phase, Phase::Cancelled | Phase::Over) {
            return;
        }
        for note in &mut self.outbox {
            match note {
                Note::Children(children) => children.retain(|child| !keys.contains(&child.key)),
                Note::Wait { key, .. } if keys.contains(key) => *note = Note::Withdraw(Vec::new()),
                _ => {}
            }
        }
        self.outbox.push(Note::Withdraw(keys));
    }

    /// These notes are on their way.
    fn sent(&mut self, notes: &[Note]) {
        for note in notes {
            let (Note::Children(_) | Note::Wait { .. }) = note else { continue };
            keys(note).into_iter().for_each(|key| self.calls.entry(key.clone()).or_default().is_asked = true);
        }
    }

    /// What of a note is not recorded yet.
    fn still_wanted(&self, note: Note) -> Option<Note> {
        let call = |key: &Key| self.calls.get(key);
        let mark = |key: &Key| call(key).and_then(|call| call.mark.as_ref());
        let is_over = |key: &Key| call(key).is_some_and(|call| call.outcome.is_some());
        match note {
            Note::Children(mut children) => {
                let is_wanted = |child: &Child| mark(&child.key).is_none() && !is_over(&child.key);
                // Those that refer to one another go together: what is there already is what the others refer to.
                if children.iter().any(|child| child.alias.is_some()) {
                    return children.iter().any(is_wanted).then_some(Note::Children(children));
                }
                children.retain(is_wanted);
                (!children.is_empty()).then_some(Note::Children(children))
            }
            Note::Wait { ref key, .. } => (mark(key).is_none() && !is_over(key)).then_some(note),
            Note::Withdraw(mut keys) => {
                let is_asked = |key: &Key| call(key).is_some_and(|call| call.mark.is_some() || call.is_asked);
                keys.retain(|key| !is_over(key) && is_asked(key));
                (!keys.is_empty()).then_some(Note::Withdraw(keys))
            }
            note => Some(note),
        }
    }
}

/// The keys of a note.
fn keys(note: &Note) -> Vec<&Key> {
    match note {
        Note::Withdraw(keys) => keys.iter().collect(),
        note => recorded_by(note),
    }
}

fn mark_of(what: &Noted, here: bool) -> Option<Mark> {
    match what {
        Noted::Submitted { child, hash } => Some(Mark::Submitted { child: *child, hash: hash.clone() }),
        Noted::Begun(_) => Some(Mark::Begun { here }),
        Noted::Unknown => Some(Mark::Unknown),
        Noted::NotDone => Some(Mark::NotDone),
        Noted::Waits => Some(Mark::Waits),
        Noted::Value(_) | Noted::Failed(_) => None,
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

/// That the code of a step runs.
#[derive(Debug)]
pub(crate) struct Running(Arc<Calls>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
    }
}

/// A call that somebody waits for; dropped with the future that does.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) calls: Arc<Calls>,
    pub(crate) key: Key,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.calls.dropped(&self.key);
    }
}

impl Waiting {
    /// The call as it is when it is polled first: the same.
    pub(crate) fn polled(self) -> Self {
        if !sabotage::is(Sabotage::OccurrenceAtFirstPoll) {
            return self;
        }
        Self { calls: self.calls.clone(), key: self.calls.key_at_poll(&self.key) }
    }

    /// See [`Calls::poll_turn`].
    pub(crate) async fn turn(&self) -> Result<Turn> {
        std::future::poll_fn(|cx| self.calls.poll_turn(&self.key, cx)).await
    }

    /// See [`Calls::poll_ours`].
    pub(crate) async fn ours(&self) -> Result<()> {
        std::future::poll_fn(|cx| self.calls.poll_ours(&self.key, cx)).await
    }

    /// The same for a call whose beginning its handler sees, so that it is seen again where it was seen before.
    pub(crate) async fn turn_or_mark(&self) -> Result<Turn> {
        let Self { calls, key } = self;
        std::future::poll_fn(|cx| match calls.mark(key) {
            Some(_) => calls.poll_news(key, cx, |_| true),
            None => calls.poll_turn(key, cx),
        })
        .await
    }

    /// See [`Calls::poll_news`].
    pub(crate) async fn news(&self, until: impl Fn(&Mark) -> bool) -> Result<Turn> {
        std::future::poll_fn(|cx| self.calls.poll_news(&self.key, cx, &until)).await
    }

    /// Waits for the outcome.
    pub(crate) async fn outcome(&self) -> Result<Outcome> {
        match self.news(|_| false).await? {
            Turn::Outcome(outcome) => Ok(outcome),
            Turn::Go(_) => Err(Error::new(ErrorKind::Corrupt, "a call went on without an outcome")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::task::noop_waker;
    use std::time::Duration;
    use tokio::time::advance;

    fn key(name: &str) -> Key {
        name.into()
    }

    fn entry(key: &Key, what: Noted) -> Entry {
        Entry { seq: 1, at: callboard_core::Millis(0), key: key.clone(), what }
    }

    /// What was recorded behind the outcome that decided a race is of what the race takes back.
    #[test]
    fn what_has_ended_takes_back_what_it_was_not_told_of() {
        let calls = Calls::new(None);
        let (child, gone, never) = (key("call:a#1"), key("call:b#1"), key("call:c#1"));
        calls.replay();
        calls.withdraw(vec![child.clone(), gone.clone(), never]);
        calls.untold(&entry(&child, Noted::Submitted { child: TaskIndex(1), hash: None }));
        calls.untold(&entry(&gone, Noted::Submitted { child: TaskIndex(2), hash: None }));
        calls.untold(&entry(&gone, Noted::Value(callboard_core::Payload::Json(Json::null()))));
        let withdrawals = calls.take_withdrawals();
        assert!(matches!(&withdrawals[..], [Note::Withdraw(keys)] if *keys == [child]), "{withdrawals:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_begins_while_the_task_may_be_anothers() {
        let calls = Calls::new(None);
        let (waker, key) = (noop_waker(), key("step:a#1"));
        let cx = Context::from_waker(&waker);
        let until = Instant::now() + Duration::from_secs(1);
        assert!(matches!(calls.poll_ours(&key, &cx), Poll::Ready(Ok(()))), "nobody else can have it");
        calls.is_ours(until);
        assert!(matches!(calls.poll_ours(&key, &cx), Poll::Ready(Ok(()))));
        advance(Duration::from_secs(1)).await;
        assert!(calls.poll_ours(&key, &cx).is_pending());
        calls.wants_lease().await;
        assert!(calls.lock().calls[&key].waker.is_some());
        calls.is_ours(until);
        assert!(calls.poll_ours(&key, &cx).is_pending(), "it is over already");
        calls.is_ours(until + Duration::from_secs(1));
        assert!(calls.lock().calls[&key].waker.is_none(), "whoever waits is woken");
        assert!(matches!(calls.poll_ours(&key, &cx), Poll::Ready(Ok(()))));
    }
}
