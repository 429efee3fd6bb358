//! What a handler sees of its messages during a task.

use super::error::Unanswered;
use super::letter::{Letter, Reply, Said};
use super::place::{Place, Taken};
use super::{Message, json};
use crate::{Error, Result};
use callboard_core::Json;
use serde::Serialize;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The messages that wait for an instance; clones take from the same inbox.
///
/// [`Ctx::inbox`](crate::Ctx::inbox) lends it to the handler of a task. What the handler does not take waits for
/// [`Agent::message`](crate::Agent::message) after the task; when the task has ended, the inbox gives nothing any more.
#[derive(Clone)]
pub struct Inbox {
    place: Arc<Place>,
    reader: u64,
}

impl Inbox {
    pub(super) fn new(place: Arc<Place>, reader: u64) -> Self {
        Self { place, reader }
    }

    /// Waits for the next message; `None` when the task has ended, or the instance takes no more messages.
    ///
    /// May be cancelled: no message is lost by that.
    pub async fn next(&mut self) -> Option<Received> {
        loop {
            let changed = self.place.changed();
            match self.place.take(self.reader) {
                Taken::Message(message) => return Some(message),
                Taken::Over => return None,
                Taken::Nothing => changed.await,
            }
        }
    }

    /// The next message, if one waits.
    pub fn try_next(&mut self) -> Option<Received> {
        match self.place.take(self.reader) {
            Taken::Message(message) => Some(message),
            Taken::Nothing | Taken::Over => None,
        }
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("instance", &self.place.name.full).finish_non_exhaustive()
    }
}

/// A message in the hands of its handler; it reads as the [`Message`] that it is.
///
/// If it is an ask, whoever waits for the answer is told `Unknown` when this is dropped without one.
pub struct Received {
    letter: Letter,
    place: Arc<Place>,
}

impl Received {
    pub(super) fn new(letter: Letter, place: Arc<Place>) -> Self {
        Self { letter, place }
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.letter.message
    }

    /// Answers an ask. An answer that comes late is dropped and counted, and so is one to a message that is no ask.
    ///
    /// # Errors
    ///
    /// `Invalid` if the value has no JSON form. Whoever asked is told, too.
    pub fn reply<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        match json(value) {
            Ok(body) => {
                self.answer(body);
                Ok(())
            }
            Err(error) => {
                let told = Error::new(error.kind(), error.message());
                self.fail(error);
                Err(told)
            }
        }
    }

    /// Says that the message is not for this agent.
    pub fn decline(self) {
        self.place.shared.counters.declined.add(1);
        let unheard = self.refuse(Unanswered::Declined);
        match unheard {
            Some((message, place)) if !message.is_broadcast() => {
                tracing::warn!(instance = %place.name.full, topic = message.topic(), "a message was declined");
            }
            _ => {} // whoever asked has been told, and a broadcast is not meant for this agent in particular
        }
    }

    /// Carries out what [`Agent::message`](crate::Agent::message) would return: so that an agent may treat messages alike,
    /// between tasks and during one.
    pub fn settle(self, outcome: Result<Reply>) {
        match outcome {
            Ok(Reply(Said::Nothing)) => self.answer(Json::null()),
            Ok(Reply(Said::Body(body))) => self.answer(body),
            Ok(Reply(Said::Declined)) => self.decline(),
            Err(error) => self.fail(error),
        }
    }

    /// The handler has failed: whoever asked hears why, else the log does.
    pub(super) fn fail(self, error: Error) {
        self.place.shared.counters.failed.add(1);
        if self.letter.asker.is_some() {
            let _told = self.refuse(Unanswered::Failed(error));
        } else {
            let (instance, topic) = (&self.place.name.full, self.topic());
            tracing::warn!(%instance, topic, error = format!("{error:#}"), "a message was not handled");
        }
    }

    /// The handler has panicked.
    pub(super) fn panicked(self, text: &str) {
        self.place.shared.counters.failed.add(1);
        tracing::warn!(instance = %self.place.name.full, topic = self.topic(), text, "the handler of a message panicked");
        let _told = self.refuse(Unanswered::Panicked(text.to_owned()));
    }

    /// The handler was cut short.
    pub(super) fn cut_short(self) {
        self.place.shared.counters.failed.add(1);
        tracing::warn!(instance = %self.place.name.full, topic = self.topic(), "the handler of a message was cut short");
        let _told = self.refuse(Unanswered::Silent);
    }

    fn answer(mut self, body: Json) {
        let Some(asker) = self.letter.asker.take() else { return };
        let shared = &self.place.shared;
        let answer = self.place.answer(&self.letter.message, body);
        let seen = shared.observers.any().then(|| answer.clone());
        if asker.send(Ok(answer)).is_err() {
            shared.counters.late.add(1);
            return;
        }
        shared.counters.answered.add(1);
        if let Some(seen) = seen {
            shared.observers.publish(&seen);
        }
    }

    /// Tells whoever asked that there is no answer; gives the message back when nobody did.
    fn refuse(self, why: Unanswered) -> Option<(Message, Arc<Place>)> {
        let Letter { message, asker } = self.letter;
        match asker {
            Some(asker) => {
                let _gone = asker.send(Err(why));
                None
            }
            None => Some((message, self.place)),
        }
    }
}

impl Deref for Received {
    type Target = Message;

    fn deref(&self) -> &Message {
        self.message()
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Received").field(self.message()).finish()
    }
}
