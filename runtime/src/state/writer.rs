//! Writing documents: what waits for one document goes into one version.
//!
//! Each document that is being written has a task, its writer, that takes what waits, shows each write in turn what the one
//! before has made, and makes one version of all. What is not written then, because somebody else was faster or the store gave
//! no answer, goes again before what has come since. The closures stay with their callers: they are asked, not handed over.

use super::chain::{Documents, Found, Read, Write, unknown};
use super::key::segment;
use super::version::{Body, Fences, Made};
use crate::journal::register::Advance;
use crate::partition::door::only_a_copy;
use crate::{Error, ErrorKind, Result};
use callboard_core::Json;
use callboard_core::sabotage::{self, Sabotage};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// How many writes share a version.
const SHARED_MAX: usize = 256;
/// How many bytes of JSON a document has at most.
pub const DOCUMENT_BYTES_MAX: usize = 16 << 20;
/// How many times a write begins anew before it gives up: each time somebody else has written.
const TURNS_MAX: usize = 1_000;
/// How many tries of one write may end without an answer before it gives up: each takes some seconds.
const UNKNOWN_MAX: usize = 3;
/// How soon a store that is away is asked again, and a caller who does not answer.
const AGAIN: Duration = Duration::from_millis(200);
/// How long a caller may take to say what it makes of a version. One that is not polled holds up the others no longer.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// What may be said to a caller that has not listened yet: one turn, and what came of it.
const SAID_MAX: usize = 2;

/// What waits for each document that is being written; there is a writer for each of them.
#[derive(Debug, Default)]
pub(super) struct Queues(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    queues: BTreeMap<Arc<str>, VecDeque<Pending>>,
    /// Each holds the documents, and so this; it ends when nothing waits.
    writers: JoinSet<()>,
}

/// What a write is shown: the newest version, and what those before it in this turn have made of it.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) base: Read,
    value: Option<Json>,
}

impl Turn {
    pub(super) fn value(&self) -> Option<&Json> {
        self.value.as_ref()
    }
}

/// A write that waits.
#[derive(Debug)]
struct Pending {
    write: Write,
    say: mpsc::Sender<Said>,
    /// The version behind which it may have been made, or may yet be.
    perhaps_since: Option<u64>,
    unknowns: usize,
    turns: usize,
    /// Until when it waits for a store that is away.
    until: Instant,
}

/// What is said to a caller.
enum Said {
    /// It is its turn: what does it make of this?
    Turn(Arc<Turn>, oneshot::Sender<Result<Option<Json>>>),
    Done(Result<Found>),
}

impl Documents {
    /// Writes what `next` makes of the newest version, once, whatever answers are lost; the number of the version that
    /// holds it. A call that is dropped may have been written, or be yet; one that is not polled is passed over.
    ///
    /// # Errors
    ///
    /// That of `next`; those of a read; `Unavailable` if the store is away for too long, `Unknown` if it has not said whether
    /// it was written; `Fenced` under a lock that another has by now.
    pub(super) async fn update(
        &self,
        key: &str,
        write: &Write,
        mut next: impl FnMut(&Turn) -> Result<Option<Json>>,
    ) -> Result<Found> {
        segment(key)?;
        if self.0.is_frozen {
            return Err(only_a_copy());
        }
        let (say, mut heard) = mpsc::channel(SAID_MAX);
        let until = Instant::now() + self.0.patience;
        let pending = Pending { write: write.clone(), say, perhaps_since: None, unknowns: 0, turns: 0, until };
        self.enqueue(key, pending);
        while let Some(said) = heard.recv().await {
            match said {
                Said::Turn(turn, answer) => {
                    let made = next(&turn).and_then(|value| fits(key, value.as_ref()).map(|()| value));
                    let _writer_has_ended = answer.send(made);
                }
                Said::Done(result) => return result,
            }
        }
        Err(unknown(key, "the node has ended".to_owned()))
    }

    fn enqueue(&self, key: &str, pending: Pending) {
        let mut waiting = self.0.queues.lock();
        if let Some(queue) = waiting.queues.get_mut(key) {
            queue.push_back(pending);
            return;
        }
        let key: Arc<str> = key.into();
        waiting.queues.insert(key.clone(), VecDeque::from([pending]));
        while waiting.writers.try_join_next().is_some() {}
        waiting.writers.spawn(Writer { documents: self.clone(), key, base: None, has_ended: false }.run());
    }
}

