//! Drives a handler: polls it to rest, gives it what is recorded one outcome at a time, sends on what it wants to be
//! recorded, and says when it can be parked.

use super::calls::{Calls, Key, Outcome, Patience};
use super::polled::Polled;
use super::trap::{Spot, recorded_by};
use crate::agent::instance::Floor;
use crate::closing_time::ClosingTime;
use crate::dispatch::courier::fetch;
use crate::limit::units_of;
use crate::partition::handle::Unheard;
use crate::partition::message::Say;
use crate::{Error, ErrorKind, Result};
use callboard_core::{Entry, Failure, FailureClass, Json, Note, Noted, Payload, Rejected, Speaker};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use std::any::Any;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How a handler came to its end, or stopped being driven.
pub(crate) enum Driven {
    /// By itself.
    Done(Result<Json>),
    /// By a panic.
    Panicked(Box<dyn Any + Send>),
    /// It is parked: begun again when what it waits for has come.
    Parked,
    /// The task is not the speaker's any more.
    Unheard(Unheard),
    /// A test has the instance die here.
    Crashed,
}

/// A handler in the making: caught if it panics.
pub(crate) type Handler<'a> = Pin<Box<dyn Future<Output = Result<Result<Json>, Box<dyn Any + Send>>> + Send + 'a>>;

/// What drives a handler.
pub(crate) struct Driver<'a> {
    floor: &'a Floor,
    speaker: &'a Speaker,
    capability: &'a str,
    calls: &'a Arc<Calls>,
    polled: Polled<'a>,
    /// Entries that were read and not given to the handler yet.
    entries: VecDeque<Entry>,
    /// Entries that were given to it.
    seen: usize,
    sending: FuturesUnordered<BoxFuture<'a, Sent>>,
    /// What must wait until everything that was sent before is recorded.
    behind: VecDeque<Note>,
    following: Option<BoxFuture<'a, Result<Vec<Entry>, Unheard>>>,
    progressing: Option<BoxFuture<'a, ()>>,
    /// Whether there are entries that are not durable yet: nothing is asked of the partition before they are here.
    news_comes: bool,
    closing: &'a ClosingTime,
}

/// What became of a note.
enum Sent {
    Recorded,
    /// The task asked for children that can not be.
    Refused(Vec<callboard_core::Child>, Rejected),
    Unheard(Unheard),
    Crashed,
}

impl<'a> Driver<'a> {
    /// Drives `handler`. `record` is what earlier activations have recorded.
    pub(crate) fn new(
        floor: &'a Floor,
        speaker: &'a Speaker,
        capability: &'a str,
        calls: &'a Arc<Calls>,
        handler: Handler<'a>,
        record: Vec<Entry>,
        closing: &'a ClosingTime,
    ) -> Self {
        if !record.is_empty() {
            calls.replay();
        }
        Self {
            floor,
            speaker,
            capability,
            calls,
            polled: Polled::new(handler),
            entries: record.into(),
            seen: 0,
            sending: FuturesUnordered::new(),
            behind: VecDeque::new(),
            following: None,
            progressing: None,
            news_comes: false,
            closing,
        }
    }

    /// Drives it until it ends, is parked or is not wanted any more. Dropping the future drops the handler at its await.
    pub(crate) async fn drive(&mut self) -> Driven {
        loop {
            if let Some(ended) = self.polled.rest().await {
                return if matches!(ended, Driven::Done(Ok(_))) { self.take_back(ended).await } else { ended };
            }
            if let Some(entry) = self.entries.pop_front() {
                if let Err(ended) = self.give(entry).await {
                    return ended;
                }
                continue;
            }
            self.calls.go_live();
            if self.polled.root.is_woken() {
                continue;
            }
            self.send_wanted();
            if let Err(ended) = self.wait().await {
                return ended;
            }
        }
    }

    /// Has recorded what a handler that has ended takes back. After an attempt that failed the next one decides again.
    async fn take_back(&mut self, ended: Driven) -> Driven {
        // What it has not waited to be told may be of what it takes back.
        self.entries.drain(..).for_each(|entry| self.calls.untold(&entry));
        let taken_back = |note: &Note| matches!(note, Note::Withdraw(_));
        let mut withdrawals: Vec<Note> = self.behind.drain(..).filter(taken_back).collect();
        withdrawals.extend(self.calls.take_withdrawals());
        loop {
            while let Some(sent) = self.sending.next().await {
                if let Err(ended) = self.sent(sent) {
                    return ended;
                }
            }
            // Only now is it there, if it was on its way.
            if withdrawals.is_empty() {
                return ended;
            }
            std::mem::take(&mut withdrawals).into_iter().for_each(|note| self.send(note));
        }
    }

