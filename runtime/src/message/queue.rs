//! The bounded queue of one instance.

#[cfg(test)]
mod tests;

use super::letter::Letter;
use super::{Limits, Message, MessageId};
use crate::sync::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Letters in the order in which they came.
///
/// Its locks are held for a push or a pop and never across an await. It is read by one side at a time: the instance, or
/// the task to which it is lent.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) limits: Limits,
    state: Mutex<State>,
    /// How many wait; kept beside the state so that whoever looks for an idle instance needs no lock.
    waiting: AtomicUsize,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    letters: VecDeque<Letter>,
    /// Of the bodies that wait.
    bytes: usize,
    /// The number of the present reader; that of an earlier one takes nothing any more.
    reader: u64,
    is_closed: bool,
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    Taken,
    /// The letter is still with the sender.
    Full,
    /// The letter is still with the sender.
    Closed,
}

/// What there is for a reader.
#[derive(Debug)]
pub(super) enum Next {
    Letter(Letter),
    Nothing,
    /// There will be nothing: the queue is closed and empty, or this is no longer the reader.
    Over,
}

impl Queue {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default(), waiting: AtomicUsize::new(0), changed: Notify::new() }
    }

    /// Takes the letter out of `letter`, if there is room. `accepted` hears of it first: before anybody can act on it.
    pub(super) fn offer(&self, letter: &mut Option<Letter>, accepted: impl FnOnce(&Message)) -> Offer {
        let mut state = self.lock();
        if state.is_closed {
            return Offer::Closed;
        }
        let bytes = letter.as_ref().map_or(0, |letter| letter.message.body_bytes());
        let is_full = state.is_full(bytes, &self.limits);
        if !is_full && let Some(letter) = letter.take() {
            accepted(&letter.message);
            state.bytes += bytes;
            state.letters.push_back(letter);
        }
        self.waiting.store(state.letters.len(), Ordering::Relaxed);
        drop(state);
        if is_full {
            return Offer::Full;
        }
        self.changed.notify_one();
        Offer::Taken
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// What there is for `reader` now.
    pub(super) fn take(&self, reader: u64) -> Next {
        let mut state = self.lock();
        if state.reader != reader {
            return Next::Over;
        }
        let Some(letter) = state.letters.pop_front() else {
            return if state.is_closed { Next::Over } else { Next::Nothing };
        };
        state.bytes -= letter.message.body_bytes();
        self.waiting.store(state.letters.len(), Ordering::Relaxed);
        Next::Letter(letter)
    }

    /// Waits until there may be something new for a reader. To be made before [`take`](Self::take) is asked, so that
    /// nothing is missed between the two.
    pub(super) fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.changed.notified()
    }

    /// Makes whoever calls this the reader in the place of the present one; gives its number.
    pub(super) fn change_reader(&self) -> u64 {
        let mut state = self.lock();
        state.reader += 1;
        let reader = state.reader;
        drop(state);
        self.changed.notify_waiters();
        reader
    }

    /// Takes a letter back that was not taken yet; says whether it was there.
    pub(super) fn withdraw(&self, id: MessageId) -> bool {
        let mut state = self.lock();
        let at = state.letters.iter().position(|letter| letter.message.id == id);
        let Some(letter) = at.and_then(|at| state.letters.remove(at)) else { return false };
        state.bytes -= letter.message.body_bytes();
        self.waiting.store(state.letters.len(), Ordering::Relaxed);
        drop(state); // before the letter: its drop wakes whoever asked
        true
    }

    /// Takes no more letters from now on, and gives back what waits.
    pub(super) fn close(&self) -> VecDeque<Letter> {
        let mut state = self.lock();
        state.is_closed = true;
        state.bytes = 0;
        let left = std::mem::take(&mut state.letters);
        self.waiting.store(0, Ordering::Relaxed);
        drop(state);
        self.changed.notify_waiters();
        left
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_full(&self, bytes: usize, limits: &Limits) -> bool {
        let too_many = self.letters.len() >= limits.inbox_max;
        too_many || (!self.letters.is_empty() && self.bytes + bytes > limits.inbox_bytes_max)
    }
}