impl Queues {
    /// Each change of what is behind the lock is whole.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a document can have this value.
///
/// # Errors
///
/// `Invalid` for one that is too long.
pub(crate) fn fits(key: &str, value: Option<&Json>) -> Result<()> {
    match value.map_or(0, |value| value.as_str().len()) {
        0..=DOCUMENT_BYTES_MAX => Ok(()),
        bytes => {
            let message = format!("the value of document {key:?} has {bytes} bytes, {DOCUMENT_BYTES_MAX} are allowed");
            Err(Error::invalid(message))
        }
    }
}

/// Writes one document, for as long as somebody waits.
struct Writer {
    documents: Documents,
    key: Arc<str>,
    /// What it has written itself, which is the newest version unless somebody else writes, too.
    base: Option<Read>,
    /// Whether it has taken leave: if somebody waits by now there is another writer.
    has_ended: bool,
}

/// A version in the making.
struct Draft {
    value: Option<Json>,
    fences: Fences,
    writes: Vec<Pending>,
}

/// Whoever still waits when the writer ends, which is when it has panicked, is told that nobody knows.
impl Drop for Writer {
    fn drop(&mut self) {
        if !self.has_ended {
            self.documents.0.queues.lock().queues.remove(&self.key);
        }
    }
}

impl Writer {
    async fn run(mut self) {
        let mut waiting = Vec::new();
        while self.takes(&mut waiting) {
            waiting = self.round(waiting).await;
        }
    }

    /// Takes what has come. False when nothing waits: then the writer has ended for all others, too.
    fn takes(&mut self, waiting: &mut Vec<Pending>) -> bool {
        let queues = &mut self.documents.0.queues.lock().queues;
        let Some(queue) = queues.get_mut(&self.key) else { return false };
        let room = SHARED_MAX.saturating_sub(waiting.len()).min(queue.len());
        waiting.extend(queue.drain(..room));
        if waiting.is_empty() {
            queues.remove(&self.key);
            self.has_ended = true;
        }
        !waiting.is_empty()
    }

    /// Makes one version of what waits, as far as that can be; what has to go again.
    async fn round(&mut self, waiting: Vec<Pending>) -> Vec<Pending> {
        let (base, is_newest) = match self.base.take() {
            Some(base) => (base, false),
            None => match self.documents.read(&self.key).await {
                Ok(base) => (base, true),
                Err(error) => return self.away(waiting, &error).await,
            },
        };
        let mut draft = Draft {
            value: base.value().cloned(),
            fences: base.body.as_ref().map(|body| body.fences.clone()).unwrap_or_default(),
            writes: Vec::new(),
        };
        let mut again = Vec::new();
        for pending in waiting {
            again.extend(self.ask(pending, &base, is_newest, &mut draft).await);
        }
        if draft.writes.is_empty() {
            if again.iter().any(Pending::is_silent) {
                sleep(AGAIN).await;
            }
            return again;
        }
        // Those that were written go before those that could not be.
        let mut first = self.write(base, draft).await;
        first.append(&mut again);
        first
    }

    /// Asks a caller what it makes of the draft; gives it back if it has to be asked again, on another base.
    async fn ask(&self, mut pending: Pending, base: &Read, is_newest: bool, draft: &mut Draft) -> Option<Pending> {
        let key = &*self.key;
        let looks = !sabotage::is(Sabotage::UpdateAgain);
        if pending.write.is_remembered() {
            // What an earlier try has sent may land at any time, also while this one writes.
            pending.perhaps_since = pending.perhaps_since.or(pending.write.since).or(Some(base.number));
        }
        if let Some(since) = pending.perhaps_since.filter(|_| looks) {
            match self.documents.find(key, base, &pending.write, since).await {
                // A version does not change: next time it is looked for behind this one.
                Ok(None) => pending.perhaps_since = Some(base.number),
                Ok(Some(found)) => return pending.done(Ok(found)),
                Err(error) if error.kind() == ErrorKind::Unavailable && Instant::now() < pending.until => {
                    sleep(AGAIN).await;
                    return Some(pending);
                }
                Err(error) => return pending.fails(key, error),
            }
        }
        if let Some(error) = draft.fences.refuses(key, pending.write.fence.as_ref()) {
            return pending.fails(key, error);
        }
        if let Some(expected) = pending.write.rests_on {
            if !draft.writes.is_empty() {
                return Some(pending);
            }
            let is_so = base.number == expected || (expected == 0 && base.value().is_none());
            if !is_so {
                // Whatever was sent before is for the place of a version that is there by now.
                return if is_newest { pending.done(Err(base.conflict(key, expected))) } else { Some(pending) };
            }
        }
        if pending.is_silent() {
            if Instant::now() < pending.until {
                return Some(pending);
            }
            let message = format!("document {key:?} was not written: whoever wanted it did not listen");
            return pending.fails(key, Error::new(ErrorKind::Unavailable, message));
        }
        let (answer, made) = oneshot::channel();
        let turn = Arc::new(Turn { base: base.clone(), value: draft.value.clone() });
        pending.say.try_send(Said::Turn(turn, answer)).ok()?;
        let Ok(made) = timeout(ANSWER_MAX, made).await else { return Some(pending) };
        match made.ok()? {
            Ok(value) => {
                draft.value = value;
                if let Some(fence) = &pending.write.fence {
                    draft.fences.raise(&fence.lock, fence.token);
                }
                draft.writes.push(pending);
                None
            }
            // What it says counts of what is there, and not of what may be.
            Err(error) if is_newest && draft.writes.is_empty() => pending.fails(key, error),
            Err(_) => Some(pending),
        }
    }