    /// Lets a handler whose task was cancelled clean up: its calls all say so, and nothing more is recorded.
    pub(crate) async fn clean_up(&mut self) {
        while self.polled.rest().await.is_none() {
            self.polled.root.woken().await;
        }
    }

    /// Gives the handler what is recorded next.
    async fn give(&mut self, entry: Entry) -> Result<(), Driven> {
        if self.floor.crosses(self.speaker, self.capability, &entry.key, Spot::of(&entry.what)) {
            return Err(Driven::Crashed);
        }
        let outcome = match &entry.what {
            Noted::Value(payload) => {
                let value = value(self.floor, self.speaker, payload).await;
                Some(Outcome::Value(value.map_err(|error| Driven::Done(Err(error)))?))
            }
            Noted::Failed(failure) => Some(Outcome::Failed(failure.clone())),
            _ => None,
        };
        self.seen += 1;
        self.calls.deliver(&entry, outcome);
        Ok(())
    }

    /// Sends on what the handler wants to be recorded.
    fn send_wanted(&mut self) {
        let (wanted, progress) = self.calls.take_outbox();
        let mut together = Vec::new();
        for note in wanted {
            match note {
                // Names hold among those that were asked for together.
                Note::Children(children) if !is_group(&children) => together.extend(children),
                note => {
                    self.send_children(&mut together);
                    self.behind.push_back(note);
                }
            }
        }
        self.send_children(&mut together);
        while let Some(note) = self.behind.pop_front() {
            // What is taken back must have been asked for first.
            if matches!(note, Note::Withdraw(_)) && !self.sending.is_empty() {
                self.behind.push_front(note);
                break;
            }
            self.send(note);
        }
        if let Some(progress) = progress {
            let (floor, speaker) = (self.floor, self.speaker);
            let progressing = async move {
                let _fenced = floor.partitions.speak(speaker, Say::Note(Note::Progress(progress))).await;
            };
            self.progressing = Some(progressing.boxed());
        }
    }

    fn send_children(&mut self, together: &mut Vec<callboard_core::Child>) {
        if !together.is_empty() {
            self.behind.push_back(Note::Children(std::mem::take(together)));
        }
    }

    fn send(&mut self, note: Note) {
        let (floor, speaker, capability) = (self.floor, self.speaker, self.capability);
        self.sending.push(async move { record(floor, speaker, capability, note).await }.boxed());
    }

    /// Waits until there is something to do.
    async fn wait(&mut self) -> Result<(), Driven> {
        let follows = self.following.is_some() || self.seen > 0 || !self.sending.is_empty();
        if follows && self.following.is_none() {
            let (floor, speaker, seen) = (self.floor, self.speaker, self.seen);
            self.following = Some(async move { floor.partitions.follow(speaker, seen).await }.boxed());
        }
        let parks_at = self.parks_at();
        let gate = self.calls.gate();
        let floor = self.floor;
        tokio::select! {
            biased;
            () = self.polled.root.woken() => Ok(()),
            entries = either(&mut self.following) => {
                self.following = None;
                self.entries.extend(entries.map_err(Driven::Unheard)?);
                self.news_comes = false;
                Ok(())
            }
            Some(sent) = self.sending.next(), if !self.sending.is_empty() => self.sent(sent),
            // It waits at a gate and has more in hand, so that it can not be parked.
            () = worth_a_try(floor, gate.as_deref()), if gate.is_some() && parks_at.is_none() => {
                self.calls.try_gates();
                Ok(())
            }
            () = either(&mut self.progressing) => {
                self.progressing = None;
                Ok(())
            }
            () = sleep_until(parks_at.unwrap_or(self.polled.rests_since)), if parks_at.is_some() => self.park().await,
            // A node that stops waits for nobody who may be parked.
            () = self.closing.begun(), if parks_at.is_some() && !self.closing.has_begun() => Ok(()),
        }
    }

    /// When the handler is to be parked, if nothing happens before.
    fn parks_at(&self) -> Option<Instant> {
        let idle = self.sending.is_empty() && self.behind.is_empty() && self.entries.is_empty() && !self.news_comes;
        let patience = self.calls.can_park(&self.polled.root).filter(|_| idle)?;
        Some(match patience {
            Patience::Short if !self.closing.has_begun() => self.polled.rests_since + self.floor.park_after,
            Patience::Short | Patience::None => self.polled.rests_since,
        })
    }

    async fn park(&mut self) -> Result<(), Driven> {
        match self
            .floor
            .partitions
            .speak(self.speaker, Say::Note(Note::Park { seen: self.seen, gate: self.calls.gate() }))
            .await
        {
            Ok(()) => Err(Driven::Parked),
            Err(Unheard::Refused(_news)) => {
                self.news_comes = true;
                Ok(())
            }
            Err(unheard) => Err(Driven::Unheard(unheard)),
        }
    }

    fn sent(&mut self, sent: Sent) -> Result<(), Driven> {
        match sent {
            Sent::Recorded => Ok(()),
            Sent::Refused(children, rejected) => {
                // One that can not be keeps none of the others from being, unless they refer to one another.
                if children.len() > 1 && !is_group(&children) {
                    children.into_iter().for_each(|child| self.send(Note::Children(vec![child])));
                    return Ok(());
                }
                let class = match rejected {
                    Rejected::Full { .. } => FailureClass::Retryable,
                    _ => FailureClass::Terminal,
                };
                for child in children.into_iter().filter(|child| self.calls.mark(&child.key).is_none()) {
                    let failure = Failure::new(class, rejected.to_string());
                    self.send(Note::Failed { key: child.key, failure, unsure: false });
                }
                Ok(())
            }
            Sent::Unheard(unheard) => Err(Driven::Unheard(unheard)),
            Sent::Crashed => Err(Driven::Crashed),
        }
    }
}

/// Whether these children may refer to one another.
fn is_group(children: &[callboard_core::Child]) -> bool {
    children.iter().any(|child| child.alias.is_some())
}

/// A recorded value, wherever it is. The store is waited for: what is recorded is not given up because it is away.
async fn value(floor: &Floor, speaker: &Speaker, payload: &Payload) -> Result<Json> {
    if let Payload::Json(json) = payload {
        return Ok(json.clone());
    }
    loop {
        match fetch(&floor.payloads, payload).await {
            Ok(bytes) => {
                let corrupt = |error| Error::new(ErrorKind::Corrupt, "a recorded value is no JSON").because(error);
                return serde_json::from_slice(&bytes).map_err(|error: serde_json::Error| corrupt(error));
            }
            Err(error) if error.kind() != ErrorKind::Unavailable => return Err(error),
            Err(error) => {
                tracing::warn!(task = %speaker.task, error = format!("{error:#}"), "a recorded value waits for the store");
                tokio::time::sleep(FETCH_AGAIN).await;
            }
        }
    }
}

/// Has a note recorded. Large values go to the store first.
async fn record(floor: &Floor, speaker: &Speaker, capability: &str, note: Note) -> Sent {
    if floor.trap.is_some() {
        let dies = |key: &&Key| floor.crosses(speaker, capability, key, Spot::before(&note));
        if recorded_by(&note).iter().any(dies) {
            return Sent::Crashed;
        }
    }
    let note = match note {
        Note::Value(key, Payload::Json(json)) => match floor.stored(speaker, &json).await {
            Ok(payload) => Note::Value(key, payload),
            // Its code has run: an effect that is recorded as failed for this may have happened.
            Err(error) => Note::Failed { key, failure: error.into_failure(), unsure: true },
        },
        Note::Settled { key, result: Ok(Payload::Json(json)), cost } => {
            let result = floor.stored(speaker, &json).await.map_err(Error::into_failure);
            Note::Settled { key, result, cost }
        }
        note => note,
    };
    let children = if let Note::Children(children) = &note { children.clone() } else { Vec::new() };
    match floor.partitions.speak(speaker, Say::Note(note)).await {
        Ok(()) => Sent::Recorded,
        Err(Unheard::Refused(rejected)) => Sent::Refused(children, rejected),
        Err(unheard) => Sent::Unheard(unheard),
    }
}

/// Waits until a gate may let somebody through.
async fn worth_a_try(floor: &Floor, gate: Option<&str>) {
    let changed = async {
        let Some(gate) = gate else { return std::future::pending().await };
        let limiter = units_of(gate).and_then(|(gate, _)| floor.limits.at(gate));
        match (limiter, floor.breakers.find(gate)) {
            (Some(limiter), _) => limiter.changed().await,
            (None, Some(breaker)) => breaker.changed().await,
            (None, None) => std::future::pending().await,
        }
    };
    // What has changed before this was asked is seen a little later.
    let _late = tokio::time::timeout(TRY_AGAIN, changed).await;
}

/// How soon a gate is tried again by who can not be parked.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Waits for what may be there; for ever, if it is not.
async fn either<T>(what: &mut Option<BoxFuture<'_, T>>) -> T {
    match what {
        Some(what) => what.await,
        None => std::future::pending().await,
    }
}

/// The pause before a recorded value that could not be read is tried again.
const FETCH_AGAIN: Duration = Duration::from_secs(1);