    /// Writes the version; what has to go again.
    async fn write(&mut self, base: Read, draft: Draft) -> Vec<Pending> {
        let Draft { value, fences, writes } = draft;
        let body = Body {
            value,
            at: self.documents.0.clock.now(),
            node: self.documents.0.node.clone(),
            writes: writes
                .iter()
                .map(|Pending { write, .. }| Made { id: write.id.clone(), by: write.by.clone() })
                .collect(),
            earlier: base.body.as_ref().map(|body| body.remembered(base.number)).unwrap_or_default(),
            fences,
        };
        let began = Instant::now();
        let register = match self.documents.register(&self.key) {
            Ok(register) => register,
            Err(error) => return self.away(writes, &error).await,
        };
        match register.advance(&base.verified, &body).await {
            Advance::Advanced { version, superseded } => {
                let (number, body) = (version.number(), Arc::new(body));
                let read = Read { number, body: Some(body.clone()), verified: version };
                self.documents.0.cache.see(&self.key, &read, began);
                self.base = (!superseded).then_some(read);
                for pending in writes {
                    pending.done(Ok(Found { number, body: Some(body.clone()) }));
                }
                Vec::new()
            }
            Advance::Moved => self.again(writes, |pending| {
                pending.turns += 1;
                (pending.turns == TURNS_MAX).then(|| {
                    let message = format!("document {:?} was not written: others were always faster", self.key);
                    Error::new(ErrorKind::Unavailable, message)
                })
            }),
            Advance::Unknown { reason } => self.again(writes, |pending| {
                pending.perhaps_since = pending.perhaps_since.or(Some(base.number));
                pending.unknowns += 1;
                (pending.unknowns == UNKNOWN_MAX).then(|| unknown(&self.key, reason.clone()))
            }),
            Advance::Refused { reason } => {
                let message = format!("document {:?} was not written: the store refused: {reason}", self.key);
                self.away(writes, &Error::new(ErrorKind::Unavailable, message)).await
            }
        }
    }

    /// Nothing was written: those that can wait go again in a moment, the others are told why.
    async fn away(&self, waiting: Vec<Pending>, error: &Error) -> Vec<Pending> {
        let now = Instant::now();
        let waits = error.kind() == ErrorKind::Unavailable;
        let again = self.again(waiting, |pending| {
            let has_time = waits && now < pending.until && !pending.say.is_closed();
            (!has_time).then(|| copy(error))
        });
        if !again.is_empty() {
            sleep(AGAIN).await;
        }
        again
    }

    /// Those that `fault` finds nothing wrong with; the others fail.
    fn again(&self, waiting: Vec<Pending>, mut fault: impl FnMut(&mut Pending) -> Option<Error>) -> Vec<Pending> {
        let each = waiting.into_iter().filter_map(|mut pending| match fault(&mut pending) {
            None => Some(pending),
            Some(error) => pending.fails(&self.key, error),
        });
        each.collect()
    }
}

impl Pending {
    /// Whether the caller has not heard yet of its last turn, which is over.
    fn is_silent(&self) -> bool {
        !self.say.is_closed() && self.say.capacity() < SAID_MAX
    }

    /// The caller may have gone.
    fn done(self, result: Result<Found>) -> Option<Self> {
        let _caller_has_gone = self.say.try_send(Said::Done(result));
        None
    }

    /// It is not said that nothing was written when that is not known.
    fn fails(self, key: &str, error: Error) -> Option<Self> {
        let error = if self.unknowns > 0 { unknown(key, error.to_string()) } else { error };
        self.done(Err(error))
    }
}

fn copy(error: &Error) -> Error {
    error.causes().fold(Error::new(error.kind(), error.message()), Error::because)
}
